"""Turns the body of an SQS message into the objects that it announces, or the reason why there is nothing to read.

Called for each message; no setting names the shape, so that shapes may be mixed on one queue. Keys are URL-encoded
(form-style: space is "+") in S3's own notifications and nowhere else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

VALIDATION_MESSAGE = "CloudTrail validation message."
# An SNS envelope holds a notification; an envelope inside an envelope does not occur in practice and is refused.
MAX_ENVELOPES = 1


class ConsumeReason(StrEnum):
    """Why a message that announces nothing is done all the same."""

    TEST_EVENT = "test_event"
    VALIDATION_MESSAGE = "validation_message"
    SUBSCRIPTION_CONFIRMATION = "subscription_confirmation"
    OBJECT_REMOVED = "object_removed"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An announced object; `key` is decoded."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Notification:
    """What a message says: objects, or else a reason why there are none."""

    objects: tuple[ObjectRef, ...] = ()
    consumed: ConsumeReason | None = None


class UnknownNotificationError(ValueError):
    """The body is in no known form."""


def parse_notification(body: str) -> Notification:
    """Parse a message body of any known shape. Raises UnknownNotificationError, and nothing else, for every other text."""
    return _parse(body, MAX_ENVELOPES)


def _parse(body: str, envelopes: int) -> Notification:
    if body.strip() == VALIDATION_MESSAGE:
        return Notification(consumed=ConsumeReason.VALIDATION_MESSAGE)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnknownNotificationError("the body is not JSON") from error
    if not isinstance(document, dict):
        raise UnknownNotificationError("the body is not a JSON object")
    kind = document.get("Type")
    if kind == "Notification" and isinstance(document.get("Message"), str) and envelopes > 0:
        return _parse(document["Message"], envelopes - 1)
    if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return Notification(consumed=ConsumeReason.SUBSCRIPTION_CONFIRMATION)
    return _parse_document(document)


def _parse_document(document: Mapping[str, Any]) -> Notification:
    if document.get("Event") == "s3:TestEvent":
        return Notification(consumed=ConsumeReason.TEST_EVENT)
    if "Records" in document:
        return _parse_s3_records(document["Records"])
    if "s3ObjectKey" in document:
        return _parse_cloudtrail_notice(document)
    if isinstance(document.get("detail"), dict):
        return _parse_eventbridge(document)
    raise UnknownNotificationError("the body is neither an S3, SNS, EventBridge nor CloudTrail notification")


def _parse_s3_records(records: Any) -> Notification:
    if not isinstance(records, list) or not records:
        raise UnknownNotificationError("Records is not a list of records")
    objects = []
    for record in records:
        name = record.get("eventName") if isinstance(record, dict) else None
        if not isinstance(name, str):
            raise UnknownNotificationError("a record has no eventName")
        if name.removeprefix("s3:").startswith("ObjectCreated:"):
            objects.append(
                _build_reference(_dig(record, "s3", "bucket", "name"), _decode(_dig(record, "s3", "object", "key")))
            )
        elif not name.removeprefix("s3:").startswith(("ObjectRemoved:", "LifecycleExpiration:")):
            raise UnknownNotificationError("a record is about something else than creation or removal")
    return Notification(tuple(objects), None if objects else ConsumeReason.OBJECT_REMOVED)


def _parse_cloudtrail_notice(document: Mapping[str, Any]) -> Notification:
    keys = document["s3ObjectKey"]
    keys = keys if isinstance(keys, list) else [keys]
    if not keys:
        raise UnknownNotificationError("s3ObjectKey is empty")
    return Notification(tuple(_build_reference(document.get("s3Bucket"), key) for key in keys))


def _parse_eventbridge(document: Mapping[str, Any]) -> Notification:
    name = document.get("detail-type")
    if name == "Object Deleted":
        return Notification(consumed=ConsumeReason.OBJECT_REMOVED)
    if name not in (None, "Object Created"):
        raise UnknownNotificationError("the EventBridge event is not Object Created")
    bucket, key = _dig(document, "detail", "bucket", "name"), _dig(document, "detail", "object", "key")
    return Notification((_build_reference(bucket, key),))


def _dig(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _decode(key: Any) -> Any:
    return unquote_plus(key) if isinstance(key, str) else key


def _build_reference(bucket: Any, key: Any) -> ObjectRef:
    if not (isinstance(bucket, str) and bucket and isinstance(key, str) and key):
        raise UnknownNotificationError("an announced object has no bucket or key")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise UnknownNotificationError("the key of an announced object is not Unicode text") from error
    return ObjectRef(bucket, key)
