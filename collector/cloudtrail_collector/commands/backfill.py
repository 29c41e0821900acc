"""The command `backfill`: delivers the log files of an interval that are in the bucket, one share of a task.

It ends with 0 when the share is done, and says otherwise why, on standard error, in its progress and as the container's
termination message.
"""

import hashlib
import json
import logging
import os
import signal
import sys
import threading
import time
import uuid
from argparse import Namespace
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from pydantic import ValidationError

from cloudtrail_collector.adapters.aws import AwsClients, prepare_environment
from cloudtrail_collector.adapters.kube_api import KubeApi, find_access
from cloudtrail_collector.adapters.progress_config_map import ProgressConfigMap
from cloudtrail_collector.adapters.progress_file import ProgressFile
from cloudtrail_collector.adapters.s3 import S3Objects
from cloudtrail_collector.adapters.s3_listing import BucketListings
from cloudtrail_collector.assembly import RecordPath, build_record_path, tune_malloc
from cloudtrail_collector.core.backfill.work import build_pipeline, build_work
from cloudtrail_collector.core.event_metrics import list_series
from cloudtrail_collector.core.sampling import OwnReads
from cloudtrail_collector.errors import (
    AwsError,
    CollectorError,
    ConfigurationError,
    SecretMissingError,
    ShareLostError,
)
from cloudtrail_collector.health import HttpServer, Sources
from cloudtrail_collector.logs import LOGGER_NAME, start_logging
from cloudtrail_collector.metrics import Metrics
from cloudtrail_collector.pipeline.backfill import GaveUpError, Parts, ShareRun, is_permanent
from cloudtrail_collector.pipeline.backfill_facts import BackfillTelemetry
from cloudtrail_collector.pipeline.backfill_listing import ShareListing
from cloudtrail_collector.pipeline.checkpoint import Checkpoint
from cloudtrail_collector.pipeline.object_delivery import ObjectDelivery
from cloudtrail_collector.pipeline.retrying import Retrying, StoppedError
from cloudtrail_collector.ports import ProgressStore
from cloudtrail_collector.settings import Settings, read_settings
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_spec.arn import Arn
from cloudtrail_spec.backfill_task import BackfillTask
from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.report import CollectorState

log = logging.getLogger(LOGGER_NAME)

CLOSE_SECONDS = 2.0
TICK_SECONDS = 0.2
# The kubelet takes no more.
MAX_MESSAGE_BYTES = 4096


class Ending(IntEnum):
    """The exit codes, by what whoever started the worker should do next."""

    DONE = 0
    UNFINISHED = 1
    """It could not go on, for a reason that may pass: start it again."""
    WRONG_USE = 2
    """Arguments, task or environment are wrong."""
    REFUSED = 3
    """AWS, or a sink, refuses: a person must change something first."""
    REPLACED = 4
    """Another worker has the share."""
    STOPPED = 143
    """SIGTERM, before the share was done: start it again."""


@dataclass(frozen=True, slots=True)
class _Assignment:
    """The task, the hash of its file, and the share."""

    task: BackfillTask
    digest: str
    share: int


def run_backfill(options: Namespace) -> int:
    """Run the command; returns the exit code."""
    try:
        settings = read_settings(os.environ)
        assignment = _read_assignment(options)
        start_logging(settings.log_level)
        tune_malloc()
        worker = _Worker(assignment, settings, _find_store(options, assignment))
    except (ConfigurationError, SecretMissingError, ValueError) as error:
        errors = error.errors if isinstance(error, ConfigurationError) else (str(error),)
        print(*errors, sep="\n", file=sys.stderr)  # noqa: T201  (a command's answer)
        _leave_message("; ".join(errors))
        return Ending.WRONG_USE
    return worker.run()


def _read_assignment(options: Namespace) -> _Assignment:
    path: Path = options.task
    try:
        content = path.read_bytes()
        task = BackfillTask.model_validate_json(content)
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror or error}"]) from error
    except ValidationError as error:
        raise ConfigurationError([line.removeprefix(": ") for line in describe_errors(error, root="")]) from error
    text = str(options.share if options.share is not None else os.environ.get("JOB_COMPLETION_INDEX", ""))
    if not (text.isascii() and text.isdigit() and int(text) < task.shares):
        where = "" if text else "; name it with --share or JOB_COMPLETION_INDEX"
        raise ConfigurationError([f"share {text!r}: must be a whole number below {task.shares}{where}"])
    return _Assignment(task, hashlib.sha256(content).hexdigest(), int(text))


def _find_store(options: Namespace, assignment: _Assignment) -> ProgressStore:
    if options.progress is not None:
        return ProgressFile(options.progress)
    access = find_access(os.environ)
    return ProgressConfigMap(KubeApi(access), access.namespace, assignment.task.name_progress(assignment.share))


class _Worker:
    """Puts the parts together, runs the share in a thread, and ends in order when told to."""

    def __init__(self, assignment: _Assignment, settings: Settings, store: ProgressStore) -> None:
        task, spec = assignment.task, build_pipeline(assignment.task)
        self._assignment = assignment
        self._settings = settings
        self._stopping = threading.Event()
        self._hurrying = threading.Event()
        prepare_environment(os.environ, spec, settings.source)
        board = StatusBoard(
            mode=Mode.ACTIVE, config_hash=assignment.digest, no_objects_seconds=settings.no_objects_seconds
        )
        metrics = Metrics(
            filters=[rule.name for rule in spec.filters],
            sinks=[sink.name for sink in spec.all_sinks],
            matches=list_series(spec.metrics),
        )
        clients = AwsClients(spec, connections=settings.workers + 2)
        own_reads = OwnReads(clients.role_arn, spec.buckets) if clients.role_arn else None
        self._telemetry = BackfillTelemetry(metrics, board, own_reads)
        self._sources = Sources(board, metrics.registry, self._find_dead, self._find_unready)
        self._path: RecordPath = build_record_path(spec, settings, S3Objects(clients, spec), self._telemetry)
        self._objects = ObjectDelivery(self._path.collector, self._telemetry)
        listings = BucketListings(clients.s3, Arn.parse(spec.queue_arn).partition, self._telemetry.listed)
        work = build_work(task, spec, assignment.share)
        holder = f"{os.environ.get('HOSTNAME', 'worker')}/{uuid.uuid4().hex[:8]}"
        self._checkpoint = Checkpoint(store, holder, self._stopping)
        listing = ShareListing(work, listings, Retrying(self._stopping, self._telemetry.listing_failed))
        parts = Parts(listing, self._objects, self._checkpoint, self._telemetry)
        self._run_of_share = ShareRun(work, parts, self._stopping)
        self._ending = Ending.STOPPED
        self._thread = threading.Thread(target=self._work, name="backfill", daemon=True)

    def run(self) -> int:
        """Start everything, wait for the share's end or a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._on_signal())
        try:
            server = HttpServer(self._settings.listen_host, self._settings.listen_port, self._sources)
        except OSError as error:
            where = f"{self._settings.listen_host}:{self._settings.listen_port}"
            log.error("cannot listen", extra={"fields": {"address": where, "error": error.strerror}})
            return Ending.UNFINISHED
        server.start()
        fields = {"source": self._settings.source, "share": self._assignment.share, "port": server.port}
        log.info("started", extra={"fields": fields})
        if self._assignment.task.pipeline.integrity is not None:
            log.warning("a backfill does not check digest files: `verify` does, for the same interval")
        self._path.delivery.start()
        self._objects.start(self._settings.workers)
        self._thread.start()
        self._wait()
        self._path.delivery.close(CLOSE_SECONDS)
        server.stop()
        log.info("stopped", extra={"fields": {"ending": self._ending.name}})
        return self._ending

    def _wait(self) -> None:
        """Wait for the end of the share. After SIGTERM the step in work may end in time; else it is repeated later."""
        while self._thread.is_alive() and not self._stopping.is_set():
            self._thread.join(TICK_SECONDS)
        if not self._thread.is_alive():
            return
        self._telemetry.state_changed(CollectorState.DRAINING)
        self._path.delivery.hurry()
        deadline = time.monotonic() + self._settings.drain_seconds - CLOSE_SECONDS
        while self._thread.is_alive() and time.monotonic() < deadline and not self._hurrying.is_set():
            self._thread.join(TICK_SECONDS)

    def _on_signal(self) -> None:
        (self._hurrying if self._stopping.is_set() else self._stopping).set()

    def _work(self) -> None:
        try:
            self._ending = self._work_to_an_end()
        except Exception as error:  # noqa: BLE001  (a thread's boundary)
            self._telemetry.crashed("backfill", error)
            self._ending = Ending.UNFINISHED
            _leave_message(f"unexpected error, see the log: {error}")

    def _work_to_an_end(self) -> Ending:
        try:
            noted = self._checkpoint.claim(self._assignment.digest, self._assignment.share)
            self._telemetry.state_changed(CollectorState.BACKFILLING)
            done = self._run_of_share.run(noted)
        except StoppedError:
            return Ending.STOPPED
        except ShareLostError as error:
            return self._end(Ending.REPLACED, error)
        except (AwsError, GaveUpError) as error:
            return self._give_up(error)
        except CollectorError as error:
            return self._end(Ending.UNFINISHED, error)
        counts = json.loads(done.model_dump_json(by_alias=True, include={"objects", "events"}))
        log.info("the share is done", extra={"fields": counts})
        return Ending.DONE

    def _give_up(self, error: AwsError | GaveUpError) -> Ending:
        """Note what stands in the way, where that can be noted."""
        try:
            self._run_of_share.note_failure(error)
        except CollectorError as unnoted:
            log.warning("the reason was not noted", extra={"fields": {"error": str(unnoted)}})
        return self._end(Ending.REFUSED if is_permanent(error) else Ending.UNFINISHED, error)

    def _end(self, ending: Ending, error: Exception) -> Ending:
        log.error("the worker gives up", extra={"fields": {"ending": ending.name, "error": str(error)}})
        _leave_message(str(error))
        return ending

    def _find_dead(self) -> list[str]:
        if self._stopping.is_set() or not self._thread.ident or not self._thread.is_alive():
            return []
        parts = {"workers": self._objects.are_alive(), "sinks": self._path.delivery.is_alive()}
        return [name for name, alive in parts.items() if not alive]

    def _find_unready(self) -> list[str]:
        return ["draining"] if self._stopping.is_set() else self._find_dead()


def _leave_message(text: str) -> None:
    """Write the container's termination message, where there is a place for it."""
    path = Path(os.environ.get("CLOUDTRAIL_TERMINATION_LOG") or "/dev/termination-log")
    try:
        if path.exists():
            path.write_bytes(text.encode()[:MAX_MESSAGE_BYTES])
    except OSError as error:
        log.info("no termination message", extra={"fields": {"error": str(error)}})
