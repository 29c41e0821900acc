"""Runs a server of the local cluster as a child process: log file, readiness, orderly end."""

import os
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from localcluster.tether import tether

_POLL_SECONDS = 0.05
_LOG_TAIL_LINES = 20

# A tethered child ends when the thread that started it ends; this thread ends with the interpreter.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


class Process:
    """A child process in a process group of its own, so that Ctrl-C reaches only us and we stop it in order."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [str(part) for part in command]
        self._environment = dict(environment if environment is not None else os.environ)
        self._directory = directory
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id; also the id of its process group."""
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._started().poll()

    def start(self) -> None:
        """Start it; its output is appended to the log file."""
        if self._child is not None:
            raise RuntimeError(f"{self.name} was started before")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._child = _STARTER.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                tether(self._command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._directory,
                start_new_session=True,
            )

    def wait_ready(self, probe: Callable[[], bool], timeout: float) -> None:
        """Wait until the probe says yes.

        Raises RuntimeError with the last log lines as soon as the process has ended, or when time is up.
        """
        deadline = time.monotonic() + timeout
        while not probe():
            if self.exit_code is not None:
                raise RuntimeError(f"{self.name} ended with code {self.exit_code}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} was not ready after {timeout:.0f} s:\n{self.log_tail()}")
            time.sleep(_POLL_SECONDS)

    def log_tail(self) -> str:
        """Return the last lines of the log and where it is."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            last = deque(lines, maxlen=_LOG_TAIL_LINES)
        return f"{''.join(last)}(from {self.log})"

    def stop(self, grace: float = 10) -> None:
        """SIGTERM, then after the grace period SIGKILL to it and to whatever it left in its group. Safe to repeat."""
        child = self._child
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(grace)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._child


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that is free now. Another program may take it before you do: use it at once."""
    with socket.socket() as server:
        server.bind((host, 0))
        port: int = server.getsockname()[1]
        return port
