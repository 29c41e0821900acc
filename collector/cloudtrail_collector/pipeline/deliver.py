"""Hands event records to every sink, and what cannot be read to the dead-letter sink."""

from collections.abc import Sequence

from cloudtrail_collector.core.batching import build_batches
from cloudtrail_collector.errors import SinkError
from cloudtrail_collector.ports import Sink
from cloudtrail_collector.telemetry import Telemetry


class Delivery:
    """The sinks of a source. Used by all workers at once."""

    def __init__(self, sinks: Sequence[Sink], dead_letter_sink: Sink | None, telemetry: Telemetry) -> None:
        self._sinks = sinks
        self._dead_letter_sink = dead_letter_sink
        self._telemetry = telemetry

    @property
    def has_dead_letter_sink(self) -> bool:
        """Tell whether there is a sink for what cannot be read."""
        return self._dead_letter_sink is not None

    def deliver(self, payload: bytes, count: int) -> SinkError | None:
        """Deliver `count` lines to all sinks; returns the first failure, None when every sink accepted every line.

        A sink that fails does not keep the others waiting: they get the lines now, and again with the next try.
        """
        return self._deliver_to_all(self._sinks, payload, count, counts=True)

    def deliver_dead_letters(self, payload: bytes, count: int) -> SinkError | None:
        """Deliver lines about what cannot be read, to the sinks for events where there is no dead-letter sink."""
        sinks = self._sinks if self._dead_letter_sink is None else [self._dead_letter_sink]
        return self._deliver_to_all(sinks, payload, count, counts=False)

    def _deliver_to_all(self, sinks: Sequence[Sink], payload: bytes, count: int, *, counts: bool) -> SinkError | None:
        failures = [self._deliver_to(sink, payload, count, counts=counts) for sink in sinks]
        return next((failure for failure in failures if failure is not None), None)

    def _deliver_to(self, sink: Sink, payload: bytes, count: int, *, counts: bool) -> SinkError | None:
        """Deliver to one sink; `counts` says that the lines are event records."""
        for batch in build_batches(payload, count):
            try:
                sink.deliver(batch)
            except SinkError as failure:
                self._telemetry.sink_failed(failure, batch.count)
                return failure
            self._telemetry.sink_accepted(sink.name, batch.count if counts else 0)
        return None
