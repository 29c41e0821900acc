"""Turns a batch into a bulk request of Elasticsearch or OpenSearch, and its answer into what became of each event."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache

import msgspec

from cloudtrail_collector.core.batching import Batch

# What the answer is cut down to. The status of every item must be among it: positions are all that ties items to events.
FILTER_PATH = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
# What stands behind {date}, {month} and {year}.
_PATTERNS = {"{date}": "%Y.%m.%d", "{month}": "%Y.%m", "{year}": "%Y"}
_MAX_ID_BYTES = 512
_UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", re.ASCII)

# Errors that are the same for every event: an index, an alias, a pipeline or rights that somebody must mend.
_INDEX_TYPES = frozenset(
    {
        "cluster_block_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "invalid_alias_name_exception",
        "invalid_index_name_exception",
        "security_exception",
        "authorization_exception",
    }
)
# The same, where the type says only illegal_argument_exception or validation_exception.
_INDEX_REASONS = ("pipeline with id [", "op_type of create", "no write index is defined", "maximum shards open")
_CONFLICT = "version_conflict_engine_exception"
_BUSY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


class Fate(Enum):
    """What became of an event."""

    ACCEPTED = "accepted"
    BUSY = "busy"
    """Not now: it is sent again."""
    REFUSED = "refused"
    """Never."""
    BLOCKED = "blocked"
    """The error is not about this event alone: the sink has failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of an event, and its error where it was not accepted."""

    fate: Fate
    status: int
    type: str
    reason: str

    @property
    def message(self) -> str:
        """The error in the store's own words."""
        return f"{self.type}: {self.reason}" if self.type else self.reason


_ACCEPTED = Outcome(Fate.ACCEPTED, 200, "", "")


class UnreadableAnswerError(ValueError):
    """An answer to a bulk request that is none."""


class _Cause(msgspec.Struct):
    reason: str | None = None


class _Error(msgspec.Struct):
    type: str | None = None
    reason: str | None = None
    caused_by: _Cause | None = None


class _Item(msgspec.Struct):
    status: int
    error: _Error | str | None = None


class _Answer(msgspec.Struct):
    errors: bool
    items: msgspec.Raw = msgspec.Raw(b"[]")


class _Failure(msgspec.Struct):
    error: _Error | str


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_items = msgspec.json.Decoder(list[dict[str, _Item]]).decode
_decode_failure = msgspec.json.Decoder(_Failure).decode
_encode = msgspec.json.encode


def build_bulk_body(batch: Batch, operation: str, index: str, now: datetime) -> bytes:
    """Build the body: for each event what to do with it, and the event. `operation` is `create` or `index`.

    `index` may have the placeholders {date}, {month} and {year}: they stand for the event's time in UTC, and for `now`
    where that cannot be read. An event without an eventID gets its id from the store.
    """
    parts: list[bytes] = []
    today = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    # Times repeat: a batch has few seconds.
    actions: dict[str | None, bytes] = {}
    for line, envelope in zip(batch.lines(), batch.envelopes, strict=True):
        action = actions.get(envelope.event_time)
        if action is None:
            name = find_index(index, envelope.event_time or today, today)
            action = actions[envelope.event_time] = b'{"%s":{"_index":%s' % (operation.encode(), _encode(name))
        identifier = envelope.event_id
        known = (b',"_id":', _encode(_build_id(identifier))) if identifier else ()
        parts += (action, *known, b"}}\n", line, b"\n")
    return b"".join(parts)


def find_index(index: str, event_time: str, today: str) -> str:
    """Name the index of an event; `today` is the time that counts where the event's cannot be read."""
    if "{" not in index:
        return index
    day = event_time[:10] if _UTC_TIME.fullmatch(event_time) else _find_utc_day(event_time)
    return _fill_index(index, day) or _fill_index(index, today[:10]) or index


def read_bulk_answer(body: bytes, count: int) -> list[Outcome] | None:
    """Read what became of each of `count` events; None: all were accepted. Raises UnreadableAnswerError."""
    try:
        answer = _decode_answer(body)
        if not answer.errors:
            return None
        items = _decode_items(answer.items)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnreadableAnswerError("the answer is not that of a bulk request") from error
    if len(items) != count or not all(items):
        raise UnreadableAnswerError(f"the answer has {len(items)} items for {count} events")
    return [_read_item(*item.popitem()) for item in items]


def read_failure(body: bytes) -> str | None:
    """Read why a whole request was refused; None where the answer does not say it as such stores do."""
    try:
        error = _decode_failure(body).error
    except (msgspec.MsgspecError, ValueError):
        return None
    if isinstance(error, str):
        return error
    return ": ".join(part for part in (error.type, error.reason) if part) or None


def _read_item(operation: str, item: _Item) -> Outcome:
    if 200 <= item.status < 300:
        return _ACCEPTED
    error = item.error if isinstance(item.error, _Error) else _Error(reason=item.error)
    kind, reason = error.type or "", error.reason or "no reason given"
    if error.caused_by is not None and error.caused_by.reason:
        reason += f" ({error.caused_by.reason})"
    # It is there already: this event, delivered before.
    if operation == "create" and item.status == 409 and kind in ("", _CONFLICT):
        return _ACCEPTED
    return Outcome(_judge(item.status, kind, reason), item.status, kind, reason)


def _judge(status: int, kind: str, reason: str) -> Fate:
    if kind in _INDEX_TYPES or status in (401, 403, 404) or any(words in reason for words in _INDEX_REASONS):
        return Fate.BLOCKED
    return Fate.BUSY if status in _BUSY_STATUSES or status == 409 else Fate.REFUSED


def _build_id(event_id: str) -> str:
    """An id that is too long for the store is replaced by its hash, so that a repeat still finds it."""
    # No character takes more than four bytes.
    if len(event_id) <= _MAX_ID_BYTES // 4:
        return event_id
    text = event_id.encode()
    return event_id if len(text) <= _MAX_ID_BYTES else hashlib.sha256(text).hexdigest()


def _find_utc_day(event_time: str) -> str:
    try:
        moment = datetime.fromisoformat(event_time)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError):
        return ""


@lru_cache(maxsize=1024)
def _fill_index(index: str, day: str) -> str:
    """Put a day in; empty where there is no such day. Few days are in one batch."""
    try:
        moment = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return ""
    for placeholder, pattern in _PATTERNS.items():
        index = index.replace(placeholder, moment.strftime(pattern))
    return index
