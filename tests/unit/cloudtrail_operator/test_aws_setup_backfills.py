"""What a backfill needs in AWS: to list and to read, and nothing of the queue."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.__main__ import main
from support.aws_setups import ACCOUNT, ARCHIVE, IRSA, ISSUER, READER, STDOUT
from support.backfills import Manifest, build_backfill, build_inline_source
from support.sources import build_source

KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `aws …` on a file with these resources; returns the exit code and what is printed."""

    def run_it(manifests: list[Manifest], *arguments: str) -> tuple[int, str, str]:
        path = tmp_path / "manifests.yaml"
        path.write_text(yaml.safe_dump_all(manifests))
        code = main(["aws", *arguments, "-f", str(path)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err.replace(f"{path}: ", "")

    return run_it


def build_old_bucket(name: str = "old-bucket", **changes: Any) -> Manifest:
    return build_backfill(name, "security", sourceRef=None, source=build_inline_source(**changes))


def test_policy_has_nothing_of_a_queue(run: Run) -> None:
    code, printed, _ = run([build_old_bucket(bucket="acme-old", prefix="audit")], "policy", "--log-key", KEY)
    assert code == 0
    assert json.loads(printed)["Statement"] == [
        {
            "Sid": "ReadLogFiles",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::acme-old/audit/AWSLogs/*",
        },
        {
            "Sid": "ListLogFiles",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::acme-old",
            "Condition": {"StringLike": {"s3:prefix": "audit/AWSLogs/*"}},
        },
        {
            "Sid": "DecryptLogFiles",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": KEY,
            "Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
        },
    ]


def test_trust_is_in_the_service_account_of_its_pods(run: Run) -> None:
    code, printed, _ = run([build_old_bucket()], "trust", *IRSA)
    assert code == 0
    (statement,) = json.loads(printed)["Statement"]
    assert statement["Condition"]["StringEquals"] == {
        f"{ISSUER}:aud": "sts.amazonaws.com",
        f"{ISSUER}:sub": "system:serviceaccount:security:old-bucket-backfill",
    }


def test_further_roles_are_those_of_a_source(run: Run) -> None:
    manifest = build_old_bucket(assumeRole={"roleArn": READER, "externalId": "acme"}, sinks=[STDOUT, ARCHIVE])
    statements = {
        options: [statement["Sid"] for statement in json.loads(run([manifest], "policy", *options)[1])["Statement"]]
        for options in ((), ("--assumed",), ("--sink", "archive"))
    }
    assert statements == {
        (): ["AssumeRoles"],
        ("--assumed",): ["ReadLogFiles", "ListLogFiles"],
        ("--sink", "archive"): ["WriteArchive", "EncryptArchive"],
    }


def test_source_of_a_file_is_meant_unless_the_backfill_is_named(run: Run) -> None:
    manifests = [build_old_bucket(), build_source("org-trail", "security")]
    assert "ReceiveMessages" in run(manifests, "policy")[1]
    assert "ReceiveMessages" in run(manifests, "policy", "--name", "org-trail")[1]
    assert "ReceiveMessages" not in run(manifests, "policy", "--name", "old-bucket")[1]


@pytest.mark.parametrize(
    ("manifests", "arguments", "mistakes"),
    [
        (
            [build_backfill("last-week", "security", sourceRef={"name": "trail"})],
            ["policy"],
            ["spec.sourceRef: CloudTrailBackfill last-week reads with the role of CloudTrailSource trail: give this"],
        ),
        (
            [build_old_bucket()],
            ["policy", "--queue-key", KEY, "--dead-letter-queue", QUEUE],
            [
                "--queue-key: leave it out, a backfill reads no queue",
                "--dead-letter-queue: leave it out, a backfill reads no queue",
            ],
        ),
        ([build_old_bucket()], ["cloudformation", "--trail", "org", *IRSA], ["holds no CloudTrailSource"]),
        (
            [build_old_bucket("a"), build_old_bucket("b")],
            ["policy"],
            ["holds several CloudTrailBackfills: choose one with --name: a, b"],
        ),
        (
            [build_old_bucket() | {"apiVersion": "v1", "metadata": {"name": "x"}}],
            ["policy"],
            [
                "apiVersion: must be cloudtrail-operator.io/v1alpha1, is v1",
                "metadata.namespace: is needed, here or as --namespace: roles trust a ServiceAccount of it",
            ],
        ),
        ([build_old_bucket(region="Mars")], ["policy"], ["spec.source.region: "]),
    ],
)
def test_what_does_not_suffice_is_named(
    manifests: list[Manifest], arguments: list[str], mistakes: list[str], run: Run
) -> None:
    code, printed, said = run(manifests, *arguments)
    assert (code, printed) == (2, "")
    lines = said.splitlines()
    assert len(lines) == len(mistakes), lines
    for line, mistake in zip(lines, mistakes, strict=True):
        assert line.startswith(mistake)
