"""Measures a backfill beside live collection of the same log files: `python -m bench.backfill`, some minutes.

Both have the same filter and the same HTTP sink. A backfill waits at the end of each thousand files until the sink has all
of them, lists instead of receiving, and deletes nothing.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.files import MEDIAN_27_KB, NOISE_RULE, write_corpus
from bench.machine import describe_machine
from bench.measured_run import PROGRAM, BenchServer, Load, MiscountError, run_collector
from bench.sqs_service import BUCKET, REGION
from bench.tables import Table, print_table
from localcluster.aws.endpoint import ADMIN_ENVIRONMENT

DAY = "2026-11-21"
EMPTY_DAY = "2020-01-01"


@dataclass(frozen=True, slots=True)
class Used:
    """What a run used."""

    cpu_seconds: float
    wall_seconds: float


def run_backfill(load: Load, workers: int) -> Used:
    """Measure a backfill, without what its start costs. Raises MiscountError."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, BenchServer(load, Path(scratch)) as server:
        start = _run(server.url, Path(scratch), workers, EMPTY_DAY)
        whole = _run(server.url, Path(scratch), workers, DAY)
        lines, wanted = server.ask("counts")["lines"], load.corpus.total("kept", load.objects)
        if lines != wanted:
            raise MiscountError(f"lines is {lines}, not {wanted}")
        return Used(whole.cpu_seconds - start.cpu_seconds, whole.wall_seconds - start.wall_seconds)


def _run(url: str, directory: Path, workers: int, day: str) -> Used:
    task = directory / f"{day}.json"
    task.write_text(json.dumps(_build_task(url, day)))
    environment = {
        "PATH": os.environ["PATH"],
        **ADMIN_ENVIRONMENT,
        "CLOUDTRAIL_LISTEN_HOST": "127.0.0.1",
        "CLOUDTRAIL_LISTEN_PORT": "0",
        "CLOUDTRAIL_LOG_LEVEL": "Warning",
        "CLOUDTRAIL_WORKERS": str(workers),
    }
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [str(PROGRAM), "backfill", "--task", str(task), "--share", "0", "--progress", f"{task}.progress"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise MiscountError(f"the backfill ended with {ended.returncode}: {ended.stderr}")
    return Used(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def _build_task(url: str, day: str) -> dict[str, Any]:
    pipeline = {
        "bucket": BUCKET,
        "region": REGION,
        "endpointUrl": url,
        "filters": [NOISE_RULE],
        "sinks": [{"name": "out", "http": {"url": f"{url}/ingest"}, "timeoutSeconds": 300}],
    }
    ends = {"since": f"{day}T00:00:00Z", "until": f"{day}T07:45:00Z", "lateSeconds": 0}
    return {"pipeline": pipeline, "progressName": "bench", **ends}


def build_table(objects: int, workers: int, scratch: Path) -> Table:
    """Measure both ways, near and far."""
    corpus = write_corpus(MEDIAN_27_KB, min(objects, 300), scratch / "corpus")
    rows = []
    for distance in (0.0, 0.025):
        load = Load(corpus, objects, distance=distance)
        megabytes = corpus.total("uncompressed", objects) / 1e6
        live, filled = run_collector(load, workers), run_backfill(load, workers)
        for way, used in (("live", Used(live.used.cpu_seconds, live.wall_seconds)), ("backfill", filled)):
            rates = (f"{megabytes / used.cpu_seconds:.0f}", f"{megabytes / used.wall_seconds:.0f}")
            rows.append((way, f"{distance * 1000:.0f}", *rates))
    columns = ("way", "distance, ms", "MB/s of CPU", "MB/s")
    return Table("backfill", f"Backfill, {objects} log files, {workers} workers", columns, tuple(rows))


def main() -> int:
    """Run the command line; returns 1 when a count was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.backfill", description=__doc__)
    parser.add_argument("--objects", type=int, default=3000, metavar="N")
    parser.add_argument("--workers", type=int, default=16, metavar="N")
    options = parser.parse_args()
    console = Console(width=150)
    console.print(describe_machine(), highlight=False)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        try:
            print_table(console, build_table(options.objects, options.workers, Path(scratch)))
        except MiscountError as error:
            console.print(f"WRONG COUNT: {error}", markup=False)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
