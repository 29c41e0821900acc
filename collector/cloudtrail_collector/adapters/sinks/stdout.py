"""Writes NDJSON to standard output."""

import os
import threading

from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.errors import SinkError
from cloudtrail_spec.conditions import Reason

STDOUT = 1
# Two sinks of this kind share one pipe: lines must not mix.
_lock = threading.Lock()


class StdoutSink:
    """Accepts a batch when every byte of it was written."""

    def __init__(self, name: str) -> None:
        self.name = name

    def deliver(self, batch: Batch) -> None:
        """Write the whole batch, past Python's buffers."""
        rest = memoryview(batch.payload)
        try:
            with _lock:
                while rest:
                    rest = rest[os.write(STDOUT, rest) :]
        except OSError as error:
            message = f"standard output cannot be written: {error.strerror}"
            raise SinkError(self.name, Reason.SINK_UNREACHABLE, type(error).__name__, message) from error
