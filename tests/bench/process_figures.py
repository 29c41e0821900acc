"""Reads from /proc what a process has used so far. Linux only, like the benchmarks."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """CPU of all threads, user and system; faults served without reading; resident bytes now and at most."""

    cpu_seconds: float
    minor_faults: int
    rss_bytes: int
    peak_rss_bytes: int

    def since(self, earlier: "ProcessFigures") -> "ProcessFigures":
        """Subtract what was used before; sizes stay as they are."""
        return ProcessFigures(
            self.cpu_seconds - earlier.cpu_seconds,
            self.minor_faults - earlier.minor_faults,
            self.rss_bytes,
            self.peak_rss_bytes,
        )


def read_figures(process_id: int) -> ProcessFigures:
    """Read the figures of a running process."""
    folder = Path(f"/proc/{process_id}")
    # After the name, which may hold blanks: state is field 3, minflt 10, utime 14, stime 15.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    status = (folder / "status").read_text()
    return ProcessFigures(
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        minor_faults=int(fields[7]),
        rss_bytes=_find_size(status, "VmRSS"),
        peak_rss_bytes=_find_size(status, "VmHWM"),
    )


def _find_size(status: str, name: str) -> int:
    match = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
