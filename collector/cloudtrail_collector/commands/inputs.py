"""Log files to read one after the other, and those that a path names: a file, a folder or - for standard input."""

import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cloudtrail_collector.core.gunzip import Buffer
from cloudtrail_collector.core.log_prefixes import LogSelection
from cloudtrail_collector.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Input:
    """A log file: its name for people, where it is, and how to read it. Raises AwsError or OSError."""

    name: str
    bucket: str
    key: str
    load: Callable[[], Buffer]


class Inputs(Protocol):
    """Log files, one after the other."""

    @property
    def total(self) -> int | None:
        """How many there are, if that is known before they are read."""

    def __iter__(self) -> Generator[Input, None, None]:  # noqa: PYI058  (who stops early closes it)
        """Give the log files; what was given is done when the next one is asked for."""

    def note_failure(self) -> None:
        """Note that something of the log file that was given last could not be read."""


class LocalInputs:
    """A file, the log files below a folder, or standard input."""

    def __init__(self, path: str, selection: LogSelection) -> None:
        """Find the files. Raises ConfigurationError."""
        self._files = [] if path == "-" else _find_files(path, selection)
        self._takes_stdin = path == "-"
        self.total: int | None = 1 if self._takes_stdin else len(self._files)

    def __iter__(self) -> Generator[Input, None, None]:
        if self._takes_stdin:
            yield Input("standard input", "", "-", sys.stdin.buffer.read)
        for file in self._files:
            yield Input(str(file), "", str(file), file.read_bytes)

    def note_failure(self) -> None:
        """Nothing depends on it."""


def _find_files(name: str, selection: LogSelection) -> list[Path]:
    path = Path(name)
    if path.is_file():
        # Whoever names a file wants it, whatever it is called.
        return [path]
    if not path.is_dir():
        hint = "" if "://" not in name else "; write a path, s3://bucket/prefix or sqs://queue"
        raise ConfigurationError([f"{name}: no such file or folder{hint}"])
    files = [file for file in path.rglob("*.json*") if file.is_file() and selection.wants(f"/{file.as_posix()}")]
    if not files:
        raise ConfigurationError([f"{path}: no log files (*.json, *.json.gz) that are asked for"])
    return sorted(files)
