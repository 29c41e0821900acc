"""Measures the data path alone: local files to NDJSON, the collector's code beside other ways, interleaved."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.files import Corpus
from bench.goals import Goal
from bench.measured_run import TESTS, MiscountError
from bench.tables import Table
from bench.ways import WAYS

# What is slow gets a part of the files, or it would take most of the time.
SHARES = {
    "gzip + json": 0.5,
    "zcat | jq -c": 0.15,
    "DuckDB": 0.15,
    "collector, Falco": 0.3,
    "collector, ECS": 0.3,
    "collector, OCSF": 0.3,
}
BASELINE, COLLECTOR, MASKS, UNFILTERED = "gzip + json", "collector", "collector, masks", "collector, no filter"
# Of the speed without a filter.
FILTER_SHARE = 0.9
# 400 MB/s, and 275 with masks, where the baseline made 59.
RATIO = 400 / 59
MASKS_RATIO = 275 / 59

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class DataPathResult:
    """The table, the goals, and the baseline's MB/s: what this machine does at this hour."""

    table: Table
    goals: list[Goal]
    baseline_rate: float


def measure_data_path(corpus: Corpus, rounds: int) -> DataPathResult:
    """Run every way `rounds` times in turn, each in a process of its own; the figures are medians."""
    names = [name for name in WAYS if name != "zcat | jq -c" or shutil.which("jq")]
    runs: dict[str, list[Figures]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            runs[name].append(_run(name, corpus))
    results = {name: _take_median(figures) for name, figures in runs.items()}
    base = results[BASELINE]["rate"]
    rows = tuple(_build_row(name, figures, base) for name, figures in results.items())
    size, count = corpus.total("uncompressed") / 1e6, corpus.total("events")
    about = (
        f"{len(corpus.files)} files, {count / len(corpus.files):.0f} records and {size * 1000 / len(corpus.files):.0f} kB of"
        f" JSON each, {1e6 * size / count:.0f} bytes a record, gzip {1e6 * size / corpus.total('compressed'):.1f}:1;"
        f" median of {rounds} interleaved rounds; spread is the range of the rounds over the median."
    )
    notes = [about]
    if "zcat | jq -c" not in names:
        notes.append("jq is not installed: zcat | jq was skipped.")
    columns = ("way", "MB/s per core", "events/s", "CPU s per GB", "x gzip + json", "spread")
    table = Table("data-path", "Data path alone", columns, rows, tuple(notes))
    goals = [
        Goal("Data path with a filter, x gzip + json", RATIO, results[COLLECTOR]["rate"] / base, "x"),
        Goal("Data path with filter and masks, x gzip + json", MASKS_RATIO, results[MASKS]["rate"] / base, "x"),
        Goal("With the filter, x without", FILTER_SHARE, results[COLLECTOR]["rate"] / results[UNFILTERED]["rate"], "x"),
    ]
    return DataPathResult(table, goals, base)


def _run(name: str, corpus: Corpus) -> Figures:
    files = max(1, round(len(corpus.files) * SHARES.get(name, 1.0)))
    command = [sys.executable, "-m", "bench.ways", name, "--corpus", str(corpus.directory), "--files", str(files)]
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=Path(corpus.directory)
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(done.stdout)
    read = corpus.total("events", files)
    wanted = corpus.total("kept" if "no filter" not in name else "events", files)
    if figures["kept"] != wanted or figures["read"] not in (0, read):
        raise MiscountError(
            f"{name} read {figures['read']} and kept {figures['kept']} records, not {read} and {wanted}"
        )
    return {
        "rate": corpus.total("uncompressed", files) / 1e6 / figures["cpu_seconds"],
        "events": read / figures["cpu_seconds"],
    }


def _take_median(runs: list[Figures]) -> Figures:
    rates = sorted(run["rate"] for run in runs)
    medians = {field: median(run[field] for run in runs) for field in runs[0]}
    return medians | {"spread": (rates[-1] - rates[0]) / medians["rate"]}


def _build_row(name: str, figures: Figures, base: float) -> tuple[str, ...]:
    return (
        name,
        f"{figures['rate']:.0f}",
        f"{figures['events']:,.0f}",
        f"{1000 / figures['rate']:.2f}",
        f"{figures['rate'] / base:.2f}",
        f"{figures['spread']:.0%}",
    )
