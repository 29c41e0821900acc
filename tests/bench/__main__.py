"""`python -m bench`: measures the collector beside its baselines, prints tables, and fails when a count is wrong."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.data_path import measure_data_path
from bench.end_to_end import Scenario, build_goals, build_table, measure_end_to_end
from bench.files import ABOUT_60_KB, MEDIAN_27_KB, QUIET, FileSet, write_corpus
from bench.giants import MEBIBYTE, write_giants
from bench.goals import Goal, build_goal_table
from bench.machine import describe_machine
from bench.measured_run import MiscountError
from bench.memory import measure_flatness, measure_giants
from bench.tables import Table, print_table, write_tables
from cloudtrail_collector.settings import Settings

PARTS = ("data-path", "end-to-end", "distance", "memory")
LARGE = FileSet("375 records", 375, 0.0, "375 records each")
# The delay of a GetObject within a region, as the distance of the loopback server.
DISTANCE_SECONDS = 0.025


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    rounds: int
    files: int
    objects: int
    workers: tuple[int, ...]
    large: int
    large_bytes: int
    flat_objects: int


FULL = Scale(3, 200, 800, (1, 2, 4, 8, 16, 32, 64), 4, 500_000_000, 100_000)
QUICK = Scale(1, 60, 240, (1, 4, 16), 1, 120_000_000, 3_000)


class Bench:
    """Runs parts and collects their tables and goals."""

    def __init__(self, console: Console, scratch: Path, scale: Scale) -> None:
        self._console = console
        self._scratch = scratch
        self._scale = scale
        self._local_rate: float | None = None
        self.tables: list[Table] = []
        self.goals: list[Goal] = []

    def run(self, part: str) -> None:
        """Run one part."""
        parts: dict[str, Callable[[], None]] = {
            "data-path": self._measure_data_path,
            "end-to-end": self._measure_end_to_end,
            "distance": self._measure_distance,
            "memory": self._measure_memory,
        }
        parts[part]()

    def add(self, table: Table, goals: list[Goal]) -> None:
        """Keep and print a result."""
        self.tables.append(table)
        self.goals += goals
        print_table(self._console, table)

    def _measure_data_path(self) -> None:
        corpus = write_corpus(LARGE, self._scale.files, self._scratch / "large")
        result = measure_data_path(corpus, max(3, self._scale.rounds))
        self._local_rate = result.baseline_rate
        self.add(result.table, result.goals)

    def _measure_end_to_end(self) -> None:
        for kind, name, factor in ((MEDIAN_27_KB, "27-kb", 1), (ABOUT_60_KB, "60-kb", 0.6), (QUIET, "quiet", 4)):
            is_main = kind is MEDIAN_27_KB
            if self._scale is QUICK and kind is ABOUT_60_KB:
                continue
            corpus = write_corpus(kind, self._scale.files, self._scratch / name)
            workers = self._scale.workers if is_main else self._scale.workers[1::2]
            scenario = Scenario(kind, corpus, round(self._scale.objects * factor), workers)
            series = measure_end_to_end(scenario, self._scale.rounds if is_main else 1)
            goals = build_goals(series, self._local_rate) if is_main else []
            self.add(build_table(series, name, f"End to end, {kind.name}"), goals)

    def _measure_distance(self) -> None:
        corpus = write_corpus(MEDIAN_27_KB, self._scale.files, self._scratch / "distance")
        # The script's CPU does not depend on the distance, and its waiting is long.
        scenario = Scenario(
            MEDIAN_27_KB, corpus, self._scale.objects, self._scale.workers[1:], threads=(), distance=DISTANCE_SECONDS
        )
        series = measure_end_to_end(scenario, 1)
        title = f"End to end, {MEDIAN_27_KB.name}, S3 at a distance of {DISTANCE_SECONDS * 1000:.0f} ms"
        self.add(build_table(series, "distance", title), [])

    def _measure_memory(self) -> None:
        scale = self._scale
        ordinary = write_corpus(MEDIAN_27_KB, 40, self._scratch / "ordinary")
        giants = write_giants(
            self._scratch / "giants",
            ordinary,
            large=scale.large,
            large_bytes=scale.large_bytes,
            bombs=2,
            bomb_bytes=3 * 1024 * MEBIBYTE,
        )
        self.add(*measure_giants(giants, 2, workers=16))
        tiny = write_corpus(QUIET, 100, self._scratch / "tiny")
        self.add(*measure_flatness(tiny, scale.flat_objects, Settings.workers))


def main() -> int:
    """Run the command line; returns 1 when a count was wrong."""
    parser = _build_parser()
    options = parser.parse_args()
    if options.write and (options.quick or options.only):
        parser.error("--write takes a full run: the document shows no parts")
    scale = QUICK if options.quick else FULL
    if options.objects:
        scale = Scale(**{name: getattr(scale, name) for name in Scale.__slots__} | {"flat_objects": options.objects})
    console = Console(width=150)
    console.print(describe_machine(), highlight=False)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        bench = Bench(console, Path(scratch), scale)
        try:
            for part in options.only or PARTS:
                bench.run(part)
        except MiscountError as error:
            console.print(f"WRONG COUNT: {error}", markup=False)
            return 1
    bench.add(build_goal_table(bench.goals), [])
    if options.write:
        machine = Table(
            "machine", "Machine", ("measured", "on"), ((f"{datetime.now(UTC):%Y-%m-%d}", describe_machine()),)
        )
        write_tables(options.write, [machine, *bench.tables])
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a minute instead of many: shows that it works, little more"
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="run this part; may be given again")
    parser.add_argument("--objects", type=int, metavar="N", help="how many objects for the flatness of memory")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables between the markers of a document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
