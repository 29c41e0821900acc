"""What arrives on a queue: every shape, interleaved; what announces nothing; what must not be believed."""

import gzip
import itertools
import json
import re
from collections import Counter

import pytest

from integration.collector_process import Collector, Start, wait_until
from integration.notification_shapes import SHAPES, build_empty_bodies
from integration.queues import announce, announce_by_hand, build_s3_body, count_messages, ids_of, is_empty, put
from localcluster.aws import AwsEndpoint
from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import generate_log_files


def read_series(collector: Collector, name: str) -> dict[str, float]:
    """Read the series of a metric: label text to value."""
    pattern = re.compile(rf"^cloudtrail_collector_{name}\{{([^}}]*)\}} (\S+)$", re.MULTILINE)
    return {labels: float(value) for labels, value in pattern.findall(collector.get("/metrics"))}


@pytest.mark.parametrize("number", [1, 2, 5, 10])
def test_t5_every_object_of_a_message_arrives_whatever_its_bucket(
    number: int, aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    announce_by_hand(aws, storage)
    second = f"{storage.bucket}-second"
    aws.client("s3").create_bucket(Bucket=second)
    files = list(generate_log_files(number, seed=50 + number))
    records = []
    for file, bucket in zip(files, itertools.cycle([storage.bucket, second]), strict=False):
        aws.client("s3").put_object(Bucket=bucket, Key=file.key, Body=file.body)
        records += build_s3_body(bucket, file.key)["Records"]
    announce(aws, storage, {"Records": records})
    collector = start(extraBuckets=[second])
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    assert collector.count_events() == ids_of(*files)


def test_t6_the_same_key_is_read_from_each_bucket_that_is_named(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    announce_by_hand(aws, storage)
    second = f"{storage.bucket}-second"
    aws.client("s3").create_bucket(Bucket=second)
    one, two = generate_log_files(2, seed=61)
    aws.client("s3").put_object(Bucket=storage.bucket, Key=one.key, Body=one.body)
    aws.client("s3").put_object(Bucket=second, Key=one.key, Body=two.body)
    records = [*build_s3_body(storage.bucket, one.key)["Records"], *build_s3_body(second, one.key)["Records"]]
    announce(aws, storage, {"Records": records})
    collector = start(extraBuckets=[second], endpointUrl=proxy.url)
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    assert collector.count_events() == ids_of(one, two)
    reads = [exchange.call for exchange in proxy.read_journal("GetObject") if exchange.status == 200]
    assert [(call.bucket, call.key) for call in reads] == [(storage.bucket, one.key), (second, one.key)]


def test_t7_whatever_is_deleted_without_being_read_is_counted_by_a_reason_of_a_closed_set(
    aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    announce_by_hand(aws, storage)
    (file,) = generate_log_files(1, seed=62)
    collector = start(objects={"missing": "Drop", "accountIds": ["999988887777"], "regions": ["us-east-1"]})
    names = ("sqs_messages_consumed_total", "files_processed_total")
    before = {name: read_series(collector, name) for name in names}
    assert before["sqs_messages_consumed_total"]
    assert all(value == 0 for series in before.values() for value in series.values())
    account = "AWSLogs/999988887777"
    skipped = [
        file.key,
        f"{account}/CloudTrail-Digest/us-east-1/2026/01/01/999988887777_CloudTrail-Digest_us-east-1_x.json.gz",
        f"{account}/Config/us-east-1/2026/1/1/ConfigHistory/x.json.gz",
        f"{account}/CloudTrail/eu-west-1/2026/01/01/x.json.gz",
        f"{account}/CloudTrail-Aggregated/us-east-1/2026/01/01/x.json.gz",
        f"{account}/CloudTrail/us-east-1/2026/01/01/gone.json.gz",
    ]
    empty = build_empty_bodies(storage.bucket)
    for body in [*(build_s3_body(storage.bucket, key) for key in skipped), *empty.values()]:
        announce(aws, storage, body)
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    wait_until(lambda: collector.read_status()["messages"]["inFlight"] == 0, "the last message to be counted")
    after = {name: read_series(collector, name) for name in names}
    assert {name: series.keys() for name, series in after.items()} == {name: before[name].keys() for name in names}
    consumed = {labels: value for labels, value in after["sqs_messages_consumed_total"].items() if value}
    assert sum(consumed.values()) == len(empty)
    assert len(consumed) == 4
    files = {labels: value for labels, value in after["files_processed_total"].items() if value}
    assert set(files.values()) == {1.0}
    assert len(files) == len(skipped)
    assert all('outcome="skipped"' in labels for labels in files)
    assert collector.read_status()["messages"]["deleted"] == len(skipped) + len(empty)
    assert collector.read_lines() == []


def test_t8_unknown_bodies_stay_for_the_queue_s_redrive_and_a_check_says_so(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    bodies = ["good morning", {"Records": [{"eventName": "ObjectTagging:Put"}]}, {"detail": {"state": "pending"}}, "[]"]
    for body in bodies:
        announce(aws, storage, body)
    collector = start(endpointUrl=proxy.url)
    wait_until(lambda: collector.read_status()["messages"]["returned"] == len(bodies), "the messages to be returned")
    assert count_messages(aws, storage.queue_url) == (0, len(bodies))
    assert proxy.count("DeleteMessage*") == proxy.count("GetObject") - _count_probes(proxy) == 0
    check = collector.read_check("NotificationsAccepted")
    assert (check["status"], check["reason"]) == ("False", "UnknownNotification")


def _count_probes(proxy: FaultProxy) -> int:
    return sum("probe" in exchange.call.key for exchange in proxy.read_journal("GetObject"))


def test_objects_of_other_buckets_are_never_asked_for_and_a_check_says_so(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    other = f"{storage.bucket}-other"
    (file,) = generate_log_files(1, seed=63)
    aws.client("s3").create_bucket(Bucket=other)
    aws.client("s3").put_object(Bucket=other, Key=file.key, Body=file.body)
    for build in SHAPES.values():
        announce(aws, storage, build(other, file.key))
    collector = start(endpointUrl=proxy.url)
    count = len(SHAPES)
    wait_until(lambda: collector.read_status()["messages"]["returned"] == count, "the messages to be returned")
    assert count_messages(aws, storage.queue_url) == (0, count)
    assert collector.read_lines() == []
    assert {exchange.call.bucket for exchange in proxy.read_journal() if exchange.call.bucket} <= {storage.bucket}
    assert f'files_processed_total{{outcome="skipped",reason="other_bucket"}} {count}.0' in collector.get("/metrics")
    check = collector.read_check("NotificationsAccepted")
    assert (check["status"], check["reason"]) == ("False", "OtherBucket")
    assert other in check["message"]


@pytest.mark.parametrize("shape", ["eventbridge", "eventbridge_without_type"])
def test_t9_eventbridge_is_understood_with_and_without_its_type(
    shape: str, aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    announce_by_hand(aws, storage)
    (file,) = generate_log_files(1, seed=64)
    put(aws, storage, file)
    announce(aws, storage, SHAPES[shape](storage.bucket, file.key))
    collector = start()
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    assert collector.count_events() == ids_of(file)


@pytest.mark.parametrize("prefix", ["a+b/", "a b/", "a%2Bb/", "é/", "a=b/c:d/"])
def test_t38_odd_keys_arrive_in_every_shape(
    prefix: str, aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    announce_by_hand(aws, storage)
    files = list(generate_log_files(len(SHAPES), seed=65, prefix=prefix))
    put(aws, storage, *files)
    for file, build in zip(files, SHAPES.values(), strict=True):
        announce(aws, storage, build(storage.bucket, file.key))
    collector = start(endpointUrl=proxy.url)
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    assert collector.count_events() == ids_of(*files)
    asked = {exchange.call.key for exchange in proxy.read_journal("GetObject") if "probe" not in exchange.call.key}
    assert asked == {file.key for file in files}


def test_t39_messages_without_any_log_file_raise_a_condition_that_a_log_file_ends(
    aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    collector = start({"CLOUDTRAIL_NO_OBJECTS_SECONDS": "2"})
    announced = itertools.count()

    def is_noticed() -> bool:
        key = f"AWSLogs/111122223333/elasticloadbalancing/us-east-1/2026/01/01/{next(announced)}.log"
        announce(aws, storage, build_s3_body(storage.bucket, key))
        return collector.read_check("NotificationsAccepted")["status"] == "False"

    wait_until(is_noticed, "the check to fail", timeout=60)
    assert collector.read_check("NotificationsAccepted")["reason"] == "NoObjects"
    (file,) = generate_log_files(1, seed=66)
    put(aws, storage, file)
    wait_until(lambda: collector.read_check("NotificationsAccepted")["status"] == "True", "the check to pass", 40)
    assert collector.count_events() == ids_of(file)


def test_t40_all_shapes_message_by_message_on_one_queue(aws: AwsEndpoint, storage: TrailStorage, start: Start) -> None:
    announce_by_hand(aws, storage)
    empty = build_empty_bodies(storage.bucket)
    rounds = 3
    files = list(generate_log_files(rounds * len(SHAPES), seed=67))
    put(aws, storage, *files)
    builders = list(SHAPES.values()) * rounds
    for file, build, body in zip(files, builders, itertools.cycle(empty.values()), strict=False):
        announce(aws, storage, build(storage.bucket, file.key))
        announce(aws, storage, body)
    collector = start({"CLOUDTRAIL_WORKERS": "1"})
    wait_until(lambda: is_empty(aws, storage), "an empty queue", 40)
    assert collector.count_events() == ids_of(*files)
    assert collector.read_status()["messages"]["received"] == 2 * len(files)


FOLDERS = (
    "CloudTrail",
    "CloudTrail-Insight",
    "CloudTrail-NetworkActivity",
    "CloudTrail-Aggregated",
    "CloudTrail-Digest",
)


def _build_class_keys() -> dict[str, str]:
    """Build a key of every class, with and without organization and prefix: key to folder."""
    return {
        f"{prefix}AWSLogs/{organization}111122223333/{folder}/us-east-1/2026/01/01/"
        f"111122223333_{folder}_us-east-1_20260101T0000Z_{number:016}.json.gz": folder
        for number, (prefix, organization, folder) in enumerate(
            itertools.product(("", "team/audit/"), ("", "o-a1b2c3d4e5/"), FOLDERS)
        )
    }


def test_t45_classes_are_told_by_the_key_and_digests_are_never_read(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    announce_by_hand(aws, storage)
    keys = _build_class_keys()
    for key in keys:
        body = gzip.compress(json.dumps({"Records": [{"eventID": key}]}).encode())
        aws.client("s3").put_object(Bucket=storage.bucket, Key=key, Body=body)
        announce(aws, storage, build_s3_body(storage.bucket, key))
    classes = ["CloudTrail", "Insight", "NetworkActivity", "Aggregated"]
    collector = start(endpointUrl=proxy.url, objects={"classes": classes})
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    wanted = {key for key, folder in keys.items() if folder != "CloudTrail-Digest"}
    assert collector.count_events() == Counter(wanted)
    digests = keys.keys() - wanted
    assert len(digests) == 4
    assert digests.isdisjoint(exchange.call.key for exchange in proxy.read_journal("GetObject"))
    assert f'files_processed_total{{outcome="skipped",reason="digest"}} {len(digests)}.0' in collector.get("/metrics")


def test_t45_only_the_classes_that_are_wanted_are_read(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    announce_by_hand(aws, storage)
    keys = _build_class_keys()
    for key in keys:
        body = gzip.compress(json.dumps({"Records": [{"eventID": key}]}).encode())
        aws.client("s3").put_object(Bucket=storage.bucket, Key=key, Body=body)
        announce(aws, storage, build_s3_body(storage.bucket, key))
    collector = start(endpointUrl=proxy.url, objects={"classes": ["Insight"]}, prefix="team/audit/")
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    wanted = {key for key, folder in keys.items() if folder == "CloudTrail-Insight" and key.startswith("team/audit/")}
    assert len(wanted) == 2
    assert collector.count_events() == Counter(wanted)
    asked = {exchange.call.key for exchange in proxy.read_journal("GetObject") if "probe" not in exchange.call.key}
    assert asked == wanted
