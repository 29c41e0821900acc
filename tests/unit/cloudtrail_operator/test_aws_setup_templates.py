"""The CloudFormation templates and Terraform modules of typical sources, held against files, and what must hold of each.

`UPDATE_GOLDEN=1 pytest tests/unit/cloudtrail_operator` writes the files anew.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.__main__ import main
from support.aws_setups import BUCKET, IRSA, OTHER_ACCOUNT, SETUPS, AwsSetup, write_source

GOLDEN = Path(__file__).parents[2] / "golden" / "aws"
FILES = {"main.tf", "variables.tf", "outputs.tf"}
each_setup = pytest.mark.parametrize("name", SETUPS)


class _Loader(yaml.SafeLoader):
    """Reads `!Sub` and its like in their long form."""


def _build_intrinsic(loader: yaml.SafeLoader, tag: str, node: yaml.ScalarNode) -> dict[str, str]:
    return {tag: loader.construct_scalar(node)}


_Loader.add_multi_constructor("!", _build_intrinsic)


@pytest.fixture(autouse=True)
def printed(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    return capsys


def build_template(setup: AwsSetup, folder: Path, printed: pytest.CaptureFixture[str]) -> str:
    assert main(["aws", "cloudformation", "-f", setup.write_source(folder), *setup.arguments]) == 0
    return printed.readouterr().out


def load_template(setup: AwsSetup, folder: Path, printed: pytest.CaptureFixture[str]) -> dict[str, Any]:
    template: dict[str, Any] = yaml.load(build_template(setup, folder, printed), Loader=_Loader)  # noqa: S506
    return template


def build_module(setup: AwsSetup, folder: Path) -> Path:
    module = folder / "module"
    source = setup.write_source(folder)
    assert main(["aws", "terraform", "-f", source, *setup.arguments, "--out", str(module)]) == 0
    return module


def compare(path: Path, text: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", ["trail", "organization-sns-kms", "eventbridge-kms-pod-identity"])
def test_templates_are_as_reviewed(name: str, tmp_path: Path, printed: pytest.CaptureFixture[str]) -> None:
    compare(GOLDEN / f"{name}.yaml", build_template(SETUPS[name], tmp_path, printed))
    module = build_module(SETUPS[name], tmp_path)
    for file in sorted(FILES):
        compare(GOLDEN / name / file, (module / file).read_text())


@each_setup
def test_whatever_is_kept_is_encrypted_and_what_holds_log_files_stays(
    name: str, tmp_path: Path, printed: pytest.CaptureFixture[str]
) -> None:
    template = load_template(SETUPS[name], tmp_path, printed)
    of_kind: dict[str, list[dict[str, Any]]] = {}
    for resource in template["Resources"].values():
        of_kind.setdefault(resource["Type"], []).append(resource)
    for queue in of_kind["AWS::SQS::Queue"]:
        properties = queue["Properties"]
        assert ("KmsMasterKeyId" in properties) != (properties.get("SqsManagedSseEnabled") is True)
        assert properties["MessageRetentionPeriod"] == 14 * 24 * 3600
    for kept in (*of_kind.get("AWS::S3::Bucket", ()), *of_kind.get("AWS::KMS::Key", ())):
        assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == ("Retain", "Retain")
    for bucket in of_kind.get("AWS::S3::Bucket", ()):
        assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
        assert "BucketEncryption" in bucket["Properties"]
    assert all("Description" in parameter for parameter in template["Parameters"].values())


def find_statements(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield from (node["Statement"] if isinstance(node.get("Statement"), list) else ())
        for item in node.values():
            yield from find_statements(item)
    elif isinstance(node, list):
        for item in node:
            yield from find_statements(item)


@each_setup
def test_every_service_is_let_in_for_one_source_only(
    name: str, tmp_path: Path, printed: pytest.CaptureFixture[str]
) -> None:
    """ID-40: a service that does something for anybody is nobody's permission."""
    services = []
    for statement in find_statements(load_template(SETUPS[name], tmp_path, printed)):
        principal = statement.get("Principal")
        if isinstance(principal, dict) and "Service" in principal:
            services.append(principal["Service"])
            conditions = {key: value for tests in statement["Condition"].values() for key, value in tests.items()}
            assert "*" not in json.dumps(conditions["aws:SourceArn"])
            assert "aws:SourceAccount" in conditions or principal["Service"] != "s3.amazonaws.com"
    assert services


@each_setup
def test_no_partition_account_or_region_is_written_out(
    name: str, tmp_path: Path, printed: pytest.CaptureFixture[str]
) -> None:
    """A template works where it is created; only what lies elsewhere is named by its whole ARN."""
    template = load_template(SETUPS[name], tmp_path, printed)
    elsewhere = (
        rf"arn:aws:(cloudtrail:[a-z0-9-]+:|eks:us-east-1:|iam::)({OTHER_ACCOUNT}|[0-9]+:(trail/own|cluster/|role/))"
    )
    literal = [arn for arn in re.findall(r'arn:aws[^"]*', json.dumps(template)) if not re.match(elsewhere, arn)]
    assert literal == []


def test_a_reader_in_another_account_is_let_in_and_not_made(
    tmp_path: Path, printed: pytest.CaptureFixture[str]
) -> None:
    """ID-42: queue, bucket and key let it in."""
    resources = load_template(SETUPS["foreign-reader-kms"], tmp_path, printed)["Resources"]
    assert "CollectorRole" not in resources
    reader = {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:role/cloudtrail-collector"}
    given = {
        resource: statement["Action"]
        for resource in ("QueuePolicy", "LogBucketPolicy", "Key")
        for statement in find_statements(resources[resource])
        if statement["Principal"] == reader
    }
    assert given == {
        "QueuePolicy": [
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:GetQueueAttributes",
        ],
        "LogBucketPolicy": "s3:GetObject",
        "Key": "kms:Decrypt",
    }


def test_an_existing_bucket_gets_what_to_configure_as_an_output(
    tmp_path: Path, printed: pytest.CaptureFixture[str]
) -> None:
    template = load_template(SETUPS["existing-bucket"], tmp_path, printed)
    assert "LogBucket" not in template["Resources"]
    (configured,) = json.loads(template["Outputs"]["Notification"]["Value"]["Sub"])["QueueConfigurations"]
    assert configured["QueueArn"] == "${Queue.Arn}"
    assert configured["Filter"]["Key"]["FilterRules"][0] == {"Name": "prefix", "Value": "AWSLogs/"}


def test_a_bucket_of_another_account_announces_for_that_account(
    tmp_path: Path, printed: pytest.CaptureFixture[str]
) -> None:
    resources = load_template(SETUPS["existing-bucket-sns"], tmp_path, printed)["Resources"]
    (publish,) = find_statements(resources["TopicPolicy"])
    assert publish["Condition"]["StringEquals"] == {"aws:SourceAccount": OTHER_ACCOUNT}


def test_no_text_of_a_source_becomes_code(tmp_path: Path, printed: pytest.CaptureFixture[str]) -> None:
    """A prefix may hold what the languages of the templates take for a reference."""
    setup = AwsSetup(("--trail", "org-trail", *IRSA), {"prefix": "${Queue}%{if}\"'*\\"})
    template = load_template(setup, tmp_path, printed)
    notified = template["Resources"]["LogBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert notified[0]["Filter"]["S3Key"]["Rules"][0]["Value"] == "${Queue}%{if}\"'*\\/AWSLogs/"
    role = template["Resources"]["CollectorRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    (read,) = (statement for statement in role["Statement"] if statement["Sid"] == "ReadLogFiles")
    # IAM sees ${$}{Queue}…${*}: each of its own characters as itself.
    wanted = "arn:${AWS::Partition}:s3:::${BucketName}/${!$}{Queue}%{if}\"'${!*}\\/AWSLogs/*"
    assert read["Resource"] == {"Sub": wanted}
    main_file = (build_module(setup, tmp_path) / "main.tf").read_text()
    assert r'filter_prefix = "$${Queue}%%{if}\"' + "'*" + r'\\/AWSLogs/"' in main_file
    assert "${var.bucket}/$${$}{Queue}%%{if}" in main_file


@each_setup
def test_a_module_refers_only_to_what_it_declares(name: str, tmp_path: Path) -> None:
    module = build_module(SETUPS[name], tmp_path)
    assert {path.name for path in module.iterdir()} == FILES
    text = "".join((module / file).read_text() for file in sorted(FILES))
    variables = {f"var.{label}" for label in re.findall(r'^variable "([a-z_]+)"', text, re.MULTILINE)}
    things = re.findall(r'^(?:resource|data) "([a-z0-9_]+)" "([a-z_]+)"', text, re.MULTILINE)
    declared = variables | {f"{kind}.{label}" for kind, label in things}
    used = set(re.findall(r"\b(?:var\.[a-z_]+|aws_[a-z0-9_]+\.[a-z_]+)", text))
    assert used <= declared
    assert variables <= used


@each_setup
def test_modules_are_laid_out_as_terraform_does_it(name: str, tmp_path: Path) -> None:
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("no terraform on this machine")
    module = build_module(SETUPS[name], tmp_path)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1"}
    command = [terraform, "fmt", "-check", "-diff", str(module)]
    formatted = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (formatted.returncode, formatted.stdout) == (0, "")


def test_a_template_and_a_module_make_the_same_things(tmp_path: Path, printed: pytest.CaptureFixture[str]) -> None:
    """Their policies come of one function; here the counterparts of all else are held together."""
    counterparts = {
        "AWS::SQS::Queue": "aws_sqs_queue",
        "AWS::SQS::QueuePolicy": "aws_sqs_queue_policy",
        "AWS::SNS::Topic": "aws_sns_topic",
        "AWS::SNS::TopicPolicy": "aws_sns_topic_policy",
        "AWS::SNS::Subscription": "aws_sns_topic_subscription",
        "AWS::Events::Rule": "aws_cloudwatch_event_rule",
        "AWS::S3::Bucket": "aws_s3_bucket",
        "AWS::S3::BucketPolicy": "aws_s3_bucket_policy",
        "AWS::CloudTrail::Trail": "aws_cloudtrail",
        "AWS::KMS::Key": "aws_kms_key",
        "AWS::KMS::Alias": "aws_kms_alias",
        "AWS::IAM::Role": "aws_iam_role",
        "AWS::IAM::ManagedPolicy": "aws_iam_policy",
        "AWS::EKS::PodIdentityAssociation": "aws_eks_pod_identity_association",
    }
    for setup in SETUPS.values():
        template = load_template(setup, tmp_path, printed)
        kinds = sorted(counterparts[resource["Type"]] for resource in template["Resources"].values())
        text = (build_module(setup, tmp_path) / "main.tf").read_text()
        made = re.findall(r'^resource "([a-z0-9_]+)"', text, re.MULTILINE)
        assert sorted(kind for kind in made if kind in counterparts.values()) == kinds


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, printed: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("")
    arguments = ["aws", "terraform", "-f", write_source(tmp_path), "--trail", BUCKET, *IRSA]
    assert main([*arguments, "--out", str(tmp_path / "taken")]) == 1
    assert str(tmp_path / "taken") in printed.readouterr().err
