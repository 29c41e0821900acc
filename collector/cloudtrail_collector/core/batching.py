"""Turns NDJSON text into batches that are bounded by bytes."""

from collections.abc import Iterator
from dataclasses import dataclass

MAX_BATCH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of NDJSON, the last one ended as well, and how many."""

    payload: bytes | memoryview
    count: int


def build_batches(payload: bytes, count: int, *, max_bytes: int = MAX_BATCH_BYTES) -> Iterator[Batch]:
    """Cut `count` lines into batches, in order, without a copy. A line longer than `max_bytes` makes one of its own."""
    if len(payload) <= max_bytes:
        if count:
            yield Batch(payload, count)
        return
    view = memoryview(payload)
    start = 0
    while start < len(payload):
        end = _find_end(payload, start, max_bytes)
        yield Batch(view[start:end], payload.count(b"\n", start, end))
        start = end


def _find_end(payload: bytes, start: int, max_bytes: int) -> int:
    if len(payload) - start <= max_bytes:
        return len(payload)
    last = payload.rfind(b"\n", start, start + max_bytes)
    return (last if last >= 0 else payload.index(b"\n", start)) + 1
