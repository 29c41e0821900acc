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
from collections.abc import Mapping

from cloudtrail_collector.adapters.aws import AwsClients, prepare_environment
from cloudtrail_collector.adapters.s3 import S3Objects
from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.adapters.sinks.build import build_sink
from cloudtrail_collector.adapters.sqs import SqsQueue
from cloudtrail_collector.adapters.sqs_caller import SqsCaller
from cloudtrail_collector.core.event_metrics import list_series
from cloudtrail_collector.core.formats import FormatEvent, build_format
from cloudtrail_collector.core.masking import compile_masks
from cloudtrail_collector.core.parcels import Outlet
from cloudtrail_collector.core.sampling import OwnReads
from cloudtrail_collector.core.selection import RecordSelector, SelectionRules
from cloudtrail_collector.core.sinks.batch_defaults import count_senders, find_limits
from cloudtrail_collector.core.visibility import Lease
from cloudtrail_collector.errors import SecretMissingError
from cloudtrail_collector.health import HttpServer, Sources
from cloudtrail_collector.logs import LOGGER_NAME
from cloudtrail_collector.metrics import Metrics
from cloudtrail_collector.pipeline.budget import MemoryBudget
from cloudtrail_collector.pipeline.collect import MessageCollector
from cloudtrail_collector.pipeline.dedupe import DeliveredIds
from cloudtrail_collector.pipeline.deletion import Deleter
from cloudtrail_collector.pipeline.deliver import Delivery
from cloudtrail_collector.pipeline.feed import FeedSettings, SinkFeed
from cloudtrail_collector.pipeline.file_delivery import FileDelivery
from cloudtrail_collector.pipeline.heartbeat import Heartbeat
from cloudtrail_collector.pipeline.ledger import Bounds, Ledger
from cloudtrail_collector.pipeline.poll import PARALLEL_RECEIVES, RECEIVE_LIMIT, Receiver
from cloudtrail_collector.pipeline.returning import return_messages
from cloudtrail_collector.pipeline.watch import QueueWatch
from cloudtrail_collector.pipeline.work import Workers
from cloudtrail_collector.settings import Configuration, Settings
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.formats import EventFormat, RawOptions
from cloudtrail_spec.pipeline import Mode, PipelineSpec
from cloudtrail_spec.report import CollectorState
from cloudtrail_spec.sinks import RetrySettings, SinkTarget

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
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# Larger buffers are those of files that are read in pieces: they go back at once.
BUFFER_BYTES = 16 * 1024 * 1024


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
            mode=spec.mode, config_hash=configuration.digest, no_objects_seconds=settings.no_objects_seconds
        )
        self._metrics = Metrics(
            filters=[rule.name for rule in spec.filters],
            sinks=[sink.name for sink in spec.all_sinks],
            matches=list_series(spec.metrics),
        )
        clients = AwsClients(spec, connections=settings.workers + 12)
        own_reads = OwnReads(clients.role_arn, spec.buckets) if clients.role_arn else None
        self._telemetry = Telemetry(self._metrics, self._board, own_reads)
        self._queue = SqsQueue(SqsCaller(clients, self._telemetry.aws_answered), spec)
        store = S3Objects(clients, spec)
        self._ledger = Ledger(_build_bounds(spec, settings.workers), self._telemetry)
        self._watch = QueueWatch(spec, self._queue, store, self._telemetry)
        secrets = SecretFiles(settings.secrets_directory)
        masker = compile_masks(spec.mask, secrets.read)
        feeds = {sink.name: self._build_feed(sink, secrets) for sink in spec.all_sinks}
        dead_letters = feeds[spec.dead_letter_sink.name] if spec.dead_letter_sink else None
        self._delivery = Delivery([feeds[sink.name] for sink in spec.sinks], dead_letters)
        delivered = None if spec.dedupe is None else DeliveredIds(spec.dedupe.window_size)
        rules = SelectionRules(spec.filters, [sink.field_selectors for sink in spec.sinks], spec.metrics)
        collector = MessageCollector(
            spec,
            store,
            RecordSelector(rules, masker, None if delivered is None else delivered.is_known),
            FileDelivery(_build_outlets(spec, feeds, settings.source), self._delivery, delivered, self._telemetry),
            MemoryBudget(self._delivery.flush),
            self._telemetry,
        )
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
        self._delivery.start()
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
        self._delivery.hurry()
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
        self._delivery.close(CLOSE_SECONDS)
        if undeleted := self._ledger.count_finished():
            self._telemetry.left_undeleted(undeleted)

    def _build_feed(self, spec: SinkTarget, secrets: SecretFiles) -> SinkFeed:
        settings = FeedSettings(find_limits(spec), spec.retry or RetrySettings(), count_senders(spec))
        return SinkFeed(build_sink(spec, secrets), settings, self._telemetry)

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


def _build_outlets(spec: PipelineSpec, feeds: Mapping[str, SinkFeed], source: str) -> list[Outlet]:
    """Build an outlet for each sink; sinks of one format share it, so that an event is formatted once."""
    formats: dict[tuple[EventFormat, RawOptions], FormatEvent | None] = {}
    outlets = []
    for sink in spec.sinks:
        wanted = (sink.format or spec.format, sink.raw or spec.raw or RawOptions())
        if wanted not in formats:
            formats[wanted] = build_format(*wanted, source)
        outlets.append(Outlet(sink.name, formats[wanted], feeds[sink.name].sink.wants_envelopes))
    return outlets


def _build_bounds(spec: PipelineSpec, workers: int) -> Bounds:
    """Let full receives wait while every worker is busy; waiting messages cost a heartbeat, not memory."""
    in_all = spec.test_settings.max_messages if spec.mode is Mode.TEST else None
    in_work = workers + RECEIVE_LIMIT * PARALLEL_RECEIVES
    return Bounds(at_once=RECEIVE_LIMIT, in_work=in_work, on_way=MAX_ON_WAY, finished=MAX_FINISHED, in_all=in_all)


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
