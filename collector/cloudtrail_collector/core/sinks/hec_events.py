"""Turns batches into the body of a Splunk HEC request, and what Splunk answers into what is to be done.

The body is JSON objects one behind the other. The event in each is the line as it is: Splunk keeps its text.

Splunk stops at the first invalid event of a request and says its number ("invalid-event-number"). The number is not used:
public reports count it from 0 or from 1, by the kind of mistake, and no document promises that the events before it were
indexed. What a 2xx has not accepted is sent again, whole or in parts: repeats, but no loss.
"""

from dataclasses import dataclass

import msgspec

from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.core.event_time import read_epoch_millis

# Codes of the answer that find fault with an event: no data, invalid data format, event field required, event field blank,
# error in indexed fields.
EVENT_CODES = frozenset({5, 6, 12, 13, 15})

_SETTINGS = {
    1: "the token is disabled",
    2: "Splunk asks for a token: something on the way drops the header Authorization",
    3: "Splunk does not understand the header Authorization: the token is not in the form of one",
    4: "Splunk does not know the token",
    7: "the token may not write to the index, or there is none of that name",
    10: "the token has indexer acknowledgement switched on: set acknowledge to true, or switch it off in Splunk",
    11: "Splunk refuses the channel",
    14: "the token has indexer acknowledgement switched off: switch it on in Splunk, or set acknowledge to false",
    16: "Splunk does not allow the token in the query string",
}


@dataclass(frozen=True, slots=True)
class EventFraming:
    """What stands around each event."""

    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class HecReply:
    """What Splunk said. `code` is its own code, None where the answer is none of Splunk's."""

    code: int | None = None
    text: str = ""
    ack_id: int | None = None

    @property
    def setting(self) -> str | None:
        """Say which setting is wrong, where it is one."""
        return None if self.code is None else _SETTINGS.get(self.code)


class _Reply(msgspec.Struct):
    text: str = ""
    code: int | None = None
    ack_id: int | None = msgspec.field(name="ackId", default=None)


class _AckAnswer(msgspec.Struct):
    acks: dict[str, bool]


_decode_reply = msgspec.json.Decoder(_Reply).decode
_decode_acks = msgspec.json.Decoder(_AckAnswer).decode


def build_framing(*, sourcetype: str, source: str | None = None, index: str | None = None) -> EventFraming:
    """Build what stands around the events of a sink. Without `host`: Splunk's own default tells no lie about AWS."""
    meta = {"sourcetype": sourcetype, "source": source, "index": index}
    known = msgspec.json.encode({name: value for name, value in meta.items() if value is not None})
    return EventFraming(known[1:-1] + b',"event":', b"}")


def encode_events(batch: Batch, framing: EventFraming) -> bytes:
    """Write the events, each with the time of its envelope; Splunk takes its own where the envelope has none."""
    before, after = framing.before, framing.after
    parts: list[bytes] = []
    for line, envelope in zip(batch.lines(), batch.envelopes, strict=True):
        millis = read_epoch_millis(envelope.event_time)
        time = b"{" if millis is None else b'{"time":%d.%03d,' % divmod(millis, 1000)
        parts += (time, before, line, after)
    return b"".join(parts)


def read_reply(body: bytes) -> HecReply:
    """Read an answer; an empty reply where it is not Splunk's."""
    try:
        reply = _decode_reply(body)
    except (msgspec.MsgspecError, ValueError):
        return HecReply()
    return HecReply(reply.code, reply.text, reply.ack_id)


def read_acks(body: bytes) -> set[int] | None:
    """Read which of the ids that were asked for are acknowledged; None where the answer is not Splunk's."""
    try:
        return {int(ack_id) for ack_id, is_done in _decode_acks(body).acks.items() if is_done}
    except (msgspec.MsgspecError, ValueError):
        return None
