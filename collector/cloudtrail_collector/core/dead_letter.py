"""Turns what cannot be delivered (a log file, an event record) into the line that the dead-letter sink gets.

One JSON object: `deadLetter` says what it is about and what is wrong; `record` (or `recordBase64`, when it is not
UTF-8) is the record as it was found, or the event as the sink that rejected it would have got it. A file has no `record`:
it is still in its bucket.
"""

import base64
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cloudtrail_collector.core.rejection import RejectReason


class DeadLetterReason(StrEnum):
    """What is wrong. Closed: each is a counter of its own."""

    CORRUPT = RejectReason.CORRUPT.value
    NOT_A_LOG_FILE = RejectReason.NOT_A_LOG_FILE.value
    TOO_LARGE = RejectReason.TOO_LARGE.value
    ALTERED = RejectReason.ALTERED.value
    MISSING = "missing"
    UNDECODABLE = "undecodable"
    UNFORMATTABLE = "unformattable"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something came from: an announced object, and the message that announced it."""

    bucket: str
    key: str
    message_id: str


@dataclass(frozen=True, slots=True)
class LostRecord:
    """An event record that a sink does not get: its place in the file, why, and its bytes, None where they may not leave.

    `sink` is the one that rejected it, if any did.
    """

    index: int
    reason: DeadLetterReason
    error: str
    record: bytes | None
    sink: str | None = None


def build_record_letter(origin: Origin, lost: LostRecord) -> bytes:
    """Build the line about a record, ended."""
    about: dict[str, Any] = {"index": lost.index} | ({"sink": lost.sink} if lost.sink else {})
    return _build(origin, lost.reason, lost.error, about, lost.record)


def build_file_letter(origin: Origin, reason: DeadLetterReason, error: str) -> bytes:
    """Build the line about a log file, ended."""
    return _build(origin, reason, error, {}, None)


def _build(origin: Origin, reason: DeadLetterReason, error: str, more: dict[str, Any], record: bytes | None) -> bytes:
    about: dict[str, Any] = {
        "reason": reason.value,
        "error": error,
        "bucket": origin.bucket,
        "key": origin.key,
        "messageId": origin.message_id,
        **more,
    }
    entry: dict[str, Any] = {"deadLetter": about}
    if record is not None:
        try:
            entry["record"] = record.decode()
        except UnicodeDecodeError:
            entry["recordBase64"] = base64.b64encode(record).decode()
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"
