"""Runs one container's process: start, wait, hooks before its end, SIGTERM, SIGKILL."""

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from localcluster.node.logs import ContainerLogs
from localcluster.tether import tether

_SHELL_NOT_FOUND = 127


class StartError(Exception):
    """The command cannot be started."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run."""

    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path


class ContainerProcess:
    """A running process in a group of its own; it dies with the agent."""

    def __init__(self, process: Process, program: Program) -> None:
        self._process = process
        self.program = program

    @classmethod
    async def start(cls, program: Program, logs: ContainerLogs) -> "ContainerProcess":
        """Start a program with its output going to the logs. Raises StartError."""
        check_program(program)
        stdout, stderr = logs.open()
        with stdout, stderr:
            process = await asyncio.create_subprocess_exec(
                *tether(program.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=dict(program.environment),
                cwd=program.directory,
                start_new_session=True,
            )
        return cls(process, program)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for the end, take what it left in its group along, and return the code as a container runtime does."""
        code = await self._process.wait()
        self._signal_group(signal.SIGKILL)
        return code if code >= 0 else 128 - code

    def terminate(self) -> None:
        """Ask it to end, as the first process of a container is asked."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End it and its children."""
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


async def run_command(program: Program, seconds: float) -> int:
    """Run a command of a probe or a hook beside the container; returns its exit code. Raises TimeoutError."""
    try:
        check_program(program)
    except StartError:
        return _SHELL_NOT_FOUND
    process = await asyncio.create_subprocess_exec(
        *tether(program.command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(program.environment),
        cwd=program.directory,
        start_new_session=True,
    )
    try:
        return await asyncio.wait_for(process.wait(), seconds)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def check_program(program: Program) -> None:
    """Raise StartError when the command is not there, with the words of a container runtime."""
    name = program.command[0]
    if shutil.which(name, path=program.environment.get("PATH", os.defpath)) is None:
        raise StartError(f'exec: "{name}": executable file not found in $PATH')
