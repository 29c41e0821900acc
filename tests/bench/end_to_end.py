"""Measures the collector as a process: SQS, S3 and an HTTP sink over loopback, against the number of workers."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.files import Corpus, FileSet
from bench.goals import Goal
from bench.measured_run import Load, Run, run_collector, run_plain_script
from bench.tables import Table

# 250 MB/s where the script made 61. That one had no sink to POST to, so the stricter figure is the second one: 250 MB/s
# where gzip + json on local files made 59.
SCRIPT_RATIO, LOCAL_RATIO = 250 / 61, 250 / 59
# The script is slow; it gets fewer objects.
BASELINE_SHARE = 0.3
# Within this much of the best wall rate, fewer workers are better: less memory, less to give back.
ENOUGH = 0.95


@dataclass(frozen=True, slots=True)
class Scenario:
    """Log files, how many objects of them, at which numbers of workers, and of threads of the plain script."""

    kind: FileSet
    corpus: Corpus
    objects: int
    workers: Sequence[int]
    threads: Sequence[int] = (1, 16)
    distance: float = 0.0


@dataclass(frozen=True, slots=True)
class Series:
    """The median runs of a scenario: the script by threads, the collector by workers."""

    scenario: Scenario
    script: dict[int, Run]
    collector: dict[int, Run]

    @property
    def baseline(self) -> Run:
        """The script's better run."""
        return max(self.script.values(), key=lambda run: run.rate)

    @property
    def best(self) -> Run:
        """The collector's best run by CPU."""
        return max(self.collector.values(), key=lambda run: run.rate)

    def find_enough_workers(self) -> int:
        """Return the smallest number of workers that comes near to the best wall rate."""
        rates = {workers: run.megabytes / run.wall_seconds for workers, run in self.collector.items()}
        return min(workers for workers, rate in rates.items() if rate >= ENOUGH * max(rates.values()))


def measure_end_to_end(scenario: Scenario, rounds: int) -> Series:
    """Run script and collector in turn, `rounds` times; the median run by CPU stands for each."""
    script: dict[int, list[Run]] = {threads: [] for threads in scenario.threads}
    collector: dict[int, list[Run]] = {workers: [] for workers in scenario.workers}
    load = Load(scenario.corpus, scenario.objects, distance=scenario.distance)
    for _ in range(rounds):
        for threads, runs in script.items():
            part = Load(scenario.corpus, max(1, int(BASELINE_SHARE * scenario.objects)), distance=scenario.distance)
            runs.append(run_plain_script(part, threads))
        for workers, runs in collector.items():
            runs.append(run_collector(load, workers))
    return Series(scenario, _take_medians(script), _take_medians(collector))


def _take_medians(runs: dict[int, list[Run]]) -> dict[int, Run]:
    return {key: sorted(some, key=lambda run: run.rate)[len(some) // 2] for key, some in runs.items()}


def build_table(series: Series, name: str, title: str) -> Table:
    """Turn a series into a table."""
    rows = [_build_row("plain script", threads, run, series) for threads, run in series.script.items()]
    rows += [_build_row("collector", workers, run, series) for workers, run in series.collector.items()]
    columns = (
        "client", "threads", "MB/s", "objects/s", "events/s", "CPU s/GB", "x script", "wall MB/s", "peak RSS MiB",
        "faults/object", "receives/object",
    )  # fmt: skip
    corpus = series.scenario.corpus
    sizes = sorted(file.compressed for file in corpus.files)
    mean = corpus.total("uncompressed") / len(sizes) / 1000
    note = (
        f"{series.scenario.kind.text}; here {len(sizes)} files with a median of {sizes[len(sizes) // 2] / 1000:.1f} kB gz"
        f" and a mean of {mean:.0f} kB of JSON, as {series.scenario.objects} objects. MB, objects and events are per second"
        f" of CPU. {ENOUGH:.0%} of the best wall rate from {series.find_enough_workers()} workers on."
    )
    return Table(name, title, columns, tuple(rows), (note,))


def _build_row(name: str, threads: int, run: Run, series: Series) -> tuple[str, ...]:
    return (
        name,
        str(threads),
        f"{run.rate:.0f}",
        f"{run.object_rate:.0f}",
        f"{run.events / run.used.cpu_seconds:,.0f}",
        f"{1000 / run.rate:.2f}",
        f"{run.rate / series.baseline.rate:.2f}" if series.script else "",
        f"{run.megabytes / run.wall_seconds:.0f}",
        f"{run.used.peak_rss_bytes / 2**20:.0f}",
        f"{run.used.minor_faults / run.objects:.0f}",
        f"{run.server['calls'].get('ReceiveMessage', 0) / run.objects:.2f}",
    )


def build_goals(series: Series, local_rate: float | None) -> list[Goal]:
    """Compare a series of ordinary files with the goals; `local_rate` is that of gzip + json on local files."""
    peak = max((run.used.peak_rss_bytes for workers, run in series.collector.items() if workers <= 16), default=0)
    goals = [
        Goal("End to end, MB per core, x plain script", SCRIPT_RATIO, series.best.rate / series.baseline.rate, "x")
    ]
    if local_rate is not None:
        text = "End to end, MB per core, x gzip + json on local files"
        goals.append(Goal(text, LOCAL_RATIO, series.best.rate / local_rate, "x"))
    return [
        *goals,
        Goal("End to end, objects/s per core (not a ratio)", 300, series.best.object_rate),
        Goal("Peak RSS at up to 16 workers, ordinary files", 150, peak / 2**20, " MiB", at_most=True),
    ]
