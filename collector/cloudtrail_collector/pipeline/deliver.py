"""Hands the lines of one log file to every sink."""

from collections.abc import Sequence

from cloudtrail_collector.core.batching import build_batches
from cloudtrail_collector.errors import SinkError
from cloudtrail_collector.ports import Sink
from cloudtrail_collector.telemetry import Telemetry


def deliver_lines(sinks: Sequence[Sink], telemetry: Telemetry, lines: Sequence[bytes]) -> SinkError | None:
    """Deliver to all sinks; returns the first failure, None when every sink accepted every line.

    A sink that fails does not keep the others waiting: they get the lines now, and again with the next try.
    """
    failures = [_deliver_to(sink, telemetry, lines) for sink in sinks]
    return next((failure for failure in failures if failure is not None), None)


def _deliver_to(sink: Sink, telemetry: Telemetry, lines: Sequence[bytes]) -> SinkError | None:
    for batch in build_batches(lines):
        try:
            sink.deliver(batch)
        except SinkError as failure:
            telemetry.sink_failed(failure, batch.count)
            return failure
        telemetry.sink_accepted(sink.name, batch.count)
    return None
