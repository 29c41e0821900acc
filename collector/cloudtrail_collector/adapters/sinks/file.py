"""Appends batches to a file, and rotates it.

One thread writes. It puts together what several batches bring while the disk is busy, and rotates the file when it is old
even where nothing arrives. A disk that hangs holds that thread, and never whoever delivers.
"""

import errno
import queue
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from cloudtrail_collector.adapters.appended_file import AppendedFile, RotationLimits
from cloudtrail_collector.adapters.rotated_files import Keeping, RotatedFiles
from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sink_kinds import Compression
from cloudtrail_spec.sinks import SinkTarget

# How much is written before one wait for the disk.
GROUP_BYTES = 16 * 1024 * 1024
CLOSE_SECONDS = 5.0
# A file that could not be rotated for its age is tried again so much later, if nothing else comes.
RETRY_SECONDS = 5.0

_PLAIN_WORDS = {
    errno.ENOSPC: "the volume is full",
    errno.EDQUOT: "the quota of the volume is used up",
    errno.EACCES: "permission denied; fsGroup or the volume's owner must let the collector's user write",
    errno.EPERM: "the volume does not permit it",
    errno.EROFS: "the volume is read-only",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EEXIST: "a part of its path is a file, not a folder",
    errno.EISDIR: "it is a folder",
    errno.EBUSY: "another process or sink appends to it; put {host} into the path",
}
_MISCONFIGURED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EBUSY}


@dataclass(frozen=True, slots=True)
class _Write:
    """A batch on its way: either begun, and then written to its end or not at all, or called off, never both."""

    payload: bytes | memoryview
    outcome: Future[None] = field(default_factory=Future)


class FileSink:
    """Accepts a batch when it is on the disk."""

    wants_envelopes = False

    def __init__(self, spec: SinkTarget, _secrets: object = None) -> None:
        settings = spec.file
        assert settings is not None  # noqa: S101  (its kind)
        self.name = spec.name
        self._timeout_seconds = float(spec.timeout_seconds)
        path = Path(settings.path.replace("{host}", socket.gethostname()))
        self._file = AppendedFile(path, RotationLimits(settings.max_bytes, settings.max_age_seconds))
        keeping = Keeping(settings.max_files, settings.compression is Compression.GZIP)
        self._rotated = RotatedFiles(path.parent, self._file.names, keeping)
        self._group_bytes = min(GROUP_BYTES, settings.max_bytes)
        self._waiting: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_tidied = False

    def deliver(self, batch: Batch) -> Sequence[Rejection]:
        """Write the batch and wait for the disk, within the timeout."""
        self._ensure_thread()
        write = _Write(batch.payload)
        self._waiting.put(write)
        try:
            write.outcome.result(self._timeout_seconds)
        except TimeoutError as error:
            write.outcome.cancel()
            message = f"{self._file.path}: the disk has not taken the batch within {self._timeout_seconds:g} s"
            raise SinkError(self.name, Reason.SINK_UNREACHABLE, ACK_TIMEOUT, message) from error
        except OSError as error:
            raise self._translate(error) from error
        return ()

    def close(self) -> None:
        """Write what waits and end the threads; what they are in the midst of may take some seconds."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(CLOSE_SECONDS)
        self._rotated.close(CLOSE_SECONDS)

    def _translate(self, error: OSError) -> SinkError:
        number = error.errno or 0
        reason = Reason.SINK_MISCONFIGURED if number in _MISCONFIGURED else Reason.SINK_UNREACHABLE
        words = _PLAIN_WORDS.get(number) or error.strerror or type(error).__name__
        code = errno.errorcode.get(number, type(error).__name__)
        return SinkError(self.name, reason, code, f"{self._file.path} cannot be written: {words}")

    # --- the thread ---

    def _ensure_thread(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"file-{self.name}", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        wait: float | None = None
        is_open = True
        while is_open:
            writes: list[_Write] = []
            try:
                is_open = self._gather(writes, wait)
            except queue.Empty:
                wait = self._rotate_aged()
                continue
            self._write(writes)
            wait = self._find_wait()
        self._file.close()

    def _gather(self, writes: list[_Write], wait: float | None) -> bool:
        """Wait for a batch, and take what waits behind it; tells whether more may come. Raises queue.Empty."""
        size = 0
        item = self._waiting.get(timeout=wait)
        while item is not None:
            if item.outcome.set_running_or_notify_cancel():
                writes.append(item)
                size += len(item.payload)
            if size >= self._group_bytes or self._waiting.empty():
                return True
            item = self._waiting.get()
        return False

    def _write(self, writes: Sequence[_Write]) -> None:
        payloads = [write.payload for write in writes]
        try:
            if payloads:
                self._rotate(sum(map(len, payloads)))
                self._file.append(payloads, time.time())
        except Exception as error:  # noqa: BLE001  (whoever waits gets it, and the thread lives on)
            for write in writes:
                write.outcome.set_exception(error)
        else:
            for write in writes:
                write.outcome.set_result(None)

    def _rotate(self, incoming: int) -> None:
        is_rotated = self._file.rotate_if_due(time.time(), incoming)
        if not self._is_tidied:
            self._is_tidied = True
            self._rotated.start(f"file-{self.name}-rotated")
        elif is_rotated:
            self._rotated.ask()

    def _rotate_aged(self) -> float | None:
        """Rotate a file that has grown old while nothing arrived; returns when to look again."""
        try:
            self._rotate(0)
        except OSError:
            # The next batch meets the same, and says it.
            return RETRY_SECONDS
        return self._find_wait()

    def _find_wait(self) -> float | None:
        left = self._file.find_seconds_left(time.time())
        return None if left is None else max(left, 0.0)
