"""The shapes in which an object may be announced on a queue, each as AWS sends it."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

Build = Callable[[str, str], Any]


def _s3(bucket: str, key: str) -> Any:
    """Build S3's own notification: the key is form-encoded, its slashes are not."""
    about = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": about}
    return {"Records": [record]}


def _sns(build: Build) -> Build:
    def build_envelope(bucket: str, key: str) -> Any:
        topic = "arn:aws:sns:us-east-1:111122223333:trail"
        return {"Type": "Notification", "TopicArn": topic, "Message": json.dumps(build(bucket, key))}

    return build_envelope


def _cloudtrail(bucket: str, key: str) -> Any:
    return {"s3Bucket": bucket, "s3ObjectKey": [key]}


def _eventbridge(bucket: str, key: str) -> Any:
    return {"detail-type": "Object Created", **_security_lake(bucket, key)}


def _security_lake(bucket: str, key: str) -> Any:
    """Build an EventBridge event without `detail-type`, as Security Lake sends it."""
    return {"source": "aws.s3", "detail": {"bucket": {"name": bucket}, "object": {"key": key}}}


SHAPES: Mapping[str, Build] = {
    "s3": _s3,
    "sns_s3": _sns(_s3),
    "cloudtrail": _cloudtrail,
    "sns_cloudtrail": _sns(_cloudtrail),
    "eventbridge": _eventbridge,
    "eventbridge_without_type": _security_lake,
    "sns_eventbridge": _sns(_eventbridge),
}


def build_empty_bodies(bucket: str) -> dict[str, Any]:
    """Build the messages that announce nothing to read."""
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": bucket}
    removed = {"eventName": "ObjectRemoved:Delete", "s3": {"bucket": {"name": bucket}, "object": {"key": "k"}}}
    return {
        "test_event": test_event,
        "test_event_by_sns": {"Type": "Notification", "Message": json.dumps(test_event)},
        "validation": "CloudTrail validation message.",
        "validation_by_sns": {"Type": "Notification", "Message": "CloudTrail validation message."},
        "confirmation": {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://example.com"},
        "removed": {"Records": [removed]},
    }
