"""Turns NDJSON text into batches that are bounded by bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloudtrail_collector.core.envelope import Envelope

MAX_BATCH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of NDJSON, the last one ended as well, and how many; for sinks that want them, the envelope of each."""

    payload: bytes | memoryview
    count: int
    envelopes: Sequence[Envelope] = ()

    def lines(self) -> list[bytes]:
        """Cut the payload into its lines, without their ends."""
        return bytes(self.payload).split(b"\n")[:-1]


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that a sink will never take: its line in the batch, from 0, and why."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a batch may be, and how long its first event waits for more, in seconds."""

    max_bytes: int = MAX_BATCH_BYTES
    max_events: int = 100_000
    max_seconds: float = 0.0


def merge_batches(batches: Sequence[Batch]) -> Batch:
    """Put batches together, in order."""
    if len(batches) == 1:
        return batches[0]
    envelopes = [envelope for batch in batches for envelope in batch.envelopes]
    return Batch(b"".join([batch.payload for batch in batches]), sum(batch.count for batch in batches), envelopes)


def cut_batch(batch: Batch, limits: BatchLimits) -> Iterator[Batch]:
    """Cut a batch into batches within limits, in order, without a copy. A line that is too long makes one of its own."""
    payload = batch.payload
    if len(payload) <= limits.max_bytes and batch.count <= limits.max_events:
        if batch.count:
            yield batch
        return
    text = payload if isinstance(payload, bytes) else bytes(payload)
    view = memoryview(text)
    start = done = 0
    while start < len(text):
        end = _find_end(text, start, limits.max_bytes)
        count = text.count(b"\n", start, end)
        if count > limits.max_events:
            count = limits.max_events
            end = _find_line_end(text, start, count)
        yield Batch(view[start:end], count, batch.envelopes[done : done + count])
        start = end
        done += count


def _find_end(text: bytes, start: int, max_bytes: int) -> int:
    if len(text) - start <= max_bytes:
        return len(text)
    last = text.rfind(b"\n", start, start + max_bytes)
    return (last if last >= 0 else text.index(b"\n", start)) + 1


def _find_line_end(text: bytes, start: int, lines: int) -> int:
    for _ in range(lines):
        start = text.index(b"\n", start) + 1
    return start
