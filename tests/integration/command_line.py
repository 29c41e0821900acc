"""`cloudtrail-collector` as a person at a terminal runs it."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from integration.collector_process import PROGRAM
from localcluster.aws.endpoint import ADMIN_ENVIRONMENT

ENVIRONMENT = {"PATH": os.environ["PATH"], **ADMIN_ENVIRONMENT}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command left: exit code, standard output and standard error."""

    code: int
    output: bytes
    errors: str

    @property
    def events(self) -> list[Any]:
        """The events on standard output."""
        return [msgspec.json.decode(line) for line in self.output.splitlines()]

    @property
    def event_ids(self) -> list[str]:
        """The eventIDs on standard output, in order."""
        return [event["eventID"] for event in self.events]

    @property
    def summary(self) -> str:
        """The last line on standard error."""
        return self.errors.splitlines()[-1]


def ask(*arguments: str | Path, given: bytes = b"", environment: Mapping[str, str] | None = None) -> Answer:
    """Run a command to its end."""
    done = subprocess.run(
        build_command(arguments),
        input=given,
        capture_output=True,
        check=False,
        env=ENVIRONMENT | dict(environment or {}),
        timeout=60,
    )
    return Answer(done.returncode, done.stdout, done.stderr.decode())


def ask_at_terminal(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> tuple[bytes, bytes]:
    """Run a command whose standard error is a terminal; returns standard output and what the terminal shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        build_command(arguments),
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=ENVIRONMENT | dict(environment or {}) | {"TERM": "xterm"},
    ) as child:
        os.close(theirs)
        output, _ = child.communicate(timeout=60)
        return output, _read_all(ours)


def _read_all(terminal: int) -> bytes:
    pieces = b""
    try:
        while piece := os.read(terminal, 65_536):
            pieces += piece
    except OSError:
        # A terminal whose other side is closed answers with EIO.
        pass
    os.close(terminal)
    return pieces


def build_command(arguments: Sequence[str | Path]) -> list[str]:
    """Build the command line."""
    return [str(PROGRAM), *(str(argument) for argument in arguments)]
