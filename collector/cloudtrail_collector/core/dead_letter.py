"""Turns a log file or event record that cannot be read into the line that the dead-letter sink gets.

One JSON object: `deadLetter` says what it is about and what is wrong; `record` (or `recordBase64`, when it is not
UTF-8) is the record as it was found. A file has no `record`: it is still in its bucket.
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
    MISSING = "missing"
    UNDECODABLE = "undecodable"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something came from: an announced object, and the message that announced it."""

    bucket: str
    key: str
    message_id: str


def build_dead_letter(
    origin: Origin, reason: DeadLetterReason, error: str, *, index: int | None = None, record: bytes | None = None
) -> bytes:
    """Build the line, ended. `index` is the record's place in the file, from 0."""
    about: dict[str, Any] = {
        "reason": reason.value,
        "error": error,
        "bucket": origin.bucket,
        "key": origin.key,
        "messageId": origin.message_id,
    }
    if index is not None:
        about["index"] = index
    entry: dict[str, Any] = {"deadLetter": about}
    if record is not None:
        try:
            entry["record"] = record.decode()
        except UnicodeDecodeError:
            entry["recordBase64"] = base64.b64encode(record).decode()
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"
