"""`cloudtrail-collector doctor` against a stand-in that enforces IAM: what is right, and each thing that can be wrong.

Where something is wrong, the line that the command prints is run, and the command is asked again.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.aws_shell import run_line
from integration.collector_process import wait_until
from integration.command_line import ask
from integration.queues import put
from integration.strict_account import Account, create_empty_storage, create_role, give_generated
from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.faults import AwsFailure, Where
from localcluster.aws.provision import TrailStorage, build_queue_policy
from localcluster.corpus import generate_log_files
from support.aws_setups import write_source

KEY = "arn:aws:kms:us-east-1:111122223333:key/0ff3ea8d-130e-4133-877f-93908b6fdbd6"


@dataclass(frozen=True, slots=True)
class Visit:
    """What the command found: exit code, and the findings by step."""

    code: int
    findings: dict[str, dict[str, str]]

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdicts by step."""
        return {step: finding["verdict"] for step, finding in self.findings.items()}

    @property
    def wrong(self) -> list[str]:
        """The steps that are wrong."""
        return [step for step, verdict in self.verdicts.items() if verdict == "Wrong"]

    def mend_of(self, step: str) -> str:
        """The line that mends a step."""
        return self.findings[step]["mend"]


@dataclass(frozen=True, slots=True)
class Patient:
    """A source whose set-up is looked at by its own role, or by the administrator."""

    account: Account
    storage: TrailStorage
    spec: dict[str, Any]

    def visit(self, *, admin: bool = False, **changes: Any) -> Visit:
        """Ask the command about the source."""
        folder = self.account.folder
        source = write_source(folder, **self.spec | changes)
        environment = {} if admin else self.account.build_environment(self.storage.role_arn, folder)
        answer = ask("doctor", "-f", source, "--output", "json", environment=environment)
        assert answer.errors == ""
        findings = json.loads(answer.output)["findings"]
        assert len({finding["step"] for finding in findings}) == len(findings)
        return Visit(answer.code, {finding["step"]: finding for finding in findings})

    def announce(self, seed: int) -> None:
        """Put a log file into the bucket, and wait until it is announced."""
        put(self.account.aws, self.storage, *generate_log_files(1, seed=seed))
        sqs, name = self.account.aws.client("sqs"), "ApproximateNumberOfMessages"

        def count() -> int:
            got = sqs.get_queue_attributes(QueueUrl=self.storage.queue_url, AttributeNames=["All"])
            return int(got["Attributes"][name])

        wait_until(lambda: count() > 0, "a message")

    def set_queue(self, **attributes: str) -> None:
        """Change the queue."""
        self.account.aws.client("sqs").set_queue_attributes(QueueUrl=self.storage.queue_url, Attributes=attributes)

    def mend(self, visit: Visit, step: str) -> None:
        """Run the line that is printed for a step."""
        run_line(self.account.aws, visit.mend_of(step))


@pytest.fixture
def storage(account: Account) -> TrailStorage:
    return create_empty_storage(account)


@pytest.fixture
def patient(account: Account, storage: TrailStorage) -> Patient:
    return Patient(account, storage, account.build_spec(storage))


def test_all_is_right_under_exactly_the_printed_policy(patient: Patient) -> None:
    """What the least policy does not let it look at is no mistake."""
    give_generated(patient.account, patient.spec)
    patient.announce(721)
    visit = patient.visit()
    hidden = {step for step, verdict in visit.verdicts.items() if verdict == "NotAllowed"}
    assert (visit.code, visit.wrong, hidden) == (0, [], {"notification", "log files", "dead letters"})
    assert set(visit.verdicts) - hidden == {
        *("identity", "queue", "receive", "finish", "queue policy", "queue key", "redrive"),
        *("bucket", "read", "log key"),
    }
    assert "The collectors are" not in visit.findings["identity"]["message"]
    for step in sorted(hidden):
        patient.mend(visit, step)
    assert set(patient.visit().verdicts.values()) == {"Right"}


def test_who_looks_from_outside_is_told_whose_rights_are_shown(patient: Patient) -> None:
    patient.announce(722)
    visit = patient.visit(admin=True)
    assert (visit.code, set(visit.verdicts.values())) == (0, {"Right"})
    message = visit.findings["identity"]["message"]
    assert f"The collectors are {patient.storage.role_arn}" in message


@pytest.mark.parametrize(
    ("action", "step"),
    [
        ("sqs:GetQueueAttributes", "queue"),
        ("sqs:ReceiveMessage", "receive"),
        ("sqs:ChangeMessageVisibility", "finish"),
        ("sqs:DeleteMessage", "finish"),
        ("s3:GetObject", "read"),
    ],
)
def test_a_missing_permission_is_named_and_the_printed_line_grants_it(action: str, step: str, patient: Patient) -> None:
    account, storage = patient.account, patient.storage
    give_generated(account, patient.spec, "--also", "list")
    patient.announce(723)
    policy = json.loads(account.print_for(patient.spec, "policy", "--also", "list"))
    for statement in policy["Statement"]:
        actions = statement["Action"]
        kept = [one for one in (actions if isinstance(actions, list) else [actions]) if one != action]
        statement["Action"] = kept or ["s3:GetBucketTagging"]
    account.give(storage.role_arn, json.dumps(policy))
    visit = patient.visit()
    assert (visit.code, visit.wrong) == (1, [step])
    finding = visit.findings[step]
    assert action in finding["message"]
    assert finding["reason"] == "AccessDenied"
    patient.mend(visit, step)
    assert patient.visit().code == 0


def test_without_the_right_to_delete_mode_test_is_content(patient: Patient) -> None:
    give_generated(patient.account, patient.spec, "--mode", "Test")
    visit = patient.visit(mode="Test")
    assert visit.code == 0
    assert "which mode Active needs" in visit.findings["finish"]["message"]


def break_notification(patient: Patient) -> None:
    """Let the bucket tell another queue of other objects."""
    other = f"{patient.storage.queue_arn}-dead-letter"
    policy = build_queue_policy(other, {"Principal": {"Service": "s3.amazonaws.com"}})
    patient.account.aws.client("sqs").set_queue_attributes(
        QueueUrl=patient.storage.dead_letter_queue_url, Attributes={"Policy": json.dumps(policy)}
    )
    put_notification(patient, {"QueueConfigurations": [_announce_to(other, "other/")]})


def misplace_notification(patient: Patient) -> None:
    put_notification(patient, {"QueueConfigurations": [_announce_to(patient.storage.queue_arn, "elsewhere/")]})


def put_notification(patient: Patient, wiring: dict[str, Any]) -> None:
    patient.account.aws.client("s3").put_bucket_notification_configuration(
        Bucket=patient.storage.bucket, NotificationConfiguration=wiring
    )


def _announce_to(queue_arn: str, prefix: str) -> dict[str, Any]:
    rules = [{"Name": "prefix", "Value": prefix}]
    return {"QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}


def let_in_another_bucket(patient: Patient) -> None:
    sender = {
        "Principal": {"Service": "s3.amazonaws.com"},
        "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::somebody-elses"}},
    }
    patient.set_queue(Policy=json.dumps(build_queue_policy(patient.storage.queue_arn, sender)))


def drop_dead_letters(patient: Patient) -> None:
    patient.set_queue(RedrivePolicy="")


def give_up_early(patient: Patient) -> None:
    dead_letters = f"{patient.storage.queue_arn}-dead-letter"
    redrive = {"deadLetterTargetArn": dead_letters, "maxReceiveCount": "2"}
    patient.set_queue(RedrivePolicy=json.dumps(redrive))


def lose_dead_letters(patient: Patient) -> None:
    patient.account.aws.client("sqs").delete_queue(QueueUrl=patient.storage.dead_letter_queue_url)


def use_the_key_of_aws(patient: Patient) -> None:
    patient.set_queue(KmsMasterKeyId="alias/aws/sqs", SqsManagedSseEnabled="false")


@pytest.mark.parametrize(
    ("spoil", "step", "reason"),
    [
        (break_notification, "notification", "NoNotification"),
        (misplace_notification, "notification", "NoNotification"),
        (let_in_another_bucket, "queue policy", "SenderNotAllowed"),
        (drop_dead_letters, "redrive", "NoDeadLetterQueue"),
        (give_up_early, "redrive", "LowMaxReceiveCount"),
        (lose_dead_letters, "dead letters", "NoSuchDeadLetterQueue"),
        (use_the_key_of_aws, "queue key", "KeyNotShared"),
    ],
)
def test_a_wrong_part_is_named_and_the_printed_line_mends_it(
    spoil: Callable[[Patient], None], step: str, reason: str, patient: Patient
) -> None:
    patient.announce(724)
    spoil(patient)
    visit = patient.visit(admin=True)
    assert (visit.code, visit.wrong, visit.findings[step]["reason"]) == (1, [step], reason)
    patient.mend(visit, step)
    assert (mended := patient.visit(admin=True)).code == 0, mended.findings


def test_mending_the_notification_keeps_what_the_bucket_told_others(patient: Patient) -> None:
    break_notification(patient)
    patient.mend(patient.visit(admin=True), "notification")
    told = patient.account.aws.client("s3").get_bucket_notification_configuration(Bucket=patient.storage.bucket)
    targets = {entry["QueueArn"] for entry in told["QueueConfigurations"]}
    assert targets == {patient.storage.queue_arn, f"{patient.storage.queue_arn}-dead-letter"}
    patient.announce(725)


def test_nothing_is_received_where_a_receive_could_do_harm(patient: Patient) -> None:
    patient.announce(726)
    give_up_early(patient)
    visit = patient.visit(admin=True)
    assert visit.verdicts["receive"] == "NotAsked"
    sqs = patient.account.aws.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=patient.storage.queue_url, AttributeNames=["All"])["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_a_bucket_of_another_region_is_named(patient: Patient) -> None:
    bucket = f"{patient.account.name}-far"
    s3 = patient.account.aws.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    visit = patient.visit(admin=True, bucket=bucket)
    finding = visit.findings["bucket"]
    assert (visit.code, finding["reason"]) == (1, "OtherRegion")
    assert "is in eu-west-1, the queue in us-east-1" in finding["message"]
    assert "--existing-bucket" in finding["mend"]


def test_a_bucket_or_queue_that_is_not_there_is_named(patient: Patient) -> None:
    lost = patient.visit(admin=True, bucket="nobody-has-this-bucket")
    assert lost.findings["bucket"]["reason"] == "BucketNotFound"
    absent = patient.visit(admin=True, queueArn=f"{patient.storage.queue_arn}-gone")
    assert (absent.code, absent.findings["queue"]["reason"]) == (1, "QueueNotFound")
    assert "queue policy" not in absent.findings


def test_a_prefix_without_log_files_is_named(patient: Patient) -> None:
    patient.announce(727)
    visit = patient.visit(admin=True, prefix="audit")
    assert (visit.code, visit.findings["log files"]["reason"]) == (1, "NoLogFiles")
    assert "audit/AWSLogs/" in visit.findings["log files"]["message"]


def test_a_key_that_may_not_be_used_is_named_with_its_statement(patient: Patient) -> None:
    """AWS refuses a read of what a key encrypts in these words."""
    give_generated(patient.account, patient.spec)
    patient.announce(728)
    role = patient.storage.role_arn
    words = (
        f"User: {role} is not authorized to perform: kms:Decrypt on resource: {KEY} because no identity-based policy"
        " allows the kms:Decrypt action"
    )
    fault = AwsFailure(403, "AccessDenied", words)
    with FaultProxy(patient.account.aws.url) as proxy:
        proxy.put("kms", fault, Where(service="s3", action="GetObject"))
        visit = patient.visit(endpointUrl=proxy.url)
    assert (visit.code, visit.wrong) == (1, ["read", "log key"])
    for step in visit.wrong:
        assert visit.findings[step]["reason"] == "KmsAccessDenied"
    document = json.loads(visit.mend_of("log key").rpartition("--policy-document ")[2].strip("'"))
    printed = json.loads(patient.account.print_for(patient.spec, "policy", "--log-key", KEY))
    assert document["Statement"][0] in printed["Statement"]


def test_who_may_not_become_the_role_is_told_how(patient: Patient) -> None:
    environment = patient.account.build_environment(patient.storage.role_arn, patient.account.folder)
    source = write_source(patient.account.folder, **patient.spec)
    answer = ask("doctor", "-f", source, environment=environment)
    text = answer.output.decode()
    assert answer.code == 1
    assert "identity        WRONG: sts:AssumeRoleWithWebIdentity on " in text
    assert "| aws iam update-assume-role-policy --role-name" in text
    assert text.endswith("1 wrong\n")


def test_who_has_no_credentials_is_told_how_to_get_some(patient: Patient) -> None:
    nothing = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "HOME": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    answer = ask("doctor", "-f", write_source(patient.account.folder, **patient.spec), environment=nothing)
    assert (answer.code, "No AWS credentials are found." in answer.output.decode()) == (1, True)
    assert "use --profile" in answer.output.decode()


def test_a_role_that_cannot_be_assumed_is_named(patient: Patient) -> None:
    reader = create_role(patient.account, "doctor-reader")
    patient.spec["assumeRole"] = {"roleArn": reader, "externalId": "acme"}
    give_generated(patient.account, patient.spec)
    visit = patient.visit()
    assert (visit.code, visit.wrong, list(visit.verdicts)) == (1, ["role"], ["identity", "role"])
    account = patient.account
    account.give(
        reader,
        account.print_for(patient.spec, "policy", "--assumed"),
        account.print_for(patient.spec, "trust", "--assumed"),
    )
    assert patient.visit().code == 0


def test_the_role_of_an_archive_is_tried(patient: Patient) -> None:
    account = patient.account
    writer = create_role(account, "doctor-writer")
    place = {"bucket": "acme-archive", "region": account.aws.region, "roleArn": writer, "endpointUrl": account.aws.url}
    patient.spec["sinks"] = [{"name": "out", "stdout": {}}, {"name": "archive", "s3": place}]
    give_generated(account, patient.spec)
    assert (visit := patient.visit()).wrong == ["archive role"], visit.findings
    account.give(
        writer,
        account.print_for(patient.spec, "policy", "--sink", "archive"),
        account.print_for(patient.spec, "trust", "--sink", "archive"),
    )
    assert patient.visit().code == 0


def test_the_operator_has_the_command_too(patient: Patient, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("cloudtrail-operator")
    assert program.exists()
    assert subprocess.run([program, "aws", "doctor", "-f", tmp_path / "none.yaml"], check=False).returncode == 2


def test_a_collector_says_the_same_at_its_start(patient: Patient) -> None:
    """Its condition has the doctor's words and line; when that is run, the next start is content."""
    account = patient.account
    give_generated(account, patient.spec)
    let_in_another_bucket(patient)
    collector = account.start(patient.spec)
    wait_until(lambda: collector.read_check("NoSetupProblem")["status"] == "False", "the mistake")
    check, finding = collector.read_check("NoSetupProblem"), patient.visit().findings["queue policy"]
    assert check["reason"] == finding["reason"] == "SenderNotAllowed"
    assert check["message"] == f"{finding['message']} To mend it: {finding['mend']}"
    (log,) = collector.read_logs("the set-up in AWS is wrong")
    assert log["mend"] == finding["mend"]
    run_line(account.aws, finding["mend"])
    content = account.start(patient.spec)
    wait_until(lambda: content.read_check("NoSetupProblem")["status"] == "True", "nothing wrong")
    assert "Not allowed to look at: dead letters, notification." in content.read_check("NoSetupProblem")["message"]
    assert content.read_logs("the set-up in AWS is wrong") == []
    told = {entry["step"]: entry["verdict"] for entry in content.read_status()["setup"]}
    assert told == {"dead letters": "NotAllowed", "notification": "NotAllowed"}
    assert content.read_status().get("lastError") is None
