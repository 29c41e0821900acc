"""Turns a batch into the objects of an archive: one for each account, region and day, named by what is in it.

A batch that is sent again makes the same names, and so writes over what a failed attempt has left.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cloudtrail_collector.core.batching import Batch

UNKNOWN = "unknown"
MAX_VALUE_LENGTH = 64
# 80 bits: among a billion objects in one partition two meet with a chance of one in a million.
HASH_BYTES = 10
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_.=-]+")


@dataclass(frozen=True, slots=True)
class ArchiveObject:
    """An object to be written: its key, and its lines as one text."""

    key: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    account: str
    region: str
    date: str


def cut_into_objects(batch: Batch, prefix: str) -> list[ArchiveObject]:
    """Cut a batch with envelopes into objects; the order of the events stays."""
    parts: dict[_Place, list[bytes]] = {}
    first: dict[_Place, str] = {}
    for line, envelope in zip(batch.lines(), batch.envelopes, strict=True):
        time = _read_time(envelope.event_time)
        place = _Place(clean_value(envelope.account_id), clean_value(envelope.region), time[:10] or UNKNOWN)
        parts.setdefault(place, []).append(line)
        first[place] = min(first.get(place, time), time)
    return [_build_object(prefix, place, first[place], lines) for place, lines in parts.items()]


def clean_value(value: str | None) -> str:
    """Make a value fit for one part of a key: no slash, nothing that a client takes for a folder above, not empty."""
    text = _NOT_IN_KEYS.sub("_", value or "")[:MAX_VALUE_LENGTH]
    return text if text.strip(".") else UNKNOWN


def _read_time(text: str | None) -> str:
    """Return an event's time in UTC as `2026-01-31T12:00:00`, "" where it is none."""
    try:
        time = datetime.fromisoformat(text or "")
        return (time.astimezone(UTC) if time.tzinfo else time).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError):
        return ""


def _build_object(prefix: str, place: _Place, first: str, lines: Sequence[bytes]) -> ArchiveObject:
    content = b"\n".join(lines) + b"\n"
    digest = hashlib.blake2b(content, digest_size=HASH_BYTES).hexdigest()
    time = re.sub("[-:]", "", first) + "Z" if first else UNKNOWN
    folder = f"account={place.account}/region={place.region}/date={place.date}"
    return ArchiveObject(f"{prefix}{folder}/{time}-{digest}.ndjson.gz", content)
