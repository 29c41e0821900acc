"""A file that grows by whole lines, and is renamed when it is large or old enough. Used by one thread.

What was appended is on the disk when `append` returns; where it raises, the file is as it was before. A process that dies
in between leaves a torn last line at most: no sink has accepted its event, so the next one cuts it off.
"""

import errno
import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cloudtrail_collector.core.sinks.rotated_names import RotatedNames

TAIL_BYTES = 64 * 1024
# What file systems without locks answer.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}


class FileInUseError(OSError):
    """Another process, or another sink, appends to the file."""


@dataclass(frozen=True, slots=True)
class RotationLimits:
    """When a file is rotated: at so many bytes, or so many seconds after its first line."""

    max_bytes: int
    max_age_seconds: float


class AppendedFile:
    """The file in work. Its age outlives the process: a hidden empty file beside it was written at its first line."""

    def __init__(self, path: Path, limits: RotationLimits) -> None:
        self.path = path
        self.names = RotatedNames(path.name)
        self._limits = limits
        self._birth = path.with_name(f".{path.name}.since")
        self._descriptor = -1
        self._size = 0
        self._since = 0.0

    def append(self, payloads: Sequence[bytes | memoryview], now: float) -> None:
        """Append and wait for the disk. Raises OSError: then nothing of it is in the file."""
        self._ensure_open(now)
        if self._size == 0:
            self._note_birth(now)
        size = self._size
        try:
            for payload in payloads:
                self._write(payload)
            os.fdatasync(self._descriptor)
        except OSError:
            self._take_back(size)
            raise

    def rotate_if_due(self, now: float, incoming: int) -> bool:
        """Rename the file where it is too old, or too large for so many more bytes. Raises OSError."""
        self._ensure_open(now)
        if self._size == 0:
            return False
        is_full = incoming > 0 and self._size + incoming > self._limits.max_bytes
        if not is_full and now < self._since + self._limits.max_age_seconds:
            return False
        name = self.names.build(now, {path.name for path in self.path.parent.iterdir()})
        self.path.rename(self.path.with_name(name))
        self.close()
        self._birth.unlink(missing_ok=True)
        sync_folder(self.path.parent)
        return True

    def find_seconds_left(self, now: float) -> float | None:
        """Return how long until the file is too old; None where nothing is in it."""
        if self._descriptor < 0 or self._size == 0:
            return None
        return self._since + self._limits.max_age_seconds - now

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _ensure_open(self, now: float) -> None:
        """Open the file, also where somebody has moved or removed the one that was open."""
        while self._descriptor < 0 or not self._is_in_place():
            self.close()
            self._open(now)

    def _is_in_place(self) -> bool:
        own = os.fstat(self._descriptor)
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        self._size = own.st_size
        return (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)

    def _open(self, now: float) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            _lock(self._descriptor)
            self._size = _cut_torn_line(self._descriptor)
            self._since = self._read_birth(now)
            sync_folder(self.path.parent)
        except OSError:
            self.close()
            raise

    def _read_birth(self, now: float) -> float:
        for known in (self._birth, self.path):
            with suppress(FileNotFoundError):
                return min(known.stat().st_mtime, now)
        return now

    def _note_birth(self, now: float) -> None:
        self._birth.touch(0o640)
        os.utime(self._birth, (now, now))
        self._since = now

    def _write(self, payload: bytes | memoryview) -> None:
        view = memoryview(payload)
        while view:
            written = os.write(self._descriptor, view)
            self._size += written
            view = view[written:]

    def _take_back(self, size: int) -> None:
        """Leave nothing of a failed write; where even that fails, the next `_open` cuts the torn line."""
        try:
            os.ftruncate(self._descriptor, size)
            self._size = size
        except OSError:
            self.close()


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FileInUseError(errno.EBUSY, "another process or sink appends to it") from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _cut_torn_line(descriptor: int) -> int:
    """Cut off what stands behind the last end of a line; returns the size that is left."""
    size = end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - TAIL_BYTES)
        last = os.pread(descriptor, end - start, start).rfind(b"\n")
        if last >= 0:
            end = start + last + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)
    return end


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot, and need not.
        if error.errno not in {errno.EINVAL, *_NO_LOCKS}:
            raise
    finally:
        os.close(descriptor)
