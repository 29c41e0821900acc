"""From `kubectl apply` to delivered events: operator, collector, API server and node are real processes, and the
stand-in for AWS enforces IAM, so that the role and its policy are proven by use."""

import gzip
import json
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from localcluster.aws import AwsEndpoint, running_aws
from localcluster.aws.provision import build_collector_policy
from localcluster.cluster import OPERATOR_NAMESPACE, LocalCluster
from localcluster.corpus import LogFile, generate_log_files
from localcluster.trail import Trail, create_trail, wait_until
from support.real_records import TEST_DATA

OPERATOR_SELECTOR = "app.kubernetes.io/name=cloudtrail-operator"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    with running_aws("ministack", tmp_path_factory.mktemp("aws"), enforce_iam=True) as endpoint:
        yield endpoint


@pytest.fixture
def trail(operator: LocalCluster, aws: AwsEndpoint, namespace: str) -> Trail:
    return create_trail(operator, aws, namespace=namespace, name="trail", storage_name=namespace)


def _count(files: list[LogFile]) -> Counter[str]:
    return Counter(event_id for file in files for event_id in file.event_ids)


def _missing(trail: Trail, files: list[LogFile]) -> int:
    return len(_count(files).keys() - trail.count_delivered().keys())


def _wait_delivered(trail: Trail, files: list[LogFile], timeout: float = 60) -> None:
    wait_until("every event to be delivered", lambda: _missing(trail, files) == 0, timeout=timeout)


def _wait_drained(trail: Trail) -> None:
    wait_until("the queue to drain", lambda: trail.read_queue_depth().kept == 0)


def _operator_pod(trail: Trail) -> dict[str, object]:
    (pod,) = trail.cluster.pods(OPERATOR_NAMESPACE, OPERATOR_SELECTOR)
    return pod


def test_modes_do_what_they_promise(trail: Trail) -> None:
    """Test delivers and keeps, Active delivers and deletes, Paused leaves no pod; 200 files, none lost or doubled."""
    files = list(generate_log_files(200, seed=11, events_per_file=5))
    greetings = trail.read_queue_depth().kept  # S3 greets a queue with a test event

    trail.apply("Test")
    trail.wait_ready()
    tested = trail.list_pod_names()
    trail.upload(files[:100])
    _wait_delivered(trail, files[:100])
    assert trail.count_delivered() == _count(files[:100])
    assert trail.read_queue_depth().kept == 100 + greetings
    assert trail.read_condition("Ready")["reason"] == "Testing"

    trail.apply("Active")
    trail.wait_ready()
    assert trail.list_pod_names().isdisjoint(tested)
    trail.upload(files[100:])
    _wait_drained(trail)
    active = Counter(record["eventID"] for record in trail.read_events(without=tested))
    assert active == _count(files)
    assert trail.read_queue_depth().dead == 0
    assert trail.read_condition("Ready")["reason"] == "Collecting"

    trail.apply("Paused")
    trail.wait_ready()
    wait_until("no pod to be left", lambda: not trail.list_pods())
    assert trail.read_condition("Ready")["reason"] == "Paused"
    trail.upload(generate_log_files(1, seed=12))
    wait_until("the file to be announced", lambda: trail.read_queue_depth().visible == 1)


def test_records_leave_as_aws_wrote_them(trail: Trail) -> None:
    (file,) = generate_log_files(1, seed=13)
    trail.apply("Active")
    trail.wait_ready()
    trail.upload([file])
    _wait_delivered(trail, [file])
    assert trail.read_events() == json.loads(gzip.decompress(file.body))["Records"]


def test_filter_drops_what_its_selectors_match_and_nothing_else(trail: Trail) -> None:
    files = list(generate_log_files(10, seed=14))
    rule = {
        "name": "noise",
        "action": "Drop",
        "fieldSelectors": [
            {"field": "readOnly", "equals": ["true"]},
            {"field": "eventName", "startsWith": ["Describe", "List", "Get"]},
        ],
    }
    trail.apply("Active", filters=[rule])
    trail.wait_ready()
    trail.upload(files)
    _wait_drained(trail)
    records = [record for file in files for record in json.loads(gzip.decompress(file.body))["Records"]]
    kept = {
        record["eventID"]
        for record in records
        if not (record["readOnly"] and record["eventName"].startswith(("Describe", "List", "Get")))
    }
    assert trail.count_delivered() == Counter(kept)
    assert len(kept) < len(records)


def test_a_mask_takes_its_key_from_a_secret_and_nothing_leaves_without(trail: Trail) -> None:
    (file,) = generate_log_files(1, seed=19)
    key = {"secretKeyRef": {"name": "masks", "key": "hmac"}}
    trail.apply("Active", mask=[{"name": "request", "field": "requestID", "hash": {"key": key}}])
    trail.upload([file])
    wait_until(
        "the source to say what is missing",
        lambda: "Secret masks has no key hmac" in trail.read_condition("Ready").get("message", ""),
    )
    assert trail.read_events() == []
    secret = {"metadata": {"name": "masks", "namespace": trail.namespace}, "stringData": {"hmac": "k" * 32}}
    trail.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Secret", **secret}))
    trail.cluster.kubectl("delete", "pods", "-n", trail.namespace, "-l", trail.selector)
    trail.wait_ready()
    _wait_delivered(trail, [file])
    records = json.loads(gzip.decompress(file.body))["Records"]
    for event, record in zip(trail.read_events(), records, strict=True):
        assert len(event["requestID"]) == 32
        assert event | {"requestID": record["requestID"]} == record


def test_t1_collector_killed_in_the_middle_loses_nothing(trail: Trail) -> None:
    """SIGKILL while files are in work: their messages reappear, and every event arrives at least once."""
    files = list(generate_log_files(300, seed=15))
    trail.apply("Paused", visibilityTimeoutSeconds=30)
    trail.upload(files)
    trail.apply("Active", visibilityTimeoutSeconds=30)
    wait_until("the first events", lambda: len(trail.read_events()) > 0, interval=0.02)
    (pod,) = trail.list_pods()
    trail.cluster.kill_pod_process(pod, signal.SIGKILL)
    assert _missing(trail, files) > 0, "the kill came too late to be in the middle"
    _wait_delivered(trail, files, timeout=120)
    _wait_drained(trail)
    assert trail.read_queue_depth().dead == 0


def test_operator_killed_in_the_middle_changes_nothing(trail: Trail) -> None:
    files = list(generate_log_files(40, seed=16))
    trail.apply("Active")
    trail.wait_ready()
    pods = {pod["metadata"]["uid"] for pod in trail.list_pods()}
    generation = trail.cluster.get("deployment/trail-collector", namespace=trail.namespace)["metadata"]["generation"]
    trail.upload(files[:20])
    trail.cluster.kill_pod_process(_operator_pod(trail), signal.SIGKILL)
    trail.upload(files[20:])
    _wait_delivered(trail, files)
    wait_until(
        "the operator to be back",
        lambda: (
            trail.cluster.get("deployment/cloudtrail-operator", namespace=OPERATOR_NAMESPACE)["status"].get(
                "readyReplicas"
            )
            == 1
        ),
    )
    wait_until("the status to catch up", lambda: trail.read_emitted() == sum(len(file.event_ids) for file in files))
    assert {pod["metadata"]["uid"] for pod in trail.list_pods()} == pods
    deployment = trail.cluster.get("deployment/trail-collector", namespace=trail.namespace)
    assert deployment["metadata"]["generation"] == generation
    assert trail.read_condition("Ready")["status"] == "True"


def test_notifications_through_sns_are_followed(operator: LocalCluster, aws: AwsEndpoint, namespace: str) -> None:
    trail = create_trail(operator, aws, namespace=namespace, name="trail", storage_name=namespace, through_sns=True)
    files = list(generate_log_files(10, seed=17))
    trail.apply("Active")
    trail.wait_ready()
    trail.upload(files)
    _wait_drained(trail)
    assert trail.count_delivered() == _count(files)


def test_denied_queue_is_named_and_recovers_by_itself(trail: Trail) -> None:
    """A person reads the AWS action and the ARN, within 30 s, and mends the policy; nothing else has to be done."""
    iam = trail.aws.client("iam")
    role = trail.storage.role_arn.rsplit("/", 1)[1]
    iam.delete_role_policy(RoleName=role, PolicyName="collect")
    trail.apply("Active")
    wait_until(
        "the refusal to be shown", lambda: trail.read_condition("Ready").get("reason") == "AccessDenied", timeout=30
    )
    ready = trail.read_condition("Ready")
    assert ready["status"] == "False"
    assert "sqs:ReceiveMessage" in ready["message"]
    assert trail.storage.queue_arn in ready["message"]

    policy = build_collector_policy(trail.storage.queue_arn, trail.storage.bucket)
    iam.put_role_policy(RoleName=role, PolicyName="collect", PolicyDocument=json.dumps(policy))
    trail.wait_ready(timeout=60)


def test_unreadable_bucket_is_named_and_loses_nothing(trail: Trail) -> None:
    iam = trail.aws.client("iam")
    role = trail.storage.role_arn.rsplit("/", 1)[1]
    policy = build_collector_policy(trail.storage.queue_arn, trail.storage.bucket)
    queue_only = policy | {"Statement": policy["Statement"][:1]}
    iam.put_role_policy(RoleName=role, PolicyName="collect", PolicyDocument=json.dumps(queue_only))
    files = list(generate_log_files(3, seed=18))
    trail.apply("Active", visibilityTimeoutSeconds=30)
    wait_until("a collector to run", lambda: len(trail.list_pods()) == 1)
    trail.upload(files)
    wait_until(
        "the refusal to be shown", lambda: trail.read_condition("Ready").get("reason") == "AccessDenied", timeout=30
    )
    message = trail.read_condition("BucketReadable")["message"]
    assert "s3:GetObject" in message
    assert f"arn:aws:s3:::{trail.storage.bucket}" in message
    assert trail.read_queue_depth().kept == 3  # the test event is done, the files are kept

    iam.put_role_policy(RoleName=role, PolicyName="collect", PolicyDocument=json.dumps(policy))
    _wait_delivered(trail, files, timeout=120)
    trail.wait_ready()


def test_missing_queue_is_named(trail: Trail) -> None:
    arn = f"{trail.storage.queue_arn}-missing"
    iam = trail.aws.client("iam")
    policy = build_collector_policy(arn, trail.storage.bucket)
    iam.put_role_policy(
        RoleName=trail.storage.role_arn.rsplit("/", 1)[1], PolicyName="collect", PolicyDocument=json.dumps(policy)
    )
    trail.apply("Active", queueArn=arn)
    wait_until(
        "the queue to be missed", lambda: trail.read_condition("Ready").get("reason") == "QueueNotFound", timeout=30
    )
    assert arn in trail.read_condition("Ready")["message"]


def test_status_tells_of_data_that_flows(trail: Trail) -> None:
    (file,) = generate_log_files(1, seed=20)
    trail.apply("Active")
    trail.wait_ready()
    assert trail.read_condition("DataFlowing")["status"] == "Unknown"
    trail.upload([file])
    _wait_delivered(trail, [file])
    wait_until("the source to say so", lambda: trail.read_condition("DataFlowing")["reason"] == "Flowing", timeout=20)
    wait_until("its rate to be told", lambda: float(trail.read_source()["status"]["events"]["perSecond"]) > 0)
    warnings = ("Lagging", "DeadLettering", "QueueConflict")
    assert [trail.read_condition(kind)["reason"] for kind in warnings] == ["UpToDate", "NoDeadLetters", "OwnQueue"]


def test_role_of_another_namespace_cannot_be_used(operator: LocalCluster, aws: AwsEndpoint, namespace: str) -> None:
    """The trust policy names one ServiceAccount; a source elsewhere is refused, and says by whom and for what."""
    owner = create_trail(operator, aws, namespace="elsewhere", name="trail", storage_name=namespace)
    thief = Trail(operator, aws, owner.storage, namespace, "trail")
    thief.apply("Active")
    wait_until(
        "the refusal to be shown",
        lambda: (
            thief.read_condition("Ready").get("status") == "False"
            and "sts:AssumeRoleWithWebIdentity" in thief.read_condition("Ready")["message"]
        ),
        timeout=30,
    )
    assert thief.storage.role_arn in thief.read_condition("Ready")["message"]


@pytest.mark.third_party_data
def test_real_log_files_are_delivered(trail: Trail) -> None:
    folder = TEST_DATA / "files"
    files = [
        LogFile(str(path.relative_to(folder)), path.read_bytes(), ())
        for path in sorted((folder / "AWSLogs").rglob("*.json.gz"))
    ]
    logs = [file for file in files if "/CloudTrail/" in file.key]
    records = [record for file in logs for record in json.loads(gzip.decompress(file.body))["Records"]]
    trail.apply("Active")
    trail.wait_ready()
    trail.upload(files)
    _wait_drained(trail)
    assert trail.count_delivered() == Counter(record["eventID"] for record in records)
