"""Turns a masked record into the few facts that sinks address events by: ids, times, keys of partitions."""

from collections.abc import Iterable

import msgspec


class _Record(msgspec.Struct, gc=False):
    event_id: object = msgspec.field(name="eventID", default=None)
    aggregated_event_id: object = msgspec.field(name="eventId", default=None)
    event_time: object = msgspec.field(name="eventTime", default=None)
    event_name: object = msgspec.field(name="eventName", default=None)
    event_source: object = msgspec.field(name="eventSource", default=None)
    region: object = msgspec.field(name="awsRegion", default=None)
    recipient: object = msgspec.field(name="recipientAccountId", default=None)
    identity: object = msgspec.field(name="userIdentity", default=None)


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What is known of an event, each as it stands in the record; None where it is absent or no text."""

    event_id: str | None = None
    event_time: str | None = None
    event_name: str | None = None
    event_source: str | None = None
    region: str | None = None
    account_id: str | None = None
    """recipientAccountId, else the account of the identity."""
    principal: str | None = None
    """ARN of the identity, else its principal id."""


_decode = msgspec.json.Decoder(_Record).decode
_DECODE_ERRORS = (msgspec.MsgspecError, RecursionError, ValueError)


def read_envelopes(records: Iterable[bytes]) -> list[Envelope]:
    """Read the envelope of each record; an empty one where a decoder refuses the record."""
    return [_read(record) for record in records]


def _read(record: bytes) -> Envelope:
    try:
        found = _decode(record)
    except _DECODE_ERRORS:
        return Envelope()
    identity = found.identity if isinstance(found.identity, dict) else {}
    return Envelope(
        event_id=_text(found.event_id) or _text(found.aggregated_event_id),
        event_time=_text(found.event_time),
        event_name=_text(found.event_name),
        event_source=_text(found.event_source),
        region=_text(found.region),
        account_id=_text(found.recipient) or _text(identity.get("accountId")),
        principal=_text(identity.get("arn")) or _text(identity.get("principalId")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
