"""What a test does to bucket and queue, and asks of them."""

import json
from collections import Counter
from typing import Any

from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import LogFile


def count_messages(aws: AwsEndpoint, url: str) -> tuple[int, int]:
    """Return the messages that are visible and invisible.

    moto counts the two one after the other: a message that becomes visible in between is in neither. So nothing is
    believed to be empty that is not found empty twice.
    """
    counts = _read_counts(aws, url)
    return counts if any(counts) else _read_counts(aws, url)


def is_empty(aws: AwsEndpoint, storage: TrailStorage) -> bool:
    """Tell whether every message of the trail was deleted."""
    return count_messages(aws, storage.queue_url) == (0, 0)


def _read_counts(aws: AwsEndpoint, url: str) -> tuple[int, int]:
    names: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(attributes[names[0]]), int(attributes[names[1]])


def put(aws: AwsEndpoint, storage: TrailStorage, *files: LogFile) -> None:
    """Do what CloudTrail does."""
    s3 = aws.client("s3")
    for file in files:
        s3.put_object(Bucket=storage.bucket, Key=file.key, Body=file.body)


def ids_of(*files: LogFile) -> Counter[str]:
    """Count each eventID of log files once."""
    return Counter(event for file in files for event in file.event_ids)


def announce(aws: AwsEndpoint, storage: TrailStorage, body: Any) -> None:
    """Send a message, JSON unless it is text already."""
    text = body if isinstance(body, str) else json.dumps(body)
    aws.client("sqs").send_message(QueueUrl=storage.queue_url, MessageBody=text)


def announce_by_hand(aws: AwsEndpoint, storage: TrailStorage) -> None:
    """Let the bucket announce nothing by itself, so that a test says what is announced, and how."""
    aws.client("s3").put_bucket_notification_configuration(Bucket=storage.bucket, NotificationConfiguration={})


def build_s3_body(bucket: str, *keys: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """Build S3's notification about some objects."""
    return {
        "Records": [{"eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}} for key in keys]
    }


def set_visibility_timeout(aws: AwsEndpoint, storage: TrailStorage, seconds: int) -> None:
    """Set the queue's own visibility timeout."""
    attributes = {"VisibilityTimeout": str(seconds)}
    aws.client("sqs").set_queue_attributes(QueueUrl=storage.queue_url, Attributes=attributes)
