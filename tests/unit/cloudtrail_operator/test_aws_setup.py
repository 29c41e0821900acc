"""What a source needs in AWS: policies and trust, of every kind of role, in every partition."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudtrail_operator.__main__ import main
from cloudtrail_operator.aws_setup.key_prefix import build_key_pattern, find_trail_prefix
from cloudtrail_spec.log_prefix import find_log_prefix
from support.aws_setups import (
    ACCOUNT,
    ARCHIVE,
    ARCHIVE_ROLE,
    BUCKET,
    CLUSTER,
    IRSA,
    ISSUER,
    OTHER_ACCOUNT,
    POD_IDENTITY,
    QUEUE_ARN,
    READER,
    ROLE_ARN,
    SECRET,
    STDOUT,
    move_to,
    write_source,
)

Ask = Callable[..., Any]
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
QUEUE_ACTIONS = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
ASSUMED = {"assumeRole": {"roleArn": READER, "externalId": "acme"}}


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run `aws …` on a source with these changes; returns the document that it prints."""

    def run(*arguments: str, **changes: Any) -> Any:
        code = main(["aws", *arguments, "-f", write_source(tmp_path, **changes)])
        printed = capsys.readouterr()
        assert (code, printed.err) == (0, "")
        return json.loads(printed.out)

    return run


@pytest.fixture
def refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Run `aws …`, which must refuse; returns the mistakes that it lists."""

    def run(*arguments: str, **changes: Any) -> list[str]:
        code = main(["aws", *arguments, "-f", write_source(tmp_path, **changes)])
        printed = capsys.readouterr()
        assert (code, printed.out) == (2, "")
        return printed.err.splitlines()

    return run


def by_sid(document: Any) -> dict[str, Any]:
    assert document["Version"] == "2012-10-17"
    statements = document["Statement"]
    found = {statement["Sid"]: statement for statement in statements}
    assert len(found) == len(statements), "AWS wants each Sid once"
    assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in found)
    return found


def list_actions(document: Any) -> Iterator[str]:
    for statement in document["Statement"]:
        action = statement["Action"]
        yield from [action] if isinstance(action, str) else action


def test_t52_the_least_policy_names_the_queue_and_the_folder_of_the_log_files(ask: Ask) -> None:
    assert ask("policy") == {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "ReceiveMessages", "Effect": "Allow", "Action": QUEUE_ACTIONS, "Resource": QUEUE_ARN},
            {
                "Sid": "ReadLogFiles",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{BUCKET}/AWSLogs/*",
            },
        ],
    }


@pytest.mark.parametrize(
    "changes", [{}, SECRET, POD_IDENTITY, ASSUMED, {"sinks": [STDOUT, ARCHIVE], "extraBuckets": ["more"]}]
)
@pytest.mark.parametrize("also", [(), ("--also", "list"), ("--also", "verify", "--log-key", KEY, "--queue-key", KEY)])
@pytest.mark.parametrize("whose", [(), ("--assumed",)])
def test_t17_t52_no_reader_may_write_and_no_action_is_a_pattern(
    changes: dict[str, Any], also: tuple[str, ...], whose: tuple[str, ...], ask: Ask
) -> None:
    if whose and "assumeRole" not in changes:
        changes = changes | ASSUMED
    document = ask("policy", *also, *whose, **changes)
    allowed = {*QUEUE_ACTIONS, "s3:GetObject", "s3:ListBucket", "kms:Decrypt", "cloudtrail:ListPublicKeys"}
    assert set(list_actions(document)) <= allowed | {"sts:AssumeRole", "sts:TagSession"}
    for sid, statement in by_sid(document).items():
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            assert resource.startswith("arn:") or sid == "ReadDigestKeys"
            assert "*" not in resource.removesuffix("AWSLogs/*") or sid == "ReadDigestKeys"


KEYS = [{"fingerprint": "0" * 32, "value": "A" * 120}]


@pytest.mark.parametrize(
    ("integrity", "also", "asks"),
    [
        ({"mode": "Report"}, (), True),
        ({"mode": "Enforce", "publicKeys": KEYS}, (), False),
        ({"mode": "Report", "publicKeys": KEYS}, ("--also", "verify"), True),
    ],
)
def test_integrity_needs_to_list_and_public_keys_unless_they_are_given(
    integrity: dict[str, Any], also: tuple[str, ...], asks: bool, ask: Ask
) -> None:
    statements = by_sid(ask("policy", *also, integrity=integrity, prefix="audit/"))
    assert statements["ListLogFiles"]["Condition"] == {"StringLike": {"s3:prefix": "audit/AWSLogs/*"}}
    assert ("ReadDigestKeys" in statements) is asks
    assert statements["ReadLogFiles"]["Resource"] == f"arn:aws:s3:::{BUCKET}/audit/AWSLogs/*"


def test_mode_test_needs_no_right_to_delete(ask: Ask) -> None:
    statement = by_sid(ask("policy", "--mode", "Test"))["ReceiveMessages"]
    assert statement["Action"] == [action for action in QUEUE_ACTIONS if action != "sqs:DeleteMessage"]


def test_a_source_in_mode_test_gets_a_policy_with_which_it_may_be_activated(ask: Ask) -> None:
    assert by_sid(ask("policy", mode="Test"))["ReceiveMessages"]["Action"] == QUEUE_ACTIONS


def test_every_bucket_may_be_read_and_only_their_log_files_listed(ask: Ask) -> None:
    statements = by_sid(ask("policy", "--also", "list", extraBuckets=["acme-old-trail"], prefix="audit/"))
    read, listed = statements["ReadLogFiles"], statements["ListLogFiles"]
    assert read["Resource"] == [f"arn:aws:s3:::{bucket}/audit/AWSLogs/*" for bucket in (BUCKET, "acme-old-trail")]
    assert listed["Resource"] == [f"arn:aws:s3:::{bucket}" for bucket in (BUCKET, "acme-old-trail")]
    assert listed["Condition"] == {"StringLike": {"s3:prefix": "audit/AWSLogs/*"}}


def test_keys_are_used_through_their_service_only(ask: Ask) -> None:
    far = KEY.replace("us-east-1", "eu-west-1")
    statements = by_sid(ask("policy", "--log-key", KEY, "--log-key", far, "--queue-key", KEY))
    used = {sid: (statements[sid]["Resource"], statements[sid]["Condition"]) for sid in statements if "Decrypt" in sid}

    def through(service: str) -> Any:
        return {"StringEquals": {"kms:ViaService": service}}

    assert used == {
        "DecryptLogFiles": (KEY, through("s3.us-east-1.amazonaws.com")),
        "DecryptLogFiles2": (far, through("s3.eu-west-1.amazonaws.com")),
        "DecryptMessages": (KEY, through("sqs.us-east-1.amazonaws.com")),
    }


def test_the_dead_letter_queue_may_be_counted_and_nothing_else(ask: Ask) -> None:
    statement = by_sid(ask("policy", "--dead-letter-queue", f"{QUEUE_ARN}-dead-letter"))["CountDeadLetters"]
    assert (statement["Action"], statement["Resource"]) == ("sqs:GetQueueAttributes", f"{QUEUE_ARN}-dead-letter")


@pytest.mark.parametrize(
    ("prefix", "log_prefix", "trail_prefix"),
    [
        (None, "AWSLogs/", ""),
        ("audit", "audit/AWSLogs/", "audit/"),
        ("audit/", "audit/AWSLogs/", "audit/"),
        ("a/b", "a/b/AWSLogs/", "a/b/"),
        ("AWSLogs", "AWSLogs/", ""),
        ("AWSLogs/", "AWSLogs/", ""),
        ("audit/AWSLogs", "audit/AWSLogs/", "audit/"),
        ("AWSLogs/o-exampleorg1/1111", "AWSLogs/o-exampleorg1/1111", ""),
        ("audit/AWSLogs/111122223333/CloudTrail/us-", "audit/AWSLogs/111122223333/CloudTrail/us-", "audit/"),
        ("myAWSLogs", "myAWSLogs/AWSLogs/", "myAWSLogs/"),
    ],
)
def test_a_prefix_is_the_trails_own_or_goes_further(prefix: str | None, log_prefix: str, trail_prefix: str) -> None:
    assert find_log_prefix(prefix) == log_prefix
    assert find_trail_prefix(prefix) == trail_prefix
    assert build_key_pattern(prefix) == f"{log_prefix}*"


def test_no_character_of_a_prefix_is_a_pattern(ask: Ask) -> None:
    statement = by_sid(ask("policy", prefix="a*b?c${aws:username}"))["ReadLogFiles"]
    assert statement["Resource"] == f"arn:aws:s3:::{BUCKET}/a${{*}}b${{?}}c${{$}}{{aws:username}}/AWSLogs/*"


def test_a_pod_that_assumes_a_role_may_do_nothing_else(ask: Ask) -> None:
    assert ask("policy", "--log-key", KEY, **ASSUMED)["Statement"] == [
        {"Sid": "AssumeRoles", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": READER}
    ]
    assert set(by_sid(ask("policy", "--assumed", **ASSUMED))) == {"ReceiveMessages", "ReadLogFiles"}


def test_an_archive_role_may_put_objects_below_its_prefix_and_nothing_else(ask: Ask) -> None:
    sinks = [STDOUT, ARCHIVE]
    statements = by_sid(ask("policy", "--sink", "archive", sinks=sinks))
    assert set(statements) == {"WriteArchive", "EncryptArchive"}
    write, encrypt = statements["WriteArchive"], statements["EncryptArchive"]
    assert (write["Action"], write["Resource"]) == ("s3:PutObject", "arn:aws:s3:::acme-events/cloudtrail/account=*")
    assert encrypt["Resource"] == f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*"
    assert encrypt["Condition"]["ForAnyValue:StringEquals"] == {"kms:ResourceAliases": "alias/archive"}
    assert by_sid(ask("policy", sinks=sinks))["AssumeRoles"]["Resource"] == ARCHIVE_ROLE


@pytest.mark.parametrize("key_id", [KEY.rpartition("/")[2], KEY])
def test_the_key_of_an_archive_is_named_by_its_arn(key_id: str, ask: Ask) -> None:
    sink = {**ARCHIVE, "s3": {**ARCHIVE["s3"], "kmsKeyId": key_id}}  # type: ignore[dict-item]
    encrypt = by_sid(ask("policy", "--sink", "archive", sinks=[STDOUT, sink]))["EncryptArchive"]
    assert (encrypt["Action"], encrypt["Resource"]) == ("kms:GenerateDataKey", KEY)


def test_a_role_of_two_sinks_gets_the_rights_for_both(ask: Ask) -> None:
    """`put-role-policy` replaces: what is printed for one of them must not take the other's rights away."""
    second = {"name": "second", "s3": {"bucket": "more-events", "region": "eu-west-1", "roleArn": ARCHIVE_ROLE}}
    sinks = [STDOUT, ARCHIVE, second]
    both = [f"arn:aws:s3:::{bucket}/cloudtrail/account=*" for bucket in ("acme-events", "more-events")]
    assert by_sid(ask("policy", "--sink", "archive", sinks=sinks))["WriteArchive"]["Resource"] == both
    assert ask("policy", "--sink", "second", sinks=sinks) == ask("policy", "--sink", "archive", sinks=sinks)


@pytest.mark.parametrize("issuer", [ISSUER, f"https://{ISSUER}", f"https://{ISSUER}/"])
def test_irsa_trusts_one_service_account_with_one_audience(issuer: str, ask: Ask) -> None:
    (statement,) = ask("trust", "--issuer", issuer)["Statement"]
    assert statement == {
        "Sid": "CollectorPods",
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{ISSUER}:aud": "sts.amazonaws.com",
                f"{ISSUER}:sub": "system:serviceaccount:security:org-trail-collector",
            }
        },
    }


def test_the_audience_is_the_sources(ask: Ask) -> None:
    changes = move_to("aws-cn", "cn-north-1") | {"credentials": {"audience": "sts.amazonaws.com.cn"}}
    (statement,) = ask("trust", *IRSA, **changes)["Statement"]
    assert statement["Condition"]["StringEquals"][f"{ISSUER}:aud"] == "sts.amazonaws.com.cn"


def test_pod_identity_trusts_one_service_account_of_one_cluster(ask: Ask) -> None:
    (statement,) = ask("trust", "--cluster", CLUSTER, **POD_IDENTITY)["Statement"]
    assert statement == {
        "Sid": "CollectorPods",
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {
            "StringEquals": {
                "aws:SourceAccount": ACCOUNT,
                "aws:RequestTag/kubernetes-namespace": "security",
                "aws:RequestTag/kubernetes-service-account": "org-trail-collector",
            },
            "ArnEquals": {"aws:SourceArn": CLUSTER},
        },
    }


def test_a_chained_role_trusts_the_role_of_the_pods_with_the_external_id(ask: Ask) -> None:
    (statement,) = ask("trust", "--assumed", **ASSUMED)["Statement"]
    assert statement == {
        "Sid": "CollectorPods",
        "Effect": "Allow",
        "Principal": {"AWS": ROLE_ARN},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "acme"}},
    }


def test_the_tags_of_pod_identity_go_on_to_a_chained_role(ask: Ask) -> None:
    changes, wanted = POD_IDENTITY | ASSUMED, ["sts:AssumeRole", "sts:TagSession"]
    assert by_sid(ask("policy", **changes))["AssumeRoles"]["Action"] == wanted
    (statement,) = ask("trust", "--assumed", "--principal", ROLE_ARN, **changes)["Statement"]
    assert (statement["Action"], statement["Principal"]) == (wanted, {"AWS": ROLE_ARN})


def test_an_archive_role_trusts_the_role_of_the_pods(ask: Ask) -> None:
    (statement,) = ask("trust", "--sink", "archive", sinks=[STDOUT, ARCHIVE])["Statement"]
    assert statement["Principal"] == {"AWS": ROLE_ARN}
    assert "Condition" not in statement


@pytest.mark.parametrize(
    ("partition", "region", "suffix"),
    [
        ("aws-us-gov", "us-gov-west-1", "amazonaws.com"),
        ("aws-cn", "cn-north-1", "amazonaws.com.cn"),
        ("aws-eusc", "eusc-de-east-1", "amazonaws.eu"),
    ],
)
def test_every_arn_is_of_the_sources_partition(partition: str, region: str, suffix: str, ask: Ask) -> None:
    key = KEY.replace("arn:aws:", f"arn:{partition}:").replace("us-east-1", region)
    changes = move_to(partition, region)
    for document in (ask("policy", "--log-key", key, **changes), ask("trust", *IRSA, **changes)):
        arns = re.findall(r"arn:([a-z-]+):", json.dumps(document))
        assert set(arns) == {partition}
    decrypt = by_sid(ask("policy", "--log-key", key, **changes))["DecryptLogFiles"]
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": f"s3.{region}.{suffix}"}}


def test_every_mistake_in_the_source_is_listed(refuse: Callable[..., list[str]]) -> None:
    mistakes = refuse("policy", bucket="A", region="nowhere", queueArn="queue")
    assert [line.partition(": ")[2].partition(":")[0] for line in mistakes] == [
        "spec.bucket",
        "spec.queueArn",
        "spec.region",
    ]


@pytest.mark.parametrize(
    ("arguments", "changes", "mistakes"),
    [
        (("trust",), {}, ["--issuer: is needed for IRSA"]),
        (("trust", "--issuer", "http://x y"), {}, ["--issuer: 'http://x y' is not an issuer"]),
        (("trust",), POD_IDENTITY, ["--cluster: is needed for EKS Pod Identity"]),
        (("trust", "--cluster", "prod"), POD_IDENTITY, ["--cluster: 'prod' is not the ARN"]),
        (("trust",), SECRET, ["spec.credentials: with type Secret"]),
        (("trust", "--assumed"), {}, ["spec.assumeRole: is not set"]),
        (("trust", "--assumed"), SECRET | ASSUMED, ["--principal: is needed with credentials of type Secret"]),
        (("trust", "--assumed", "--principal", "me"), SECRET | ASSUMED, ["--principal: 'me' is not the ARN"]),
        (("policy", "--assumed"), {}, ["spec.assumeRole: is not set"]),
        (("policy", "--sink", "out"), {}, ["--sink: 'out' is not the name of an s3 sink: there is none"]),
        (("policy",), {"namespace": None}, ["metadata.namespace: is needed"]),
        (("policy", "--name", "other"), {}, ["holds no CloudTrailSource or CloudTrailBackfill named other"]),
        (
            ("cloudformation", "--trail", "a", "--existing-bucket", "--organization", "acme"),
            {},
            [
                "exactly one is needed",
                "--trail: 'a' is not a name",
                "--organization: 'acme' is not",
                "--organization: needs --trail",
                "--issuer: is needed",
            ],
        ),
        (
            ("cloudformation", "--trail", "org", "--bucket-account", "x", "--wiring", "EventBridge", *IRSA),
            {},
            ["--bucket-account: 'x' is not the id", "--bucket-account: needs --existing", "--bucket-account: S3 tells"],
        ),
        (("cloudformation", "--trail-arn", "x", *IRSA), {}, ["--trail-arn: 'x' is not the ARN of a trail"]),
        (("cloudformation", "--trail", "org", "--principal", "me"), SECRET, ["--principal: 'me' is not the ARN"]),
        (
            ("cloudformation", "--trail", "org", *IRSA),
            {"queueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{'q' * 69}"},
            ["spec.queueArn: the name of the queue has more than 68 characters"],
        ),
        (
            ("cloudformation", "--trail", "org", "--wiring", "EventBridge", *IRSA),
            {"queueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{'q' * 65}"},
            ["spec.queueArn: the name of the queue has more than 64 characters"],
        ),
        (("cloudformation", *IRSA), {}, ["exactly one is needed: --trail NAME"]),
        (
            ("cloudformation", "--trail", "org", "--cluster", CLUSTER.replace(ACCOUNT, OTHER_ACCOUNT)),
            POD_IDENTITY,
            ["--principal: is needed: the cluster is in account 444455556666"],
        ),
        (
            ("cloudformation", "--trail", "org", *IRSA),
            move_to("aws-iso", "us-iso-east-1"),
            ["spec.queueArn: templates are known to be right in aws, aws-us-gov, aws-cn, not in aws-iso"],
        ),
    ],
)
def test_what_does_not_suffice_is_named(
    arguments: tuple[str, ...], changes: dict[str, Any], mistakes: list[str], refuse: Callable[..., list[str]]
) -> None:
    listed = refuse(*arguments, **changes)
    assert len(listed) == len(mistakes), listed
    for line, mistake in zip(listed, mistakes, strict=True):
        assert mistake in line


@pytest.mark.parametrize(
    ("option", "value", "mistake"),
    [
        ("--log-key", "alias/trail", "IAM knows keys by their ARN, not by an alias"),
        ("--queue-key", "1234", "is not the ARN of a KMS key"),
        ("--dead-letter-queue", "dead", "is not the ARN of a queue"),
    ],
)
def test_bad_arguments_are_refused_with_what_is_wrong(
    option: str, value: str, mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["aws", "policy", "-f", write_source(tmp_path), option, value])
    assert refused.value.code == 2
    assert mistake in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        ("kind: ConfigMap", "holds no CloudTrailSource or CloudTrailBackfill"),
        ("a: b: c", "not YAML: "),
        (b"\xff\xfe", "not UTF-8 text"),
        ("kind: CloudTrailSource\n---\nkind: CloudTrailSource", "holds several CloudTrailSources"),
        ("kind: CloudTrailSource\nmetadata: 3", "metadata.name: is needed"),
    ],
)
def test_a_file_without_one_source_is_refused(
    content: str | bytes, mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "source.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["aws", "policy", "-f", str(file)]) == 2
    assert mistake in capsys.readouterr().err
    assert main(["aws", "policy", "-f", str(tmp_path / "absent")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_a_source_is_found_among_others_and_on_standard_input(tmp_path: Path) -> None:
    text = Path(write_source(tmp_path)).read_text()
    other = text.replace("org-trail", "other-trail").replace(BUCKET, "other-bucket")
    listed = f"apiVersion: v1\nkind: ConfigMap\n---\n{text}---\n{other}"
    program = [sys.executable, "-m", "cloudtrail_operator", "aws", "policy", "-f", "-", "--name", "other-trail"]
    answer = subprocess.run(program, input=listed, capture_output=True, text=True, check=True)
    assert by_sid(json.loads(answer.stdout))["ReadLogFiles"]["Resource"] == "arn:aws:s3:::other-bucket/AWSLogs/*"


def test_run_loads_nothing_of_the_templates() -> None:
    """It publishes policies and trusts."""
    script = "import sys, cloudtrail_operator.__main__; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True).stdout
    assert "cloudtrail_operator.main" in loaded.split()
    templates = r"cloudtrail_operator\.(commands\.aws|aws_setup\.(cloudformation|hcl|stack|terraform))"
    assert not [name for name in loaded.split() if re.match(templates, name)]
