"""Turns a record into the same record with `_source` added, or with some members as JSON text. The rest keeps its bytes.

Record `{"eventID":"x","requestParameters":{"a":1.0}}` becomes `{"eventID":"x","requestParameters":"{\\"a\\":1.0}"}`.
"""

import json
import re
from collections.abc import Iterator

import msgspec

from cloudtrail_collector.core.formats import FormatError, FormatEvent, Place
from cloudtrail_collector.core.formats.document import decode_record
from cloudtrail_spec.formats import RawOptions

# Members whose shape depends on the call: a store that maps every field breaks on them.
OPEN_MEMBERS = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails")

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_OPEN_NAMES = frozenset(b'"%b"' % name.encode() for name in OPEN_MEMBERS)
# A string, a character of structure, or a number or word: the text is known to be JSON.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]++', re.DOTALL)
_OPENERS = (b"{", b"[")
_CLOSERS = (b"}", b"]")


def build_raw(options: RawOptions, source: str) -> FormatEvent | None:
    """Build what writes records of the named source; None when they leave as they are."""
    if not (options.metadata or options.json_strings):
        return None

    def format_raw(record: bytes, place: Place) -> bytes:
        if options.json_strings:
            record = _write_open_members_as_text(record)
        return _add_source(record, place, source) if options.metadata else record

    return format_raw


def _add_source(record: bytes, place: Place, source: str) -> bytes:
    text = record.rstrip()
    if not (text.startswith(b"{") and text.endswith(b"}")):
        raise FormatError("the record is not a JSON object")
    body = text[:-1].rstrip()
    about = msgspec.json.encode({**place._asdict(), "source": source})
    return b'%b%b"_source":%b}' % (body, b"" if body == b"{" else b",", about)


def _write_open_members_as_text(record: bytes) -> bytes:
    try:
        members = _decode_members(record)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _rewrite_by_tokens(record)
    parts = [b'"%b":%b' % (name.encode(), bytes(value)) for name, value in members.items()]
    # Only when the members are the record to the byte is writing them anew a change of these alone.
    if b"{%b}" % b",".join(parts) != record:
        return _rewrite_by_tokens(record)
    for number, (name, value) in enumerate(members.items()):
        if name in OPEN_MEMBERS:
            parts[number] = b'"%b":%b' % (name.encode(), _write_as_text(bytes(value)))
    return b"{%b}" % b",".join(parts)


def _write_as_text(value: bytes) -> bytes:
    if value.startswith(b'"') or value == b"null":
        return value
    text = json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape")


def _rewrite_by_tokens(record: bytes) -> bytes:
    """Do the same with any JSON: spaces, escapes in names, names that come twice."""
    decode_record(record)  # which refuses what is no object
    parts: list[bytes] = []
    last = 0
    for start, end in _find_open_members(record):
        parts += (record[last:start], _write_as_text(record[start:end]))
        last = end
    return b"".join((*parts, record[last:]))


def _find_open_members(record: bytes) -> Iterator[tuple[int, int]]:
    """Find where the values of the open members begin and end."""
    depth = start = end = 0
    name = b""
    for token in _TOKEN.finditer(record):
        mark = token.group()
        depth -= mark in _CLOSERS
        if (depth == 1 and mark == b",") or depth == 0:
            if _is_open(name):
                yield start, end
            name, start = b"", 0
        elif not name:
            name = mark
        elif depth > 1 or mark != b":":
            start, end = start or token.start(), token.end()
        depth += mark in _OPENERS


def _is_open(name: bytes) -> bool:
    return name in _OPEN_NAMES or (
        b"\\" in name and json.loads(name.decode("utf-8", "surrogateescape")) in OPEN_MEMBERS
    )
