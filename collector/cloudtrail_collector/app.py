"""Puts the parts together, runs them, and ends in order when told to.

SIGTERM or SIGINT: receive nothing more, finish or give back what is in work, exit 0. A second one: give
back at once, exit 1.
"""

import ctypes
import logging
import os
import signal
import threading
import time

from cloudtrail_collector.adapters.aws import AwsClients, prepare_environment
from cloudtrail_collector.adapters.s3 import S3Objects
from cloudtrail_collector.adapters.sinks.discard import DiscardSink
from cloudtrail_collector.adapters.sinks.http import HttpSink
from cloudtrail_collector.adapters.sinks.measured import MeasuredSink
from cloudtrail_collector.adapters.sinks.stdout import StdoutSink
from cloudtrail_collector.adapters.sqs import SqsQueue
from cloudtrail_collector.adapters.sqs_caller import SqsCaller
from cloudtrail_collector.core.sampling import OwnReads
from cloudtrail_collector.core.visibility import Lease
from cloudtrail_collector.health import HttpServer, Sources
from cloudtrail_collector.logs import LOGGER_NAME
from cloudtrail_collector.metrics import Metrics
from cloudtrail_collector.pipeline.collect import MessageCollector
from cloudtrail_collector.pipeline.deletion import Deleter
from cloudtrail_collector.pipeline.deliver import Delivery
from cloudtrail_collector.pipeline.heartbeat import Heartbeat
from cloudtrail_collector.pipeline.ledger import Bounds, Ledger
from cloudtrail_collector.pipeline.poll import PARALLEL_RECEIVES, RECEIVE_LIMIT, Receiver
from cloudtrail_collector.pipeline.returning import return_messages
from cloudtrail_collector.pipeline.watch import QueueWatch
from cloudtrail_collector.pipeline.work import Workers
from cloudtrail_collector.ports import Sink
from cloudtrail_collector.settings import Configuration, Settings
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.pipeline import Mode, PipelineSpec
from cloudtrail_spec.report import CollectorState
from cloudtrail_spec.sinks import SinkSpec

log = logging.getLogger(LOGGER_NAME)

# Receives wait 5 s and back off for 30 s at most, a request may take 2 x 30 s: five minutes without a turn is a hang.
STUCK_SECONDS = 300.0
FIRST_LOOK_SECONDS = 10.0
# What is left of the drain time for giving back.
RETURN_SECONDS = 5.0
# Delivered messages that SQS does not delete, for an outage perhaps: with so many nothing more is received.
MAX_FINISHED = 500
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# Larger buffers are those of files that are read in pieces: they go back at once.
BUFFER_BYTES = 16 * 1024 * 1024


def run(configuration: Configuration, settings: Settings) -> int:
    """Run a collector until a signal ends it; returns the exit code."""
    prepare_environment(os.environ, configuration.pipeline, settings.source)
    return _Collector(configuration, settings).run()


class _Collector:
    def __init__(self, configuration: Configuration, settings: Settings) -> None:
        spec = configuration.pipeline
        self._settings = settings
        self._stopping = threading.Event()
        self._hurrying = threading.Event()
        self._running = False
        self._board = StatusBoard(
            mode=spec.mode, config_hash=configuration.digest, no_objects_seconds=settings.no_objects_seconds
        )
        named_sinks = [*spec.sinks, *([spec.dead_letter_sink] if spec.dead_letter_sink else [])]
        self._metrics = Metrics(filters=[rule.name for rule in spec.filters], sinks=[sink.name for sink in named_sinks])
        clients = AwsClients(spec, connections=settings.workers + 12)
        own_reads = OwnReads(clients.role_arn, spec.buckets) if clients.role_arn else None
        self._telemetry = Telemetry(self._metrics, self._board, own_reads)
        self._queue = SqsQueue(SqsCaller(clients, self._telemetry.aws_answered), spec)
        store = S3Objects(clients, spec)
        self._ledger = Ledger(_build_bounds(spec, settings.workers), self._telemetry)
        self._watch = QueueWatch(spec, self._queue, store, self._telemetry)
        sinks = [self._build_sink(sink) for sink in spec.sinks]
        dead_letters = self._build_sink(spec.dead_letter_sink) if spec.dead_letter_sink else None
        collector = MessageCollector(spec, store, Delivery(sinks, dead_letters, self._telemetry), self._telemetry)
        self._deleter = Deleter(self._queue, self._ledger, self._telemetry)
        deleter = self._deleter if spec.mode is Mode.ACTIVE else None
        self._workers = Workers(collector, self._queue, self._ledger, self._telemetry, deleter)
        self._heartbeat = Heartbeat(self._queue, self._ledger, self._watch, self._telemetry)
        self._receiver = Receiver(self._queue, self._workers, self._ledger, self._watch, self._telemetry)

    def run(self) -> int:
        """Start everything, wait for a signal, drain."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._on_signal())
        sources = Sources(self._board, self._metrics.registry, self._find_dead, self._find_unready)
        try:
            server = HttpServer(self._settings.listen_host, self._settings.listen_port, sources)
        except OSError as error:
            where = f"{self._settings.listen_host}:{self._settings.listen_port}"
            log.error("cannot listen", extra={"fields": {"address": where, "error": error.strerror}})
            return 1
        server.start()
        log.info("started", extra={"fields": {"source": self._settings.source, "port": server.port}})
        self._start()
        while not self._stopping.wait(1.0):
            if self._find_crashed():
                log.error("a thread ended", extra={"fields": {"threads": self._find_crashed()}})
                self._drain()
                return 1
        self._drain()
        server.stop()
        log.info("stopped", extra={"fields": {"source": self._settings.source}})
        return 1 if self._hurrying.is_set() else 0

    def _start(self) -> None:
        tune_malloc()
        self._watch.start()
        self._watch.wait_for_first_look(FIRST_LOOK_SECONDS)
        self._heartbeat.start()
        self._deleter.start()
        self._workers.start(self._settings.workers)
        self._receiver.start()
        self._running = True

    def _on_signal(self) -> None:
        (self._hurrying if self._stopping.is_set() else self._stopping).set()

    def _drain(self) -> None:
        """Finish what is in work, give back what is waiting or held, and what does not end in time."""
        deadline = time.monotonic() + self._settings.drain_seconds
        self._telemetry.state_changed(CollectorState.DRAINING)
        self._receiver.stop()
        self._deleter.hurry()
        waiting = [self._ledger.settle(message.id) for message in self._workers.take_waiting()]
        self._give_back([lease for lease in waiting if lease is not None])
        finish_by = deadline - min(RETURN_SECONDS, self._settings.drain_seconds / 2)
        # The running poll first: it would receive again what is given back, and count towards maxReceiveCount.
        while time.monotonic() < finish_by and not self._hurrying.is_set():
            self._receiver.join(0.1)
            if not self._receiver.is_alive() and self._ledger.wait_until_idle(0.1):
                break
        self._heartbeat.stop()
        self._watch.stop()
        self._give_back(self._ledger.settle_unfinished())
        while self._receiver.is_alive() and time.monotonic() < deadline and not self._hurrying.is_set():
            self._receiver.join(0.1)
        # A message that the last poll handed over just before the stop.
        self._give_back(self._ledger.settle_unfinished())
        if undeleted := self._ledger.count_finished():
            self._telemetry.left_undeleted(undeleted)

    def _build_sink(self, spec: SinkSpec) -> Sink:
        sink: Sink = DiscardSink(spec.name)
        if spec.http is not None:
            sink = HttpSink(spec.name, spec.http.url, spec.http.timeout_seconds)
        elif spec.stdout is not None:
            sink = StdoutSink(spec.name)
        return MeasuredSink(sink, self._telemetry.sink_answered)

    def _give_back(self, leases: list[Lease]) -> None:
        return_messages(self._queue, self._telemetry, leases, reason="drain", delay=0)

    def _find_crashed(self) -> list[str]:
        parts = {
            "receiver": self._receiver.is_alive(),
            "workers": self._workers.are_alive(),
            "deleter": self._deleter.is_alive(),
            "heartbeat": self._heartbeat.is_alive(),
            "watch": self._watch.is_alive(),
        }
        return [name for name, alive in parts.items() if not alive]

    def _find_dead(self) -> list[str]:
        if not self._running or self._stopping.is_set():
            return []
        stuck = time.monotonic() - self._receiver.turned_at > STUCK_SECONDS
        return self._find_crashed() + (["the receive loop does not turn"] if stuck else [])

    def _find_unready(self) -> list[str]:
        if not self._running:
            return ["starting"]
        return ["draining"] if self._stopping.is_set() else self._find_dead()


def _build_bounds(spec: PipelineSpec, workers: int) -> Bounds:
    """Let full receives wait while every worker is busy; waiting messages cost a heartbeat, not memory."""
    in_all = spec.test_settings.max_messages if spec.mode is Mode.TEST else None
    in_work = workers + RECEIVE_LIMIT * PARALLEL_RECEIVES
    return Bounds(at_once=RECEIVE_LIMIT, in_work=in_work, finished=MAX_FINISHED, in_all=in_all)


def tune_malloc() -> None:
    """Keep freed buffers of log files in the process and use them again, whichever thread frees them.

    Returning each to the kernel costs a fifth of the CPU, in page faults; an arena for each thread keeps as many buffers as
    there are threads, none of them in a cache. For glibc; elsewhere this does nothing. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, BUFFER_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2 * BUFFER_BYTES)
