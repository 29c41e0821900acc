"""Keeps a folder of rotated files in order: removes the oldest beyond a number, and compresses the others.

Every run looks at the whole folder, so that whatever a process has left that died is finished by the next. Whoever reads
the folder sees each file plain or compressed, whole in either form; a compressed one takes its name when it is on the disk.
"""

import logging
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isal import igzip

from cloudtrail_collector.adapters.appended_file import sync_folder
from cloudtrail_collector.core.sinks.rotated_names import GZIP_SUFFIX, RotatedNames
from cloudtrail_collector.logs import LOGGER_NAME

log = logging.getLogger(LOGGER_NAME)

PIECE_BYTES = 1024 * 1024
# How soon another try follows where something failed and nothing else asks for one.
RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Keeping:
    """How rotated files are kept: how many (None: all), and whether compressed."""

    max_files: int | None
    gzip: bool


class RotatedFiles:
    """The rotated files of one sink, and the thread that keeps them in order."""

    def __init__(self, folder: Path, names: RotatedNames, keeping: Keeping) -> None:
        self._folder = folder
        self._names = names
        self._keeping = keeping
        self._asked = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, name: str) -> None:
        """Start the thread, which begins with what it finds."""
        self._asked.set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Say that a file was rotated."""
        self._asked.set()

    def close(self, timeout: float) -> None:
        """End the thread; a file that takes longer than `timeout` is compressed by the next process."""
        self._stopping.set()
        self._asked.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        wait: float | None = None
        while not self._stopping.is_set():
            self._asked.wait(wait)
            if self._stopping.is_set():
                return
            self._asked.clear()
            wait = None
            try:
                self.tidy()
            except OSError as error:
                wait = RETRY_SECONDS
                fields = {"folder": str(self._folder), "error": error.strerror or str(error)}
                log.warning("rotated files cannot be kept in order, another try follows", extra={"fields": fields})

    def tidy(self) -> None:
        """Put the folder in order. Raises OSError."""
        names = {path.name for path in self._folder.iterdir()}
        for part in self._names.list_parts(names):
            self._remove(part)
        rotated = self._names.list_rotated(names)
        surplus = len(rotated) - self._keeping.max_files if self._keeping.max_files is not None else 0
        for name in rotated[: max(surplus, 0)]:
            self._remove(name)
            self._remove(name + GZIP_SUFFIX)
        if self._keeping.gzip:
            for name in rotated[max(surplus, 0) :]:
                if self._stopping.is_set():
                    return
                self._compress(name, is_done=name + GZIP_SUFFIX in names)

    def _remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def _compress(self, name: str, *, is_done: bool) -> None:
        plain = self._folder / name
        if not is_done:
            with suppress(FileNotFoundError):
                self._write_compressed(plain)
        plain.unlink(missing_ok=True)

    def _write_compressed(self, plain: Path) -> None:
        """Compress a file beside itself. Raises FileNotFoundError where somebody has taken it away."""
        part = self._folder / self._names.build_part(plain.name)
        try:
            with plain.open("rb") as source, part.open("wb") as target:
                _copy_compressed(source, target)
                stat = os.fstat(source.fileno())
                os.fchmod(target.fileno(), stat.st_mode & 0o777)
                os.utime(target.fileno(), ns=(stat.st_atime_ns, stat.st_mtime_ns))
                target.flush()
                os.fsync(target.fileno())
            part.rename(plain.with_name(plain.name + GZIP_SUFFIX))
            sync_folder(self._folder)
        finally:
            part.unlink(missing_ok=True)


def _copy_compressed(source: Any, target: Any) -> None:
    open_archive: Any = igzip.IGzipFile
    with open_archive(filename="", mode="wb", fileobj=target, mtime=0) as archive:
        while piece := source.read(PIECE_BYTES):
            archive.write(piece)
