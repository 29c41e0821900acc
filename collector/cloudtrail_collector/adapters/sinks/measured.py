"""Tells how long a sink takes, whatever it answers."""

import time
from collections.abc import Callable

from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.ports import Sink


class MeasuredSink:
    """A sink around another one; `observe` is told its name and the seconds of each delivery."""

    def __init__(self, sink: Sink, observe: Callable[[str, float], None]) -> None:
        self.name = sink.name
        self._sink = sink
        self._observe = observe

    def deliver(self, batch: Batch) -> None:
        """Deliver to the sink."""
        started = time.monotonic()
        try:
            self._sink.deliver(batch)
        finally:
            self._observe(self.name, time.monotonic() - started)
