"""The log files of one container: the current log, the previous one, and standard output apart if asked for."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# As much as the kubelet takes into a termination message.
_MESSAGE_BYTES = 2048


@dataclass(frozen=True, slots=True)
class ContainerLogs:
    """Paths of a container's logs."""

    directory: Path
    container: str
    split_stdout: bool

    @property
    def log(self) -> Path:
        """Both streams, or standard error alone if they are split."""
        return self.directory / f"{self.container}.log"

    @property
    def stdout(self) -> Path:
        """Standard output of all runs, if the streams are split."""
        return self.directory / f"{self.container}.stdout"

    def open(self) -> tuple[BinaryIO, BinaryIO]:
        """Open (stdout, stderr) for a new run; the last run's log becomes the previous one."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.directory / f"{self.container}.previous.log")
        stderr = self.log.open("ab")
        if not self.split_stdout:
            return stderr, stderr
        _drop_partial_line(self.stdout)
        return self.stdout.open("ab"), stderr

    def read_tail(self) -> str:
        """Return the end of the log."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _MESSAGE_BYTES))
            return file.read().decode(errors="replace")


def _drop_partial_line(path: Path) -> None:
    """Cut what a killed process left behind its last line end, so that the next run's first line stays whole."""
    if path.exists():
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)
