"""What `cloudtrail-operator aws …` prints, in use: against a stand-in that enforces IAM and creates stacks.

ministack makes every resource of the templates but trails and Pod Identity associations, so these are left out of them.
"""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from botocore.exceptions import ClientError
from cfnlint.api import ManualArgs, lint

from integration.collector_process import wait_until
from integration.command_line import ask
from integration.queues import ids_of, is_empty, put
from integration.strict_account import (
    AUDIENCE,
    SUBJECT,
    Account,
    create_empty_storage,
    create_role,
    give_generated,
    run_command,
)
from localcluster.aws.provision import ISSUER_HOST, MINISTACK_ACTIONS, TrailStorage, create_trail_storage
from localcluster.corpus import generate_log_files
from support.aws_setups import ACCOUNT, SECRET, SETUPS, write_source
from support.backfills import build_backfill

LEFT_OUT = {"AWS::CloudTrail::Trail", "AWS::EKS::PodIdentityAssociation"}
GOLDEN = Path(__file__).parents[1] / "golden" / "aws"


@pytest.fixture
def storage(account: Account) -> TrailStorage:
    """Bucket, queue and a role whose policy and trust a test replaces; the queue is empty."""
    return create_empty_storage(account)


def refused(call: Callable[..., Any], **arguments: Any) -> bool:
    """Make a call that must be denied; a call that fails for another reason is no proof."""
    with pytest.raises(ClientError) as denied:
        call(**arguments)
    assert denied.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}, denied.value
    return True


def test_t52_a_collector_works_under_exactly_the_printed_policy_and_trust(
    account: Account, storage: TrailStorage
) -> None:
    spec = account.build_spec(storage)
    give_generated(account, spec, "--dead-letter-queue", f"{storage.queue_arn}-dead-letter")
    collector = account.start(spec)
    files = list(generate_log_files(4, seed=701))
    put(account.aws, storage, *files)
    wait_until(lambda: collector.count_events() == ids_of(*files), "every event")
    wait_until(lambda: is_empty(account.aws, storage), "an empty queue")
    status = collector.read_status()
    assert status.get("lastError") is None
    assert status["queue"]["deadLetterVisible"] == 0


def test_t52_mode_test_works_without_the_right_to_delete(account: Account, storage: TrailStorage) -> None:
    spec = account.build_spec(storage, mode="Test")
    give_generated(account, spec, "--mode", "Test")
    collector = account.start(spec)
    files = list(generate_log_files(3, seed=702))
    put(account.aws, storage, *files)
    wait_until(lambda: collector.count_events() == ids_of(*files), "every event")
    assert collector.stop() == 0
    assert {json.loads(line)["level"] for line in collector.stderr.read_text().splitlines()} == {"info"}
    message = receive(account.aws.client("sqs"), storage.queue_url)
    client_of = account.become(storage.role_arn)
    assert refused(client_of("sqs").delete_message, QueueUrl=storage.queue_url, ReceiptHandle=message["ReceiptHandle"])


def receive(sqs: Any, url: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found.extend(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages", ()))
        return bool(found)

    wait_until(look, "a message")
    return found[0]


def test_t17_t52_everything_else_is_refused(account: Account, storage: TrailStorage) -> None:
    spec = account.build_spec(storage)
    give_generated(account, spec)
    other = create_trail_storage(account.aws, f"{account.name}-other")
    admin = account.aws.client("s3")
    inside, outside = "AWSLogs/a", "other/AWSLogs/a"
    for bucket, key in ((storage.bucket, inside), (storage.bucket, outside), (other.bucket, inside)):
        admin.put_object(Bucket=bucket, Key=key, Body=b"content")
    client_of = account.become(storage.role_arn)
    s3, sqs = client_of("s3"), client_of("sqs")
    assert s3.get_object(Bucket=storage.bucket, Key=inside)["Body"].read() == b"content"
    assert refused(s3.get_object, Bucket=storage.bucket, Key=outside)
    assert refused(s3.get_object, Bucket=other.bucket, Key=inside)
    assert refused(s3.put_object, Bucket=storage.bucket, Key=inside, Body=b"changed")
    assert refused(s3.delete_object, Bucket=storage.bucket, Key=inside)
    assert refused(s3.list_objects_v2, Bucket=storage.bucket, Prefix="AWSLogs/")
    assert refused(sqs.send_message, QueueUrl=storage.queue_url, MessageBody="forged")
    assert refused(sqs.purge_queue, QueueUrl=storage.queue_url)
    assert refused(sqs.receive_message, QueueUrl=other.queue_url)
    assert refused(sqs.get_queue_attributes, QueueUrl=storage.dead_letter_queue_url)
    assert refused(client_of("sts").assume_role, RoleArn=other.role_arn, RoleSessionName="test")


def test_t52_who_may_list_may_list_log_files_only(account: Account, storage: TrailStorage) -> None:
    spec = account.build_spec(storage)
    give_generated(account, spec, "--also", "list")
    files = list(generate_log_files(2, seed=706))
    put(account.aws, storage, *files)
    environment = account.build_environment(storage.role_arn, account.folder) | {"AWS_ENDPOINT_URL": account.aws.url}
    place = f"s3://{storage.bucket}/AWSLogs/"
    answer = ask("events", "--region", account.aws.region, place, environment=environment)
    assert (answer.code, Counter(answer.event_ids)) == (0, ids_of(*files)), answer.errors
    s3 = account.become(storage.role_arn)("s3")
    assert refused(s3.list_objects_v2, Bucket=storage.bucket, Prefix="")
    assert refused(s3.list_objects_v2, Bucket=storage.bucket)


@pytest.mark.parametrize("prefix", [None, "audit"])
def test_a_backfill_works_under_exactly_the_printed_policy_and_trust(
    prefix: str | None, account: Account, storage: TrailStorage
) -> None:
    """With settings of its own: nothing of a queue is allowed, and nothing but its own ServiceAccount trusted."""
    queueless = account.build_spec(storage, prefix=prefix, mode=None, queueArn=None)
    source = {field: value for field, value in queueless.items() if value is not None}
    interval = "2026-01-02T00:00:00Z-2026-01-04T00:00:00Z"
    path = account.folder / "backfill.yaml"
    path.write_text(
        yaml.safe_dump(build_backfill("history", "security", sourceRef=None, source=source, interval=interval))
    )
    trust = run_command("trust", "-f", str(path), "--issuer", f"https://{ISSUER_HOST}")
    account.give(storage.role_arn, run_command("policy", "-f", str(path)), trust)
    files = list(generate_log_files(4, seed=707, end=datetime(2026, 1, 3, 12, tzinfo=UTC)))
    folder = f"{prefix}/" if prefix else ""
    admin = account.aws.client("s3")
    for file in files:
        admin.put_object(Bucket=storage.bucket, Key=f"{folder}{file.key}", Body=file.body)
    worker = account.start_backfill(source, interval.replace("Z-", "Z ").split(), "history")
    assert worker.finish() == 0, worker.stderr.read_text()
    assert worker.count_events() == ids_of(*files)
    assert worker.read_progress().error is None
    client_of = account.become(storage.role_arn, subject="system:serviceaccount:security:history-backfill")
    assert refused(account.become, role_arn=storage.role_arn)
    assert refused(client_of("sqs").receive_message, QueueUrl=storage.queue_url)
    assert refused(client_of("s3").list_objects_v2, Bucket=storage.bucket)
    assert refused(client_of("s3").delete_object, Bucket=storage.bucket, Key=f"{folder}{files[0].key}")


@pytest.mark.parametrize(
    ("subject", "audience"),
    [
        ("system:serviceaccount:security:other-trail-collector", AUDIENCE),
        ("system:serviceaccount:default:org-trail-collector", AUDIENCE),
        ("system:serviceaccount:security:org-trail-collector2", AUDIENCE),
        (SUBJECT, "vault"),
    ],
)
def test_t48_only_the_sources_service_account_becomes_the_role(
    subject: str, audience: str, account: Account, storage: TrailStorage
) -> None:
    give_generated(account, account.build_spec(storage))
    account.become(storage.role_arn)
    assert refused(account.become, role_arn=storage.role_arn, subject=subject, audience=audience)


def test_a_chained_role_reads_and_the_role_of_the_pods_does_not(account: Account, storage: TrailStorage) -> None:
    reader = create_role(account, "reader")
    spec = account.build_spec(storage, assumeRole={"roleArn": reader, "externalId": "acme"})
    give_generated(account, spec)
    account.give(reader, account.print_for(spec, "policy", "--assumed"), account.print_for(spec, "trust", "--assumed"))
    collector = account.start(spec)
    files = list(generate_log_files(2, seed=703))
    put(account.aws, storage, *files)
    wait_until(lambda: collector.count_events() == ids_of(*files), "every event")
    wait_until(lambda: is_empty(account.aws, storage), "an empty queue")
    pods = account.become(storage.role_arn)
    assert refused(pods("sqs").receive_message, QueueUrl=storage.queue_url)
    assert refused(account.become_next, client_of=pods, role_arn=reader, ExternalId="guessed")
    assert refused(account.become_next, client_of=pods, role_arn=reader)
    account.become_next(pods, reader, ExternalId="acme")
    stranger = create_trail_storage(account.aws, f"{account.name}-stranger")
    account.give(stranger.role_arn, account.print_for(spec, "policy"))
    strange = account.become(stranger.role_arn, "system:serviceaccount:default:default")
    assert refused(account.become_next, client_of=strange, role_arn=reader, ExternalId="acme")


def test_an_archive_is_written_by_its_own_role(account: Account, storage: TrailStorage) -> None:
    writer, bucket = create_role(account, "writer"), f"{account.name}-archive"
    s3 = account.aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    place = {"bucket": bucket, "region": account.aws.region, "roleArn": writer, "endpointUrl": account.aws.url}
    sinks = [{"name": "out", "stdout": {}}, {"name": "archive", "s3": place, "batch": {"maxSeconds": 1}}]
    spec = account.build_spec(storage, sinks=sinks)
    give_generated(account, spec)
    account.give(
        writer,
        account.print_for(spec, "policy", "--sink", "archive"),
        account.print_for(spec, "trust", "--sink", "archive"),
    )
    account.start(spec)
    put(account.aws, storage, *generate_log_files(2, seed=704))
    wait_until(lambda: is_empty(account.aws, storage), "an empty queue")
    assert s3.list_objects_v2(Bucket=bucket, Prefix="cloudtrail/account=")["KeyCount"] > 0
    pods = account.become(storage.role_arn)
    assert refused(pods("s3").put_object, Bucket=bucket, Key="cloudtrail/account=1/x", Body=b"")
    writes = account.become_next(pods, writer)("s3")
    assert refused(writes.put_object, Bucket=bucket, Key="elsewhere", Body=b"")
    assert refused(writes.get_object, Bucket=storage.bucket, Key="AWSLogs/a")
    assert refused(writes.list_objects_v2, Bucket=bucket)


class _Loader(yaml.SafeLoader):
    """Reads `!Sub` and its like in their long form."""


def _build_intrinsic(loader: yaml.SafeLoader, tag: str, node: yaml.ScalarNode) -> Any:
    value = loader.construct_scalar(node)
    return {"Fn::GetAtt": value.split(".", 1)} if tag == "GetAtt" else {"Ref" if tag == "Ref" else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _build_intrinsic)


def create_stack(account: Account, text: str) -> dict[str, str]:
    """Create what ministack can of a template; returns the outputs."""
    template = yaml.load(text, Loader=_Loader)  # noqa: S506
    kept = {name: one for name, one in template["Resources"].items() if one["Type"] not in LEFT_OUT}
    formation = account.aws.client("cloudformation")
    formation.create_stack(
        StackName=account.name,
        TemplateBody=json.dumps(template | {"Resources": kept}),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )

    def describe() -> dict[str, Any]:
        stack: dict[str, Any] = formation.describe_stacks(StackName=account.name)["Stacks"][0]
        return stack

    wait_until(lambda: not describe()["StackStatus"].endswith("_IN_PROGRESS"), "the stack", timeout=60)
    stack = describe()
    assert stack["StackStatus"] == "CREATE_COMPLETE", formation.describe_stack_events(StackName=account.name)
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def read_attributes(account: Account, arn: str) -> tuple[str, dict[str, Any]]:
    sqs = account.aws.client("sqs")
    url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return url, attributes


STACK_CASES = [
    pytest.param("S3", (), id="s3"),
    pytest.param("S3", ("--kms",), id="s3-kms"),
    pytest.param("SNS", (), id="sns"),
    pytest.param("SNS", ("--kms",), id="sns-kms"),
    pytest.param("EventBridge", (), id="eventbridge"),
    pytest.param("EventBridge", ("--kms",), id="eventbridge-kms"),
]


@pytest.mark.parametrize(("wiring", "more"), STACK_CASES)
def test_a_collector_works_on_what_a_template_made(wiring: str, more: tuple[str, ...], account: Account) -> None:
    name = account.name
    spec = {
        "mode": "Active",
        "bucket": f"{name}-trail",
        "queueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}",
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/{name}-collector",
    }
    issuer = ("--issuer", f"https://{ISSUER_HOST}")
    text = account.print_for(spec, "cloudformation", "--trail", "org", "--wiring", wiring, *issuer, *more)
    outputs = create_stack(account, text)
    assert {outputs["Bucket"], outputs["QueueArn"], outputs["RoleArn"]} == set(spec.values()) - {"Active"}
    assert outputs["Region"] == account.aws.region
    url, attributes = read_attributes(account, outputs["QueueArn"])
    _, dead_letters = read_attributes(account, outputs["DeadLetterQueueArn"])
    redrive = json.loads(attributes["RedrivePolicy"])
    assert (redrive["deadLetterTargetArn"], int(redrive["maxReceiveCount"])) == (outputs["DeadLetterQueueArn"], 10)
    for kept in (attributes, dead_letters):
        assert kept["MessageRetentionPeriod"] == str(14 * 24 * 3600)
        assert kept.get("KmsMasterKeyId") == outputs.get("KeyArn")
        assert "--kms" in more or kept["SqsManagedSseEnabled"] == "true"
    assert_policies_arrived(account, wiring, attributes, spec)
    storage = TrailStorage(outputs["Bucket"], outputs["QueueArn"], url, "", outputs["RoleArn"])
    account.repair_batches(f"{name}-collector", read_role_policy(account, f"{name}-collector"))
    allow_plain_text(account, storage)
    collector = account.start(account.build_spec(storage))
    files = list(generate_log_files(3, seed=705))
    account.aws.client("s3").put_object(Bucket=storage.bucket, Key="elsewhere/x.json.gz", Body=b"")
    put(account.aws, storage, *files)
    wait_until(lambda: collector.count_events() == ids_of(*files), "every event")
    wait_until(lambda: is_empty(account.aws, storage), "an empty queue")
    assert collector.read_status().get("lastError") is None
    # What the wiring leaves out was never announced.
    assert collector.read_metric('files_processed_total{outcome="skipped",reason="not_a_log_file"}') == 0
    assert_doctor_is_content(account, storage)


def test_an_existing_bucket_and_a_user_work_with_what_the_outputs_say(account: Account) -> None:
    """The bucket is told what the output says; the keys of a user to whom the policy is attached are all it takes."""
    name, admin = account.name, account.aws.client("s3")
    admin.create_bucket(Bucket=f"{name}-trail")
    spec = {
        "mode": "Active",
        "bucket": f"{name}-trail",
        "queueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}",
        **SECRET,
    }
    outputs = create_stack(account, account.print_for(spec, "cloudformation", "--existing-bucket"))
    notification = json.loads(outputs["Notification"])
    admin.put_bucket_notification_configuration(Bucket=spec["bucket"], NotificationConfiguration=notification)
    iam = account.aws.client("iam")
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=outputs["PolicyArn"])
    # AWS allows batch calls with the single action.
    batches = {"Effect": "Allow", "Action": MINISTACK_ACTIONS, "Resource": outputs["QueueArn"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [batches]})
    iam.put_user_policy(UserName=name, PolicyName="batches", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    url, _ = read_attributes(account, outputs["QueueArn"])
    storage = TrailStorage(outputs["Bucket"], outputs["QueueArn"], url, "", "")
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    collector = account.start(account.build_spec(storage), keys)
    files = list(generate_log_files(2, seed=707))
    put(account.aws, storage, *files)
    wait_until(lambda: collector.count_events() == ids_of(*files), "every event")
    wait_until(lambda: is_empty(account.aws, storage), "an empty queue")


def assert_doctor_is_content(account: Account, storage: TrailStorage) -> None:
    """See that the doctor finds its way from bucket to queue, whatever is between."""
    answer = ask("doctor", "-f", write_source(account.folder, **account.build_spec(storage)))
    text = answer.output.decode()
    assert answer.code == 0, text
    assert "\nnotification    right: The bucket tells " in text
    assert "\nqueue policy    right: " in text


def allow_plain_text(account: Account, storage: TrailStorage) -> None:
    """See that the bucket refuses who does not use TLS, and then let it: the stand-in has none."""
    s3, admin = account.become(storage.role_arn)("s3"), account.aws.client("s3")
    admin.put_object(Bucket=storage.bucket, Key="AWSLogs/x.txt", Body=b"")
    assert refused(s3.get_object, Bucket=storage.bucket, Key="AWSLogs/x.txt")
    policy = json.loads(admin.get_bucket_policy(Bucket=storage.bucket)["Policy"])
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Sid"] != "RefusePlainText"]
    admin.put_bucket_policy(Bucket=storage.bucket, Policy=json.dumps(policy))
    assert s3.get_object(Bucket=storage.bucket, Key="AWSLogs/x.txt")["ContentLength"] == 0


def assert_policies_arrived(account: Account, wiring: str, attributes: dict[str, Any], spec: dict[str, Any]) -> None:
    """See that a stand-in has made of the policies what the template says, and not nothing."""
    name = account.name
    sources = {
        "S3": f"arn:aws:s3:::{spec['bucket']}",
        "SNS": f"arn:aws:sns:us-east-1:{ACCOUNT}:{name}",
        "EventBridge": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{name}",
    }
    policy = json.loads(attributes["Policy"])
    (sender,) = policy["Statement"]
    assert sender["Resource"] == spec["queueArn"]
    assert sender["Condition"]["ArnEquals"] == {"aws:SourceArn": sources[wiring]}
    s3 = account.aws.client("s3")
    delivered = json.loads(s3.get_bucket_policy(Bucket=spec["bucket"])["Policy"])["Statement"][1]
    assert delivered["Resource"] == f"arn:aws:s3:::{spec['bucket']}/AWSLogs/{ACCOUNT}/*"
    assert (
        delivered["Condition"]["StringEquals"]["aws:SourceArn"] == f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/org"
    )
    blocked = s3.get_public_access_block(Bucket=spec["bucket"])["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}
    role = json.loads(read_role_policy(account, spec["roleArn"].rpartition("/")[2]))
    found = {statement["Sid"]: statement["Resource"] for statement in role["Statement"]}
    assert found["ReceiveMessages"] == spec["queueArn"]
    assert found["ReadLogFiles"] == f"arn:aws:s3:::{spec['bucket']}/AWSLogs/*"


def read_role_policy(account: Account, role: str) -> str:
    document = account.aws.client("iam").get_role_policy(RoleName=role, PolicyName="collect")["PolicyDocument"]
    return document if isinstance(document, str) else json.dumps(document)


@pytest.mark.parametrize("name", SETUPS)
def test_cfn_lint_has_nothing_to_say_in_any_partition(name: str, tmp_path: Path) -> None:
    setup = SETUPS[name]
    text = run_command("cloudformation", "-f", setup.write_source(tmp_path), *setup.arguments)
    regions = ManualArgs(regions=["us-east-1", "us-gov-west-1", "cn-north-1"])
    assert [str(match) for match in lint(text, config=regions)] == []


@pytest.mark.parametrize("file", sorted(GOLDEN.rglob("*.tf")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_modules_are_hcl(file: Path) -> None:
    assert hcl2.loads(file.read_text())
