"""Turns lines into NDJSON batches that are bounded by bytes and by count."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_BATCH_BYTES = 1024 * 1024
MAX_BATCH_RECORDS = 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """Event records as NDJSON, the last line ended as well."""

    payload: bytes
    count: int


def build_batches(
    lines: Iterable[bytes], *, max_bytes: int = MAX_BATCH_BYTES, max_records: int = MAX_BATCH_RECORDS
) -> Iterator[Batch]:
    """Group lines in order. A line that is longer than `max_bytes` makes a batch of its own."""
    pending: list[bytes] = []
    size = 0
    for line in lines:
        if pending and (size + len(line) + 1 > max_bytes or len(pending) >= max_records):
            yield _build_batch(pending)
            pending, size = [], 0
        pending.append(line)
        size += len(line) + 1
    if pending:
        yield _build_batch(pending)


def _build_batch(lines: list[bytes]) -> Batch:
    return Batch(b"\n".join([*lines, b""]), len(lines))
