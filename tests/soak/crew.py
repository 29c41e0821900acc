"""The replicas of a soak: started, killed, ended in order, and replaced, as a seed says."""

import random
import re
import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from integration.collector_process import Collector

DRAIN_SECONDS = 10


class Crew:
    """Some collectors of one source."""

    def __init__(self, directory: Path, spec: Mapping[str, Any], replicas: int, seed: int) -> None:
        self._directory = directory
        self._spec = spec
        self._source = random.Random(seed)
        self._started = 0
        self.ends: Counter[str] = Counter()
        self.kills: list[float] = []
        self.bad_ends: list[str] = []
        self.peak_memory = 0
        self._running = [self._start() for _ in range(replicas)]

    def disturb(self) -> None:
        """Kill one replica or end it in order, and start another in its place."""
        place = self._source.randrange(len(self._running))
        how = self._source.choice([signal.SIGKILL, signal.SIGTERM])
        self._end(self._running[place], how)
        self._running[place] = self._start()

    def stop(self) -> None:
        """End all in order."""
        for collector in self._running:
            self._end(collector, signal.SIGTERM)
        self._running = []

    def kill(self) -> None:
        """Leave nothing behind, whatever happened."""
        for collector in self._running:
            collector.kill()

    def look(self) -> None:
        """Note how much memory the largest one has had."""
        for collector in self._running:
            self._measure(collector)

    def read_tracebacks(self) -> list[str]:
        """Read what no collector may ever log: errors that nobody foresaw."""
        logs = sorted(self._directory.glob("collector-*/stderr"))
        return [line for log in logs for line in log.read_text().splitlines() if '"traceback"' in line]

    def _start(self) -> Collector:
        directory = self._directory / f"collector-{self._started:03}"
        self._started += 1
        directory.mkdir()
        collector = Collector(directory, self._spec, {"CLOUDTRAIL_DRAIN_SECONDS": str(DRAIN_SECONDS)})
        try:
            collector.start()
        except AssertionError:
            collector.kill()
            raise
        return collector

    def _measure(self, collector: Collector) -> None:
        """A process that has ended by itself has no memory any more; its exit code will tell."""
        status = Path(f"/proc/{collector.pid}/status").read_text(encoding="ascii")
        match = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        self.peak_memory = max(self.peak_memory, int(match[1]) * 1024 if match else 0)

    def _end(self, collector: Collector, how: signal.Signals) -> None:
        self._measure(collector)
        if how is signal.SIGKILL:
            self.kills.append(time.monotonic())
        collector.signal(how)
        code = collector.wait(DRAIN_SECONDS + 20)
        self.ends[how.name] += 1
        if code != (0 if how is signal.SIGTERM else -how):
            self.bad_ends.append(f"exit code {code} after {how.name}: {collector.stderr}")
