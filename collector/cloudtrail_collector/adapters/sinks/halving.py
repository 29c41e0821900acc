"""Finds the events that a server refuses where it says only that a whole request was bad: by halving the batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.errors import SinkError
from cloudtrail_spec.conditions import Reason

# When so many events of a larger batch are refused, and none is accepted, the events are not what is wrong.
SUSPICIOUS = 8


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was refused."""

    code: str
    message: str


def find_refused(
    batch: Batch, send: Callable[[Batch], Refusal | Sequence[Rejection]], build_failure: Callable[[Refusal], SinkError]
) -> list[Rejection]:
    """Send a batch; where it is refused, send its halves, down to single events. Returns the events that are refused.

    `send` returns a Refusal, or the rejections within what was accepted. When of more than 8 events the first 8 are
    refused one by one and none is accepted, raises what `build_failure` makes of it: a wrong setting of the sink must not
    make dead letters of all events.
    """
    rejections: list[Rejection] = []
    waiting = [(0, batch)]
    is_suspicious = batch.count > SUSPICIOUS
    while waiting:
        start, part = waiting.pop()
        result = send(part)
        if not isinstance(result, Refusal):
            rejections += [Rejection(start + one.index, one.code, one.message) for one in result]
            is_suspicious = False
        elif part.count > 1:
            first, second = halve_batch(part)
            waiting += [(start + first.count, second), (start, first)]
        else:
            rejections.append(Rejection(start, result.code, result.message))
            if is_suspicious and len(rejections) == SUSPICIOUS:
                raise build_failure(result)
    return rejections


def halve_batch(batch: Batch) -> tuple[Batch, Batch]:
    """Cut a batch of two lines or more in the middle."""
    lines, middle = batch.lines(), batch.count // 2
    return _build_batch(batch, lines, slice(0, middle)), _build_batch(batch, lines, slice(middle, None))


def pick_lines(batch: Batch, indexes: Sequence[int]) -> Batch:
    """Build a batch of some lines of another one."""
    lines = batch.lines()
    envelopes = [batch.envelopes[index] for index in indexes] if batch.envelopes else ()
    return Batch(b"".join([lines[index] + b"\n" for index in indexes]), len(indexes), envelopes)


def _build_batch(batch: Batch, lines: Sequence[bytes], part: slice) -> Batch:
    chosen = lines[part]
    return Batch(b"\n".join(chosen) + b"\n", len(chosen), batch.envelopes[part])


def blame_settings(sink: str, host: str, refusal: Refusal) -> SinkError:
    """Build the failure of a sink that refused the first events of a batch one by one, and accepted none."""
    message = (
        f"{host} refused each of the first {SUSPICIOUS} events of a batch and accepted none: rather the sink's settings are"
        f" wrong than the events ({refusal.code}: {refusal.message})"
    )
    return SinkError(sink, Reason.SINK_REJECTED, refusal.code, message)
