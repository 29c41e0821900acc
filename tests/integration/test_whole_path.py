"""From the queue to standard output and back: what is delivered, what is deleted."""

import gzip
import json
import urllib.parse

import pytest

from integration.collector_process import Start, wait_until
from integration.queues import announce, ids_of, is_empty, put
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage, create_trail_storage
from localcluster.corpus import generate_log_files


def test_forty_files_arrive_exactly_and_the_queue_is_empty(
    aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    files = list(generate_log_files(40, seed=3, events_per_file=5))
    s3 = aws.client("s3")
    for file in files:
        s3.put_object(Bucket=storage.bucket, Key=file.key, Body=file.body)
    collector = start()
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    assert collector.count_events() == ids_of(*files)
    status = collector.read_status()
    assert status["files"]["read"] == 40
    assert status["events"]["emitted"] == status["events"]["read"] == sum(len(file.event_ids) for file in files)
    assert {check["status"] for check in status["checks"]} == {"True"}
    assert collector.stop() == 0


def test_files_announced_through_sns_arrive(aws: AwsEndpoint, start: Start) -> None:
    storage = create_trail_storage(aws, "through-sns", through_sns=True)
    files = list(generate_log_files(5, seed=4))
    collector = start(bucket=storage.bucket, queueArn=storage.queue_arn)
    put(aws, storage, *files)
    wait_until(lambda: collector.read_status()["files"]["read"] == 5, "five files")
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    assert collector.count_events() == ids_of(*files)


@pytest.mark.parametrize("prefix", ["a+b/", "a b/", "a%2Bb/", "é/", "a=b/c:d/"])
def test_t38_keys_arrive_byte_exact(prefix: str, aws: AwsEndpoint, storage: TrailStorage, start: Start) -> None:
    """S3 encodes the keys in its notifications, EventBridge and CloudTrail do not."""
    first, second, third = generate_log_files(3, seed=5, prefix=prefix)
    aws.client("s3").put_bucket_notification_configuration(Bucket=storage.bucket, NotificationConfiguration={})
    put(aws, storage, first, second, third)
    name = {"name": storage.bucket}
    encoded = urllib.parse.quote_plus(first.key, safe="/")
    announce(
        aws,
        storage,
        {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": name, "object": {"key": encoded}}}]},
    )
    announce(aws, storage, {"detail-type": "Object Created", "detail": {"bucket": name, "object": {"key": second.key}}})
    announce(aws, storage, {"s3Bucket": storage.bucket, "s3ObjectKey": [third.key]})
    collector = start()
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    assert collector.count_events() == ids_of(first, second, third)


def test_records_leave_byte_for_byte_on_one_line_each(aws: AwsEndpoint, storage: TrailStorage, start: Start) -> None:
    key = next(generate_log_files(1, seed=6)).key
    records = [b'{"eventID":"1","n":1.000000000000000000001}', b'{ "eventID" : "2",\n\t"x":"\\u00e9\\n" }']
    body = b'{"Records":[' + b",".join(records) + b"]}"
    aws.client("s3").put_object(
        Bucket=storage.bucket, Key=key, Body=gzip.compress(body[:20]) + gzip.compress(body[20:])
    )
    collector = start()
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    assert collector.read_lines() == [records[0], records[1].replace(b"\n", b"")]


def test_t14_an_unreadable_record_costs_only_itself(aws: AwsEndpoint, storage: TrailStorage, start: Start) -> None:
    """Without a dead-letter sink a line about it goes where the others go; a lone surrogate is readable."""
    key = next(generate_log_files(1, seed=6)).key
    records = [b'{"eventID":"1"}', b'{"eventID":"2","eventTime":"\\ud800"}', b'{"eventID":truth}', b'{"eventID":"3"}']
    body = b'{"Records":[' + b",".join(records) + b"]}"
    aws.client("s3").put_object(Bucket=storage.bucket, Key=key, Body=gzip.compress(body))
    collector = start()
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    *whole, entry = collector.read_lines()
    assert whole == [records[0], records[1], records[3]]
    letter = json.loads(entry)
    assert letter["record"] == records[2].decode()
    about = {name: letter["deadLetter"][name] for name in ("reason", "bucket", "key", "index")}
    assert about == {"reason": "undecodable", "bucket": storage.bucket, "key": key, "index": 2}
    events = collector.read_status()["events"]
    assert events | {"filtered": 0} == {
        "read": 4, "filtered": 0, "repeated": 0, "masked": 0, "unrouted": 0, "emitted": 3, "deadLettered": 1, "failed": 0,
    }  # fmt: skip


def test_filters_metrics_and_samples(aws: AwsEndpoint, storage: TrailStorage, start: Start) -> None:
    (file,) = generate_log_files(1, seed=7, events_per_file=40)
    put(aws, storage, file)
    selectors = [{"field": "readOnly", "equals": ["true"]}]
    collector = start(filters=[{"name": "reads", "action": "Drop", "fieldSelectors": selectors}])
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    records = json.loads(gzip.decompress(file.body))["Records"]
    kept = [record for record in records if not record["readOnly"]]
    assert 0 < len(kept) < len(records)
    assert [json.loads(line) for line in collector.read_lines()] == kept
    metrics = collector.get("/metrics")
    assert f'cloudtrail_collector_events_filtered_total{{filter="reads"}} {len(records) - len(kept)}.0' in metrics
    assert f'cloudtrail_collector_events_emitted_total{{sink="out"}} {len(kept)}.0' in metrics
    assert "_created" not in metrics
    assert [json.loads(line) for line in collector.get("/samples?limit=2").splitlines()] == kept[-2:]
