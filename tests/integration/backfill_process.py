"""A backfill's worker as a child process: its task, progress, output and HTTP side."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cloudtrail_spec.backfill_task import BackfillProgress
from integration.collector_process import PROGRAM, Collector, wait_until

StartBackfill = Callable[..., "BackfillWorker"]
"""The fixture `backfill`: starts workers of one task on the test's own bucket."""


class BackfillWorker(Collector):
    """One run of `cloudtrail-collector backfill`."""

    def __init__(
        self, directory: Path, task: Mapping[str, Any], progress: Path, environment: Mapping[str, str], share: int
    ) -> None:
        self.progress_file = progress
        self.message = directory / "termination-log"
        self.message.touch()
        super().__init__(directory, task, {"CLOUDTRAIL_TERMINATION_LOG": str(self.message), **environment})
        self._share = share

    def launch(self) -> None:
        """Start it."""
        arguments = ["--task", str(self.config), "--progress", str(self.progress_file)]
        # As a Job tells it.
        environment = {**self._environment, "JOB_COMPLETION_INDEX": str(self._share), "HOSTNAME": "pod-of-a-test"}
        with self.stdout.open("wb") as stdout, self.stderr.open("wb") as stderr:
            self._child = subprocess.Popen(
                [PROGRAM, "backfill", *arguments], stdout=stdout, stderr=stderr, env=environment
            )

    def start(self) -> None:
        """Start it; it may end at any time."""
        self.launch()

    def finish(self, timeout: float = 60) -> int:
        """Wait for its end; returns the exit code."""
        return self.wait(timeout)

    def wait_ready(self) -> None:
        """Wait until it answers."""
        wait_until(self._is_ready, "the worker to be ready")

    def read_progress(self) -> BackfillProgress:
        """Read what is noted."""
        return BackfillProgress.model_validate_json(self.progress_file.read_bytes())
