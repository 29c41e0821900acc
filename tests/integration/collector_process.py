"""A collector as a child process: its configuration, output and HTTP side."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from localcluster.aws.endpoint import ADMIN_ENVIRONMENT
from localcluster.process import free_port

PROGRAM = Path(sys.executable).with_name("cloudtrail-collector")


def wait_until(is_done: Callable[[], Any], what: str, timeout: float = 20) -> None:
    """Ask until the answer is yes; fails with what was waited for."""
    deadline = time.monotonic() + timeout
    while not is_done():
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        time.sleep(0.05)


class Collector:
    """One run of `cloudtrail-collector run`; standard output and error go to files."""

    def __init__(
        self,
        directory: Path,
        spec: Mapping[str, Any],
        environment: Mapping[str, str],
        program: Sequence[str | Path] = (PROGRAM,),
    ) -> None:
        self._program = program
        self.config = directory / "config.json"
        self.config.write_text(json.dumps(spec))
        self.stdout = directory / "stdout"
        self.stderr = directory / "stderr"
        self._url = f"http://127.0.0.1:{(port := free_port())}"
        self._environment = {
            "PATH": os.environ["PATH"],
            **ADMIN_ENVIRONMENT,
            "CLOUDTRAIL_LISTEN_HOST": "127.0.0.1",
            "CLOUDTRAIL_LISTEN_PORT": str(port),
            "CLOUDTRAIL_DRAIN_SECONDS": "15",
            **environment,
        }
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        wait_until(self._is_ready, "the collector to be ready")

    def launch(self) -> None:
        """Start it."""
        with self.stdout.open("wb") as stdout, self.stderr.open("wb") as stderr:
            self._child = subprocess.Popen(
                [*self._program, "run", "--config", self.config], stdout=stdout, stderr=stderr, env=self._environment
            )

    def _is_ready(self) -> bool:
        assert self._started().poll() is None, self.stderr.read_text()
        try:
            return self.get("/readyz") == "ok\n"
        except (urllib.error.URLError, OSError):
            return False

    def get(self, path: str) -> str:
        """GET a path of its HTTP side."""
        with urllib.request.urlopen(self._url + path, timeout=5) as answer:  # noqa: S310  (loopback)
            return str(answer.read().decode())

    def read_status(self) -> dict[str, Any]:
        """Read /status."""
        status: dict[str, Any] = json.loads(self.get("/status"))
        return status

    def read_check(self, kind: str) -> dict[str, str]:
        """Read one check of /status."""
        return next(check for check in self.read_status()["checks"] if check["type"] == kind)

    def read_metric(self, series: str) -> float:
        """Read one series of its own metrics, named without their prefix."""
        match = re.search(rf"^cloudtrail_collector_{re.escape(series)} (\S+)$", self.get("/metrics"), re.MULTILINE)
        assert match is not None, series
        return float(match[1])

    def read_lines(self) -> list[bytes]:
        """Read the complete lines on standard output."""
        return self.stdout.read_bytes().split(b"\n")[:-1]

    def count_events(self) -> Counter[str]:
        """Count the deliveries on standard output by eventID."""
        return Counter(json.loads(line)["eventID"] for line in self.read_lines())

    def read_logs(self, message: str) -> list[dict[str, Any]]:
        """Read the log lines with this message."""
        lines = [json.loads(line) for line in self.stderr.read_text().splitlines()]
        return [line for line in lines if line["message"] == message]

    @property
    def pid(self) -> int:
        """Process id."""
        return self._started().pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._started().send_signal(number)

    def wait(self, timeout: float = 20) -> int:
        """Wait for its end; returns the exit code."""
        return self._started().wait(timeout)

    def stop(self) -> int:
        """SIGTERM, and wait for the end."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        assert self._child is not None
        return self._child


Start = Callable[..., Collector]
"""The fixture `start`: starts a collector of the test's own trail."""
