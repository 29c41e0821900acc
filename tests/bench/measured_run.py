"""Runs one consumer against one bench server until every message is deleted, and checks that nothing was lost or doubled."""

import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.files import NOISE_RULE, Corpus
from bench.process_figures import ProcessFigures, read_figures
from bench.sqs_service import ACCOUNT, BUCKET, QUEUE, QUEUE_ARN, REGION
from localcluster.aws.endpoint import ADMIN_ENVIRONMENT
from localcluster.process import Process, free_port

TESTS = Path(__file__).parents[1]
# Another collector can be measured, such as an older one.
PROGRAM = Path(os.environ.get("BENCH_COLLECTOR", Path(sys.executable).with_name("cloudtrail-collector")))
START_SECONDS = 60.0
RUN_SECONDS = 1800.0


class MiscountError(Exception):
    """What came out is not what went in; the figures of this run mean nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident bytes after a number of deleted messages."""

    deleted: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Run:
    """What a consumer used between the first receive and the last delete."""

    used: ProcessFigures
    started: ProcessFigures
    wall_seconds: float
    server_seconds: float
    objects: int
    events: int
    megabytes: float
    samples: tuple[Sample, ...]
    server: dict[str, Any]

    @property
    def rate(self) -> float:
        """Decompressed MB a second of CPU."""
        return self.megabytes / self.used.cpu_seconds

    @property
    def object_rate(self) -> float:
        """Objects a second of CPU."""
        return self.objects / self.used.cpu_seconds


@dataclass(frozen=True, slots=True)
class Load:
    """A queue of `objects` messages about the files of a corpus; `refused` of the files are no log files.

    `distance` is what each GetObject takes longer than on loopback, in seconds.
    """

    corpus: Corpus
    objects: int
    refused: int = 0
    distance: float = 0.0


class BenchServer:
    """A server process with a load."""

    def __init__(self, load: Load, directory: Path) -> None:
        command = [sys.executable, "-m", "bench.server", "--corpus", str(load.corpus.directory)]
        command += ["--objects", str(load.objects), "--distance", str(load.distance)]
        self._process = Process(
            "bench server", command, directory / "server.log", environment=os.environ | {"PYTHONPATH": str(TESTS)}
        )
        self._load = load
        self.url = ""

    def __enter__(self) -> Self:
        self._process.start()
        self._process.wait_ready(lambda: self._process.log.read_text().endswith("\n"), START_SECONDS)
        self.url = f"http://127.0.0.1:{int(self._process.log.read_text())}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop(grace=1)

    def ask(self, what: str) -> dict[str, Any]:
        """GET the counts; `open` opens the queue as well."""
        answer: dict[str, Any] = json.loads(fetch(f"{self.url}/bench/{what}"))
        return answer

    def check(self) -> dict[str, Any]:
        """Compare the counts with the load. Raises MiscountError."""
        counts, load = self.ask("counts"), self._load
        rounds, rest = divmod(load.objects, len(load.corpus.files))
        if load.refused and rest:
            raise ValueError("a load with refused files needs whole rounds")
        wanted = {
            "deleted": load.objects,
            "received": load.objects,
            "in_flight": 0,
            "lines": load.corpus.total("kept", load.objects),
            "dead_letters": load.refused * rounds,
        }
        wrong = [f"{name} is {counts[name]}, not {value}" for name, value in wanted.items() if counts[name] != value]
        if wrong:
            raise MiscountError("; ".join(wrong))
        return counts


def fetch(url: str) -> str:
    """GET a text from loopback."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  (loopback)
        return str(answer.read().decode())


def run_plain_script(load: Load, threads: int) -> Run:
    """Measure the baseline script."""
    with _scratch() as directory, BenchServer(load, directory) as server:
        command = [sys.executable, "-m", "bench.plain_script", "--endpoint", server.url, "--threads", str(threads)]
        command += ["--queue-url", f"{server.url}/{ACCOUNT}/{QUEUE}"]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TESTS), **ADMIN_ENVIRONMENT}
        with Process("plain script", command, directory / "script.log", environment=environment) as script:
            script.wait_ready(lambda: server.ask("counts")["calls"].get("ReceiveMessage", 0) > 0, START_SECONDS)
            return _measure(script, server, load, sampling=None)


def run_collector(load: Load, workers: int, *, sampling: float | None = None, dead_letters: bool = False) -> Run:
    """Measure the collector with a filter and an HTTP sink, and with a dead-letter sink if asked for.

    With `sampling` the resident size is noted at that interval in seconds.
    """
    with _scratch() as directory, BenchServer(load, directory) as server:
        config = directory / "config.json"
        config.write_text(json.dumps(_build_spec(server.url, dead_letters=dead_letters)))
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            **ADMIN_ENVIRONMENT,
            "CLOUDTRAIL_LISTEN_HOST": "127.0.0.1",
            "CLOUDTRAIL_LISTEN_PORT": str(port),
            "CLOUDTRAIL_LOG_LEVEL": "Warning",
            "CLOUDTRAIL_WORKERS": str(workers),
        }
        log = directory / "collector.log"
        with Process("collector", [PROGRAM, "run", "--config", config], log, environment=environment) as collector:
            collector.wait_ready(lambda: _is_receiving(port, server), START_SECONDS)
            run = _measure(collector, server, load, sampling=sampling)
            _check_metrics(fetch(f"http://127.0.0.1:{port}/metrics"), load)
        return run


def _build_spec(url: str, *, dead_letters: bool) -> dict[str, Any]:
    spec = {
        "mode": "Active",
        "bucket": BUCKET,
        "queueArn": QUEUE_ARN,
        "region": REGION,
        "endpointUrl": url,
        "filters": [NOISE_RULE],
        "sinks": [{"name": "out", "http": {"url": f"{url}/ingest"}, "timeoutSeconds": 300}],
    }
    sink = {"name": "dead", "http": {"url": f"{url}/dead-letters"}}
    return spec | ({"deadLetterSink": sink} if dead_letters else {})


def _is_receiving(port: int, server: BenchServer) -> bool:
    try:
        ready = fetch(f"http://127.0.0.1:{port}/readyz") == "ok\n"
    except (urllib.error.URLError, OSError):
        return False
    return ready and server.ask("counts")["calls"].get("ReceiveMessage", 0) > 0


def _measure(consumer: Process, server: BenchServer, load: Load, *, sampling: float | None) -> Run:
    before = read_figures(consumer.pid)
    server_before = float(server.ask("open")["cpu_seconds"])
    begin = time.monotonic()
    samples: list[Sample] = []

    def is_done() -> bool:
        deleted = int(server.ask("counts")["deleted"])
        if sampling is not None and time.monotonic() - begin >= len(samples) * sampling:
            samples.append(Sample(deleted, read_figures(consumer.pid).rss_bytes))
        return deleted >= load.objects

    consumer.wait_ready(is_done, RUN_SECONDS)
    wall, after = time.monotonic() - begin, read_figures(consumer.pid)
    counts = server.check()
    return Run(
        used=after.since(before),
        started=before,
        wall_seconds=wall,
        server_seconds=float(counts["cpu_seconds"]) - server_before,
        objects=load.objects,
        events=load.corpus.total("events", load.objects),
        megabytes=load.corpus.total("uncompressed", load.objects) / 1e6,
        samples=tuple(samples),
        server=counts,
    )


def _check_metrics(text: str, load: Load) -> None:
    """Compare the collector's own counts with the load. Raises MiscountError."""
    events, kept = load.corpus.total("events", load.objects), load.corpus.total("kept", load.objects)
    wanted = {"events_received_total": events, "events_filtered_total": events - kept, "events_emitted_total": kept}
    for name, value in wanted.items():
        counted = sum_metric(text, f"cloudtrail_collector_{name}")
        if counted != value:
            raise MiscountError(f"the collector's {name} is {counted}, not {value}")


def sum_metric(text: str, name: str) -> int:
    """Add up all series of a metric in Prometheus's text format. Raises MiscountError when there is none."""
    values = [float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith((name + "{", name + " "))]
    if not values:
        raise MiscountError(f"the collector has no metric {name}")
    return round(sum(values))


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        yield Path(directory)
