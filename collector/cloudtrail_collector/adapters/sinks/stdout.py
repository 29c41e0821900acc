"""Writes NDJSON to standard output."""

import os
import queue
import threading
from collections.abc import Sequence

from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import SinkTarget

STDOUT = 1


class _Write:
    """A batch on its way. It is either begun, and then written to its end, or called off, never both."""

    def __init__(self, payload: bytes | memoryview) -> None:
        self.payload = payload
        self.failure: OSError | None = None
        self._over = threading.Event()
        self._claim = threading.Lock()

    def claim(self) -> bool:
        """Begin it, or call it off: True for whoever asks first."""
        return self._claim.acquire(blocking=False)

    def end(self, failure: OSError | None) -> None:
        self.failure = failure
        self._over.set()

    def wait(self, timeout: float) -> bool:
        return self._over.wait(timeout)


class LineWriter:
    """The one thread that writes, so that lines of two sinks never mix and nobody else waits for a reader that sleeps.

    A write to a full pipe cannot be broken off without a line being cut. So the thread is left with it, and a line that
    was begun is ended before the next batch, however late.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: queue.SimpleQueue[_Write] = queue.SimpleQueue()
        self._start = threading.Lock()
        self._is_started = False
        # The rest of a line that a failed write has cut; it goes before the next batch.
        self._owed = b""

    def write(self, payload: bytes | memoryview, timeout: float) -> None:
        """Write all of it. Raises TimeoutError where that takes too long: part of it, or all, may come out later."""
        self._ensure_thread()
        write = _Write(payload)
        self._waiting.put(write)
        if not write.wait(timeout):
            write.claim()
            raise TimeoutError(f"nobody has read it for {timeout:g} s")
        if write.failure is not None:
            raise write.failure

    def _ensure_thread(self) -> None:
        with self._start:
            if not self._is_started:
                threading.Thread(target=self._run, name="stdout", daemon=True).start()
                self._is_started = True

    def _run(self) -> None:
        while True:
            write = self._waiting.get()
            if write.claim():
                write.end(self._write_all(write.payload))

    def _write_all(self, payload: bytes | memoryview) -> OSError | None:
        try:
            while self._owed:
                self._owed = self._owed[os.write(self._descriptor, self._owed) :]
            written = 0
            try:
                while written < len(payload):
                    written += os.write(self._descriptor, memoryview(payload)[written:])
            except OSError:
                self._owed = find_rest_of_line(payload, written)
                raise
        except OSError as error:
            return error
        return None


def find_rest_of_line(payload: bytes | memoryview, written: int) -> bytes:
    """Find what is missing of the line that a write has ended in; nothing where it has ended between two lines."""
    text = bytes(payload)
    if written == 0 or text[written - 1 : written] == b"\n":
        return b""
    return text[written : text.index(b"\n", written) + 1]


_standard_output = LineWriter(STDOUT)


class StdoutSink:
    """Accepts a batch when every byte of it was written."""

    wants_envelopes = False

    def __init__(self, spec: SinkTarget, _secrets: object = None) -> None:
        self.name = spec.name
        self._timeout_seconds = float(spec.timeout_seconds)

    def deliver(self, batch: Batch) -> Sequence[Rejection]:
        """Write the whole batch, past Python's buffers, within the timeout."""
        try:
            _standard_output.write(batch.payload, self._timeout_seconds)
        except OSError as error:
            code = ACK_TIMEOUT if isinstance(error, TimeoutError) else type(error).__name__
            message = f"standard output cannot be written: {error.strerror or error}"
            raise SinkError(self.name, Reason.SINK_UNREACHABLE, code, message) from error
        return ()

    def close(self) -> None:
        """The writer is the process's own."""
