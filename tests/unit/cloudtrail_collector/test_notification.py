import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudtrail_collector.core.notification import (
    ConsumeReason,
    Notification,
    ObjectRef,
    UnknownNotificationError,
    parse_notification,
)


def _s3_record(key: str, *, bucket: str = "b", name: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {"eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}


def _in_sns(body: Any) -> dict[str, Any]:
    return {"Type": "Notification", "Message": body if isinstance(body, str) else json.dumps(body)}


def _eventbridge(key: str) -> dict[str, Any]:
    return {"detail-type": "Object Created", "detail": {"bucket": {"name": "b"}, "object": {"key": key}}}


@pytest.mark.parametrize(
    ("body", "objects"),
    [
        ({"Records": [_s3_record("a+b%2Bc/%C3%A9%3D")]}, [("b", "a b+c/é=")]),
        ({"Records": [_s3_record("x"), _s3_record("y", bucket="c")]}, [("b", "x"), ("c", "y")]),
        ({"Records": [_s3_record("x", name="s3:ObjectCreated:Copy")]}, [("b", "x")]),
        ({"Records": [_s3_record("x"), _s3_record("y", name="ObjectRemoved:Delete")]}, [("b", "x")]),
        (_in_sns({"Records": [_s3_record("a+b")]}), [("b", "a b")]),
        ({"s3Bucket": "b", "s3ObjectKey": ["a+b%20", "c"]}, [("b", "a+b%20"), ("b", "c")]),
        (_in_sns({"s3Bucket": "b", "s3ObjectKey": ["k"]}), [("b", "k")]),
        (_eventbridge("%2B%20%%%.png"), [("b", "%2B%20%%%.png")]),
        ({"detail": {"bucket": {"name": "b"}, "object": {"key": "a+b"}}}, [("b", "a+b")]),
    ],
)
def test_announced_objects_are_found_with_their_decoded_keys(body: Any, objects: list[tuple[str, str]]) -> None:
    assert parse_notification(json.dumps(body)) == Notification(tuple(ObjectRef(*entry) for entry in objects))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (json.dumps({"Event": "s3:TestEvent", "Bucket": "b"}), ConsumeReason.TEST_EVENT),
        (json.dumps(_in_sns({"Event": "s3:TestEvent"})), ConsumeReason.TEST_EVENT),
        ("CloudTrail validation message.", ConsumeReason.VALIDATION_MESSAGE),
        (json.dumps(_in_sns("CloudTrail validation message.")), ConsumeReason.VALIDATION_MESSAGE),
        (json.dumps({"Type": "SubscriptionConfirmation"}), ConsumeReason.SUBSCRIPTION_CONFIRMATION),
        (json.dumps({"Records": [_s3_record("x", name="ObjectRemoved:Delete")]}), ConsumeReason.OBJECT_REMOVED),
        (json.dumps(_eventbridge("x") | {"detail-type": "Object Deleted"}), ConsumeReason.OBJECT_REMOVED),
    ],
)
def test_messages_without_objects_have_a_reason(body: str, reason: ConsumeReason) -> None:
    assert parse_notification(body) == Notification(consumed=reason)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "good morning",
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps({"Records": []}),
        json.dumps({"Records": [_s3_record("")]}),
        json.dumps({"Records": [_s3_record("x", name="ObjectRestore:Post")]}),
        json.dumps({"Records": [{"s3": {}}]}),
        json.dumps({"s3Bucket": "b", "s3ObjectKey": []}),
        json.dumps({"Type": [], "detail-type": {}, "detail": {}}),
        json.dumps({"s3Bucket": "b", "s3ObjectKey": ["\ud800"]}),
        json.dumps({"s3Bucket": 1, "s3ObjectKey": ["k"]}),
        json.dumps(_in_sns("good morning")),
        json.dumps(_in_sns(_in_sns({"Records": [_s3_record("x")]}))),
        json.dumps(_eventbridge("x") | {"detail-type": "Object Tags Added"}),
    ],
)
def test_everything_else_is_refused(body: str) -> None:
    with pytest.raises(UnknownNotificationError):
        parse_notification(body)


_names = st.sampled_from(
    ["Records", "Type", "Message", "s3ObjectKey", "s3Bucket", "detail", "detail-type", "s3", "bucket", "name", "object",
     "key", "eventName", "Event"]
)  # fmt: skip
_texts = st.text() | st.sampled_from(["Notification", "ObjectCreated:Put", "Object Created", "s3:TestEvent"])
_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=15,
)


@given(st.text() | _documents.map(json.dumps))
def test_any_text_is_a_notification_or_refused(body: str) -> None:
    try:
        notification = parse_notification(body)
    except UnknownNotificationError:
        return
    assert bool(notification.objects) != bool(notification.consumed)
    assert all(reference.bucket and reference.key for reference in notification.objects)


_keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(
    ["a+b", "a b", "a%2Bb", "é", "a=b/c:d", "%", "+", "a//b", "..", "\\u0041"]
)
_SHAPES: dict[str, Callable[[str, list[str]], Any]] = {
    "s3": lambda bucket, keys: {"Records": [_s3_record(quote_plus(key, safe="/"), bucket=bucket) for key in keys]},
    "cloudtrail": lambda bucket, keys: {"s3Bucket": bucket, "s3ObjectKey": keys},
    "eventbridge": lambda bucket, keys: {
        "detail-type": "Object Created",
        "source": "aws.s3",
        "detail": {"bucket": {"name": bucket}, "object": {"key": keys[0]}},
    },
    "eventbridge without type": lambda bucket, keys: {
        "source": "aws.s3",
        "detail": {"bucket": {"name": bucket}, "object": {"key": keys[0]}},
    },
}


@given(st.sampled_from(sorted(_SHAPES)), st.booleans(), st.lists(_keys, min_size=1, max_size=10), st.booleans())
def test_t38_keys_of_every_shape_are_read_exactly(shape: str, wrapped: bool, keys: list[str], escapes: bool) -> None:
    announced = keys[:1] if shape.startswith("eventbridge") else keys
    body = _SHAPES[shape]("trail", announced)
    text = json.dumps(_in_sns(body) if wrapped else body, ensure_ascii=escapes)
    assert parse_notification(text) == Notification(tuple(ObjectRef("trail", key) for key in announced))
