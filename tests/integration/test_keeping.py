"""A message is deleted when everything that it announces was accepted, and not before."""

import gzip
import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from integration.collector_process import Collector, Start, wait_until
from integration.http_sink import HttpSinkServer, to_sink
from integration.queues import announce, build_s3_body, count_messages, ids_of, is_empty, put, set_visibility_timeout
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import generate_log_files


def test_t2_nothing_is_deleted_before_the_sink_has_answered(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    (file,) = generate_log_files(1, seed=21)
    sink.gate.clear()
    put(aws, storage, file)
    collector = start(sinks=[to_sink(sink)])
    assert sink.arrived.wait(20)
    assert collector.read_status()["messages"]["deleted"] == 0
    assert count_messages(aws, storage.queue_url) == (0, 1)
    sink.gate.set()
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    assert sink.count_events() == ids_of(file)


def test_t1_killed_between_download_and_answer_loses_nothing(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    set_visibility_timeout(aws, storage, 4)
    files = list(generate_log_files(8, seed=22))
    sink.gate.clear()
    put(aws, storage, *files)
    first = start(sinks=[to_sink(sink)])
    assert sink.arrived.wait(20)
    first.signal(signal.SIGKILL)
    first.wait()
    sink.gate.set()
    start(sinks=[to_sink(sink)])
    wait_until(lambda: is_empty(aws, storage), "the queue to drain")
    assert sink.count_events().keys() == {event for file in files for event in file.event_ids}


def test_t3_a_refused_batch_returns_with_a_delay_and_arrives_later(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    (file,) = generate_log_files(1, seed=23)
    sink.status = 500
    put(aws, storage, file)
    collector = start(sinks=[to_sink(sink, retry={"maxAttempts": 1})])
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be returned")
    check = collector.read_check("SinksAccepting")
    assert (check["status"], check["reason"]) == ("False", "SinkRejected")
    assert "siem" in check["message"]
    assert "500" in check["message"]
    (log,) = collector.read_logs("message returned")
    assert 15 <= log["visible_in_seconds"] <= 30
    sink.status = 200
    wait_until(lambda: is_empty(aws, storage), "the retry", timeout=40)
    assert sink.count_events() == ids_of(file)
    assert sink.refused == 1
    assert collector.read_check("SinksAccepting")["status"] == "True"


def test_t4_a_missing_object_keeps_its_message_and_the_others_arrive(
    aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    first, missing, third = generate_log_files(3, seed=24)
    aws.client("s3").put_bucket_notification_configuration(Bucket=storage.bucket, NotificationConfiguration={})
    put(aws, storage, first, third)
    announce(aws, storage, build_s3_body(storage.bucket, first.key, missing.key, third.key))
    collector = start()
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be returned")
    assert collector.count_events() == Counter(first.event_ids + third.event_ids)
    assert count_messages(aws, storage.queue_url) == (0, 1)
    error = collector.read_status()["lastError"]
    assert (error["action"], error["code"]) == ("s3:GetObject", "NoSuchKey")
    assert error["resource"] == f"arn:aws:s3:::{storage.bucket}/{missing.key}"


def test_t4_a_missing_object_is_dropped_when_the_policy_says_so(
    aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    announce(aws, storage, build_s3_body(storage.bucket, next(generate_log_files(1, seed=25)).key))
    collector = start(objects={"missing": "Drop"})
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    assert collector.read_status()["files"]["skipped"] == 1


def test_t27_messages_that_announce_nothing_are_consumed_once(
    aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": storage.bucket}
    digest = "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/01/01/digest.json.gz"
    bodies = [
        test_event,
        {"Type": "Notification", "Message": json.dumps(test_event)},
        "CloudTrail validation message.",
        {"Type": "Notification", "Message": "CloudTrail validation message."},
        {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://example.com"},
        build_s3_body(storage.bucket, "k", name="ObjectRemoved:Delete"),
        build_s3_body(storage.bucket, digest),
    ]
    for body in bodies:
        announce(aws, storage, body)
    collector = start()
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    counts = collector.read_status()["messages"]
    assert (counts["received"], counts["deleted"]) == (len(bodies), len(bodies))
    assert not [line for line in collector.stderr.read_text().splitlines() if '"level": "warning"' in line]


def test_t8_unknown_bodies_and_other_buckets_stay(aws: AwsEndpoint, storage: TrailStorage, start: Start) -> None:
    (file,) = generate_log_files(1, seed=26)
    aws.client("s3").create_bucket(Bucket=f"{storage.bucket}-other")
    aws.client("s3").put_object(Bucket=f"{storage.bucket}-other", Key=file.key, Body=file.body)
    announce(aws, storage, "good morning")
    announce(aws, storage, build_s3_body(f"{storage.bucket}-other", file.key))
    collector = start()
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 2, "both messages to be returned")
    assert count_messages(aws, storage.queue_url) == (0, 2)
    assert collector.read_lines() == []
    assert 'released_total{reason="unparseable"} 1.0' in collector.get("/metrics")
    assert 'released_total{reason="other_bucket"} 1.0' in collector.get("/metrics")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (gzip.compress(b'{"Records":[' + b" " * 2_000_000 + b"]}"), "too_large"),
        (gzip.compress(b'{"Records":[{"eventID":"1"}]}')[:-9], "corrupt"),
        (gzip.compress(b'{"journalStatus":"none"}'), "not_a_log_file"),
    ],
)
def test_a_file_that_cannot_be_read_stays(
    body: bytes, reason: str, aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    key = next(generate_log_files(1, seed=27)).key
    aws.client("s3").put_object(Bucket=storage.bucket, Key=key, Body=body)
    collector = start(objects={"maxUncompressedBytes": 1024 * 1024})
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be returned")
    assert count_messages(aws, storage.queue_url) == (0, 1)
    assert collector.read_lines() == []
    assert collector.read_status()["lastError"]["code"] == reason


def test_t18_t21_a_slow_message_is_extended_until_its_ack_and_received_once(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    set_visibility_timeout(aws, storage, 3)
    (file,) = generate_log_files(1, seed=28)
    sink.gate.clear()
    put(aws, storage, file)
    collector = start(sinks=[to_sink(sink)])
    assert sink.arrived.wait(20)
    since = time.monotonic()
    while time.monotonic() < since + 9:  # three times the timeout
        assert count_messages(aws, storage.queue_url) == (0, 1)
        time.sleep(0.3)
    sink.gate.set()
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    assert collector.read_status()["messages"]["received"] == 1
    assert sink.count_events() == ids_of(file)


def test_what_standard_output_does_not_take_stays(aws: AwsEndpoint, storage: TrailStorage, tmp_path: Path) -> None:
    put(aws, storage, *generate_log_files(1, seed=29))
    spec = {
        "mode": "Active",
        "bucket": storage.bucket,
        "queueArn": storage.queue_arn,
        "region": aws.region,
        "endpointUrl": aws.url,
        "sinks": [{"name": "out", "stdout": {}}],
    }
    collector = Collector(tmp_path, spec, {})
    collector.stdout = Path("/dev/full")
    try:
        collector.start()
        wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be returned")
        assert collector.read_check("SinksAccepting")["reason"] == "SinkUnreachable"
        assert count_messages(aws, storage.queue_url) == (0, 1)
        assert collector.read_status()["messages"]["deleted"] == 0
    finally:
        collector.kill()
