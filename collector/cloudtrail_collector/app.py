"""Puts the parts together, runs them, and ends in order when told to.

SIGTERM or SIGINT: receive nothing more, finish or give back what is in work, exit 0. A second one: give
back at once, exit 1.
"""

import logging
import os
import signal
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING

from cloudtrail_collector.adapters.aws import AwsClients, prepare_environment
from cloudtrail_collector.adapters.s3 import S3Objects
from cloudtrail_collector.adapters.setup_inquiry import AwsInquiry
from cloudtrail_collector.adapters.sqs import SqsQueue, build_url
from cloudtrail_collector.adapters.sqs_caller import SqsCaller
from cloudtrail_collector.assembly import build_record_path, tune_malloc
from cloudtrail_collector.core.doctor.facts import Subject
from cloudtrail_collector.core.event_metrics import list_series
from cloudtrail_collector.core.sampling import OwnReads
from cloudtrail_collector.core.visibility import Lease
from cloudtrail_collector.errors import SecretMissingError
from cloudtrail_collector.health import HttpServer, Sources
from cloudtrail_collector.logs import LOGGER_NAME
from cloudtrail_collector.metrics import Metrics
from cloudtrail_collector.pipeline.deletion import Deleter
from cloudtrail_collector.pipeline.heartbeat import Heartbeat
from cloudtrail_collector.pipeline.ledger import Bounds, Ledger
from cloudtrail_collector.pipeline.poll import PARALLEL_RECEIVES, RECEIVE_LIMIT, Receiver
from cloudtrail_collector.pipeline.returning import return_messages
from cloudtrail_collector.pipeline.setup_watch import SetupWatch
from cloudtrail_collector.pipeline.watch import QueueWatch
from cloudtrail_collector.pipeline.work import Workers
from cloudtrail_collector.settings import Configuration, Settings
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.pipeline import Mode, PipelineSpec
from cloudtrail_spec.report import CollectorState

if TYPE_CHECKING:
    from cloudtrail_collector.pipeline.integrity import Integrity

log = logging.getLogger(LOGGER_NAME)

# Receives wait 5 s and back off for 30 s at most, a request may take 2 x 30 s: five minutes without a turn is a hang.
STUCK_SECONDS = 300.0
FIRST_LOOK_SECONDS = 10.0
# Sinks have accepted or failed everything when they are closed.
CLOSE_SECONDS = 2.0
# What is left of the drain time for giving back.
RETURN_SECONDS = 5.0
# Messages whose events wait for sinks: enough to fill batches while others are on their way.
MAX_ON_WAY = 256
# Delivered messages that SQS does not delete, for an outage perhaps: with so many nothing more is received.
MAX_FINISHED = 500


def run(configuration: Configuration, settings: Settings) -> int:
    """Run a collector until a signal ends it; returns the exit code."""
    prepare_environment(os.environ, configuration.pipeline, settings.source)
    try:
        collector = _Collector(configuration, settings)
    except (SecretMissingError, ValueError) as error:
        # Without its masks nothing may leave.
        log.error("the configuration cannot be used", extra={"fields": {"error": str(error)}})
        return 2
    return collector.run()


class _Collector:
    def __init__(self, configuration: Configuration, settings: Settings) -> None:
        spec = configuration.pipeline
        self._settings = settings
        self._stopping = threading.Event()
        self._hurrying = threading.Event()
        self._running = False
        self._board = StatusBoard(
            mode=spec.mode,
            config_hash=configuration.digest,
            no_objects_seconds=settings.no_objects_seconds,
            integrity=None if spec.integrity is None else spec.integrity.mode,
        )
        self._metrics = Metrics(
            filters=[rule.name for rule in spec.filters],
            sinks=[sink.name for sink in spec.all_sinks],
            matches=list_series(spec.metrics),
            has_integrity=spec.integrity is not None,
        )
        clients = AwsClients(spec, connections=settings.workers + 12)
        own_reads = OwnReads(clients.role_arn, spec.buckets) if clients.role_arn else None
        self._telemetry = Telemetry(self._metrics, self._board, own_reads)
        self._queue = SqsQueue(SqsCaller(clients, self._telemetry.aws_answered), spec)
        store = S3Objects(clients, spec)
        self._ledger = Ledger(_build_bounds(spec, settings.workers), self._telemetry)
        self._watch = QueueWatch(spec, self._queue, store, self._telemetry)
        subject = Subject(spec.queue_arn, build_url(spec), spec.prefix, clients.role_arn)
        self._setup = SetupWatch(subject, sorted(spec.buckets), AwsInquiry(clients, spec, subject), self._telemetry)
        path = build_record_path(spec, settings, store, self._telemetry)
        self._integrity = self._load_integrity(spec, clients)
        self._gate = None if self._integrity is None else self._integrity.gate
        if self._integrity is not None:
            path.collector.check_with(self._integrity)
        self._delivery = path.delivery
        self._deleter = Deleter(self._queue, self._ledger, self._telemetry)
        deleter = self._deleter if spec.mode is Mode.ACTIVE else None
        self._workers = Workers(path.collector, self._queue, self._ledger, self._telemetry, deleter, self._gate)
        if self._gate is not None:
            self._gate.connect(self._workers.resume)
        self._heartbeat = Heartbeat(self._queue, self._ledger, self._watch, self._telemetry)
        self._receiver = Receiver(self._queue, self._workers, self._ledger, self._watch, self._telemetry)

    def _load_integrity(self, spec: PipelineSpec, clients: AwsClients) -> "Integrity | None":
        """Load what checks digest files only where that is asked for."""
        if spec.integrity is None:
            return None
        assembly = import_module("cloudtrail_collector.integrity_assembly")
        built: Integrity = assembly.build_integrity(
            spec, clients, self._ledger, self._telemetry, self._settings.look_seconds
        )
        return built

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
        self._setup.start()
        self._heartbeat.start()
        self._deleter.start()
        self._delivery.start()
        if self._integrity is not None:
            self._integrity.start()
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
        if self._gate is not None:
            self._gate.stop()
        self._deleter.hurry()
        self._delivery.hurry()
        waiting = [self._ledger.settle(message.id) for message in self._workers.take_waiting()]
        self._give_back([lease for lease in waiting if lease is not None])
        finish_by = deadline - min(RETURN_SECONDS, self._settings.drain_seconds / 2)
        # The running poll first: it would receive again what is given back, and count towards maxReceiveCount.
        while time.monotonic() < finish_by and not self._hurrying.is_set():
            self._receiver.join(0.1)
            if self._receiver.is_alive():
                continue
            self._give_back_waiting()
            if self._ledger.wait_until_idle(0.1):
                break
        self._heartbeat.stop()
        self._watch.stop()
        self._setup.stop()
        self._give_back(self._ledger.settle_unfinished())
        while self._receiver.is_alive() and time.monotonic() < deadline and not self._hurrying.is_set():
            self._receiver.join(0.1)
        # A message that the last poll handed over just before the stop.
        self._give_back(self._ledger.settle_unfinished())
        self._delivery.close(CLOSE_SECONDS)
        if undeleted := self._ledger.count_finished():
            self._telemetry.left_undeleted(undeleted)

    def _give_back_waiting(self) -> None:
        """Give back what waits for proof: that comes after hours."""
        waiting = [self._ledger.settle(message.id) for message in (self._gate.take_waiting() if self._gate else ())]
        self._give_back([lease for lease in waiting if lease is not None])

    def _give_back(self, leases: list[Lease]) -> None:
        return_messages(self._queue, self._telemetry, leases, reason="drain", delay=0)

    def _find_crashed(self) -> list[str]:
        parts = {
            "receiver": self._receiver.is_alive(),
            "workers": self._workers.are_alive(),
            "sinks": self._delivery.is_alive(),
            "deleter": self._deleter.is_alive(),
            "heartbeat": self._heartbeat.is_alive(),
            "watch": self._watch.is_alive(),
            "setup": self._setup.is_alive(),
        }
        if self._integrity is not None:
            parts["integrity"] = self._integrity.is_alive() or self._stopping.is_set()
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
    return Bounds(at_once=RECEIVE_LIMIT, in_work=in_work, on_way=MAX_ON_WAY, finished=MAX_FINISHED, in_all=in_all)
