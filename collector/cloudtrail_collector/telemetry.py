"""One function per fact: it writes a log line, moves a metric, and keeps what `GET /status` answers.

Called from every thread. Nothing here decides anything about messages.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from cloudtrail_collector import __version__
from cloudtrail_collector.core.bucket_health import BucketHealth
from cloudtrail_collector.errors import AwsError, SinkError
from cloudtrail_collector.logs import LOGGER_NAME
from cloudtrail_collector.metrics import ERROR_CODES, Metrics
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.report import (
    Check,
    CollectorReport,
    CollectorState,
    EventCounts,
    FileCounts,
    LastError,
    MessageCounts,
    QueueFigures,
)

MAX_SAMPLES = 100
MAX_ERROR_KINDS = 1000
_DEPENDENCIES = (
    ConditionType.CREDENTIALS_VALID,
    ConditionType.QUEUE_REACHABLE,
    ConditionType.BUCKET_READABLE,
    ConditionType.SINKS_ACCEPTING,
)

log = logging.getLogger(LOGGER_NAME)


def _now() -> datetime:
    return datetime.now(UTC)


class Telemetry:
    """Facts about one running collector."""

    def __init__(self, *, metrics: Metrics, mode: Mode, config_hash: str) -> None:
        self.metrics = metrics
        self.metrics.build_info.labels(__version__).set(1)
        self._mode = mode
        self._config_hash = config_hash
        self._lock = threading.Lock()
        self._started_at = _now()
        self._state = CollectorState.STARTING
        self._counts: Counter[str] = Counter()
        self._checks = {
            kind: Check(type=kind, status=ConditionStatus.UNKNOWN, reason=Reason.NOT_OBSERVED, message="Not tried yet.")
            for kind in _DEPENDENCIES
        }
        self._bucket = BucketHealth()
        self._failing_sinks: dict[str, Check] = {}
        self._errors: Counter[tuple[str, str, str]] = Counter()
        self._last_error: LastError | None = None
        self._last_receive_at: datetime | None = None
        self._last_event_time: datetime | None = None
        self._lag_seconds: int | None = None
        self._oldest_age: float | None = None
        self._queue: QueueFigures | None = None
        self._samples: deque[bytes] = deque(maxlen=MAX_SAMPLES)

    # --- the process ---

    def state_changed(self, state: CollectorState) -> None:
        """The collector begins to do something else."""
        with self._lock:
            changed, self._state = self._state is not state, state
        if changed:
            log.info("state changed", extra={"fields": {"state": state.value}})

    def crashed(self, what: str, error: Exception) -> None:
        """A part met an error that nobody foresaw; the traceback is logged."""
        log.error("unexpected error", exc_info=error, extra={"fields": {"part": what}})

    # --- the queue ---

    def received(self, count: int, oldest_age: float | None) -> None:
        """A receive succeeded."""
        self.metrics.received.inc(count)
        if not count:
            self.metrics.receive_empty.inc()
        self.metrics.oldest_age.set(oldest_age or 0)
        with self._lock:
            self._last_receive_at, self._oldest_age = _now(), oldest_age
            self._counts["received"] += count
            self._set_check(
                ConditionType.QUEUE_REACHABLE, ConditionStatus.TRUE, Reason.SUCCEEDED, "Messages can be received."
            )
            self._accept_credentials()

    def receive_failed(self, failure: AwsError, delay: float) -> None:
        """A receive failed; the next try comes after `delay` seconds."""
        self._aws_failed(failure, "receive failed", {"retry_in_seconds": round(delay, 1)})
        with self._lock:
            self._set_check(ConditionType.QUEUE_REACHABLE, ConditionStatus.FALSE, failure.reason, f"{failure}.")

    def figures_read(self, figures: QueueFigures) -> None:
        """The queue's attributes were read."""
        self.metrics.queue_visible.set(figures.visible)
        self.metrics.queue_in_flight.set(figures.in_flight)
        with self._lock:
            self._queue = figures
            self._accept_credentials()

    def figures_failed(self, failure: AwsError) -> None:
        """The queue's attributes could not be read; collecting goes on without."""
        self._aws_failed(failure, "queue attributes are not readable", {})

    def consumed(self, message_id: str, reason: str) -> None:
        """A message announced nothing that could be read."""
        self.metrics.consumed.labels(reason).inc()
        log.info("message announces nothing to read", extra={"fields": {"messageId": message_id, "reason": reason}})

    def unparseable(self, message_id: str, error: Exception) -> None:
        """A message is in no known form; it stays in the queue."""
        with self._lock:
            self._note_error("parse", "Unparseable", message_id, str(error), kind="message")
        fields = {"messageId": message_id, "error": str(error)}
        log.warning("message is in no known form and stays in the queue", extra={"fields": fields})

    def deleted(self, sent_at: float | None) -> None:
        """A message is done and was deleted."""
        self.metrics.deleted.inc()
        if sent_at is not None:
            self.metrics.delivery_lag.observe(max(0.0, time.time() - sent_at))
        self._count("deleted")

    def delete_failed(self, message_id: str, failure: AwsError) -> None:
        """A message is done but could not be deleted: it will be received and delivered again."""
        self.metrics.lost.inc()
        self._aws_failed(failure, "message is done but was not deleted", {"messageId": message_id})

    def returned(self, message_id: str, reason: str, delay: int) -> None:
        """A message goes back to the queue, visible after `delay` seconds."""
        self.metrics.returned.labels(reason).inc()
        self._count("returned")
        fields = {"messageId": message_id, "reason": reason, "visible_in_seconds": delay}
        log.info("message returned", extra={"fields": fields})

    def visibility_failed(self, failure: AwsError) -> None:
        """Invisibility could not be changed; messages may be received twice."""
        self._aws_failed(failure, "visibility was not changed", {})

    def leases_counted(self, in_flight: int, held: int) -> None:
        """The number of messages in work and of messages held has changed."""
        self.metrics.messages_in_flight.set(in_flight)
        self.metrics.messages_held.set(held)
        with self._lock:
            self._counts["in_flight"], self._counts["held"] = in_flight, held

    # --- the bucket ---

    def bucket_probed(self) -> None:
        """S3 answered for a key that does not exist, so the bucket may be read."""
        with self._lock:
            self._bucket = BucketHealth(ConditionStatus.TRUE)
            self._set_check(
                ConditionType.BUCKET_READABLE, ConditionStatus.TRUE, Reason.SUCCEEDED, "The bucket answers reads."
            )
            self._accept_credentials()

    def bucket_probe_failed(self, failure: AwsError) -> None:
        """The probe tells for certain that objects cannot be read."""
        self._aws_failed(failure, "the bucket is not readable", {})
        with self._lock:
            self._set_check(ConditionType.BUCKET_READABLE, ConditionStatus.FALSE, failure.reason, f"{failure}.")

    def bucket_probe_inconclusive(self) -> None:
        """S3 answers, but not whether objects may be read; an earlier probe's complaint no longer holds."""
        with self._lock:
            if self._bucket.status is not ConditionStatus.FALSE and not self._bucket.tried:
                message = "S3 answers; no object has been announced yet."
                self._set_check(ConditionType.BUCKET_READABLE, ConditionStatus.UNKNOWN, Reason.NOT_OBSERVED, message)

    def file_fetched(self, size: int) -> None:
        """An object was read."""
        self.metrics.compressed.inc(size)
        with self._lock:
            self._bucket = self._bucket.after_success()
            self._set_check(
                ConditionType.BUCKET_READABLE, ConditionStatus.TRUE, Reason.SUCCEEDED, "Objects can be read."
            )
            self._accept_credentials()

    def fetch_failed(self, key: str, failure: AwsError) -> None:
        """An object could not be read."""
        self._aws_failed(failure, "object was not read", {"key": key})
        with self._lock:
            self._bucket = self._bucket.after_failure(key, failure.reason)
            if self._bucket.status is ConditionStatus.FALSE:
                self._set_check(ConditionType.BUCKET_READABLE, ConditionStatus.FALSE, failure.reason, f"{failure}.")

    def file_skipped(self, bucket: str, key: str, reason: str) -> None:
        """An announced object is not one that is read."""
        self.metrics.files.labels("skipped", reason).inc()
        self._count("skipped")
        log.info("object skipped", extra={"fields": {"bucket": bucket, "key": key, "reason": reason}})

    def other_bucket(self, bucket: str, expected: str) -> None:
        """A message announces an object of a bucket that this source does not read."""
        message = f"The queue announces objects of bucket {bucket}, which are not read: spec.bucket is {expected}."
        with self._lock:
            self._note_error("s3:GetObject", "OtherBucket", bucket, message)

    def file_failed(self, key: str, reason: str, error: Exception) -> None:
        """An object was not delivered; its message stays in the queue."""
        self.metrics.files.labels("failed", reason).inc()
        with self._lock:
            self._counts["files_failed"] += 1
            if reason not in {"aws", "sink"}:
                self._note_error("decode", reason, key, str(error), kind="file")
        log.warning("object failed", extra={"fields": {"key": key, "reason": reason, "error": str(error)}})

    def file_read(self, size: int, records: int) -> None:
        """A log file was taken apart."""
        self.metrics.files.labels("read", "").inc()
        self.metrics.uncompressed.inc(size)
        self.metrics.events_read.inc(records)
        with self._lock:
            self._counts["files_read"] += 1
            self._counts["events_read"] += records

    # --- event records ---

    def record_undecodable(self, key: str, index: int, error: Exception) -> None:
        """A record cannot be read by a JSON parser; its bytes are delivered as they are."""
        self.metrics.failed.labels("undecodable").inc()
        with self._lock:
            self._counts["events_failed"] += 1
            self._note_error("decode", "undecodable", key, f"record {index}: {error}", kind="record")
        log.warning("record is not readable", extra={"fields": {"key": key, "index": index, "error": str(error)}})

    def records_not_delivered(self, count: int) -> None:
        """A sink did not accept the records of a file; they come again with its message."""
        self.metrics.failed.labels("sink").inc(count)
        with self._lock:
            self._counts["events_failed"] += count

    def filtered(self, by_rule: Mapping[str, int]) -> None:
        """Filter rules dropped records of a file."""
        for rule, count in by_rule.items():
            self.metrics.filtered.labels(rule).inc(count)
        with self._lock:
            self._counts["filtered"] += sum(by_rule.values())

    def sink_accepted(self, sink: str, count: int) -> None:
        """A sink accepted a batch."""
        self.metrics.emitted.labels(sink).inc(count)
        with self._lock:
            self._failing_sinks.pop(sink, None)
            self._update_sinks()

    def sink_failed(self, failure: SinkError, count: int) -> None:
        """A sink did not accept a batch; the messages stay in the queue."""
        with self._lock:
            self._failing_sinks[failure.sink] = Check(
                type=ConditionType.SINKS_ACCEPTING,
                status=ConditionStatus.FALSE,
                reason=failure.reason,
                message=f"Sink {failure.sink}: {failure.message}.",
            )
            self._update_sinks()
            self._note_error("deliver", failure.code, failure.sink, failure.message)
        fields = {"sink": failure.sink, "code": failure.code, "error": failure.message, "records": count}
        log.warning("sink did not accept a batch", extra={"fields": fields})

    def emitted(self, lines: Iterable[bytes], count: int, newest: datetime | None) -> None:
        """All sinks accepted the records of a file, `count` of them readable."""
        now = _now()
        with self._lock:
            self._counts["emitted"] += count
            self._samples.extend(lines)
            if newest is None:
                return
            self._lag_seconds = max(0, int((now - newest).total_seconds()))
            self._last_event_time = max(newest, self._last_event_time or newest)
            self.metrics.event_age.observe(self._lag_seconds)
            self.metrics.last_event.set(self._last_event_time.timestamp())

    # --- answers ---

    def read_samples(self, limit: int) -> list[bytes]:
        """Return the newest delivered records, the newest last."""
        with self._lock:
            return list(self._samples)[-limit:] if limit > 0 else []

    def build_report(self) -> CollectorReport:
        """Build what `GET /status` answers."""
        with self._lock:
            count = self._counts
            age = None if self._oldest_age is None else int(self._oldest_age)
            return CollectorReport(
                version=__version__,
                config_hash=self._config_hash,
                mode=self._mode,
                state=self._state,
                started_at=self._started_at,
                last_receive_at=self._last_receive_at,
                last_event_time=self._last_event_time,
                lag_seconds=self._lag_seconds,
                queue=self._queue and self._queue.model_copy(update={"oldest_age_seconds": age}),
                messages=MessageCounts(
                    received=count["received"],
                    deleted=count["deleted"],
                    returned=count["returned"],
                    held=count["held"],
                    in_flight=count["in_flight"],
                ),
                files=FileCounts(read=count["files_read"], failed=count["files_failed"], skipped=count["skipped"]),
                events=EventCounts(
                    read=count["events_read"],
                    filtered=count["filtered"],
                    emitted=count["emitted"],
                    failed=count["events_failed"],
                ),
                checks=tuple(self._checks.values()),
                last_error=self._last_error,
            )

    # --- inside; these expect the lock to be held ---

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def _aws_failed(self, failure: AwsError, what: str, fields: Mapping[str, object]) -> None:
        service, _, operation = failure.action.partition(":")
        code = failure.code if failure.code in ERROR_CODES else "Other"
        self.metrics.aws_errors.labels(service, operation, code).inc()
        with self._lock:
            self._note_error(failure.action, failure.code, failure.resource, failure.message)
            if failure.reason is Reason.CREDENTIALS_REJECTED:
                self._set_check(ConditionType.CREDENTIALS_VALID, ConditionStatus.FALSE, failure.reason, f"{failure}.")
            elif failure.reason in {Reason.ACCESS_DENIED, Reason.QUEUE_NOT_FOUND, Reason.BUCKET_NOT_FOUND}:
                self._accept_credentials()
        about = {"action": failure.action, "code": failure.code, "resource": failure.resource, "error": failure.message}
        log.warning(what, extra={"fields": {**about, **fields}})

    def _note_error(self, action: str, code: str, resource: str, message: str, kind: str | None = None) -> None:
        # Errors of single files and messages are counted together: the table must not grow with the objects seen.
        key = (action, code, kind or resource)
        if len(self._errors) >= MAX_ERROR_KINDS and key not in self._errors:
            self._errors.clear()
        self._errors[key] += 1
        self._last_error = LastError(
            time=_now(), action=action, code=code, resource=resource, message=message, count=self._errors[key]
        )

    def _accept_credentials(self) -> None:
        self._set_check(
            ConditionType.CREDENTIALS_VALID, ConditionStatus.TRUE, Reason.SUCCEEDED, "AWS accepts the credentials."
        )

    def _update_sinks(self) -> None:
        failing = next(iter(self._failing_sinks.values()), None)
        accepting = Check(
            type=ConditionType.SINKS_ACCEPTING,
            status=ConditionStatus.TRUE,
            reason=Reason.SUCCEEDED,
            message="Every sink accepted its last batch.",
        )
        self._checks[ConditionType.SINKS_ACCEPTING] = failing or accepting

    def _set_check(self, kind: ConditionType, status: ConditionStatus, reason: Reason, message: str) -> None:
        self._checks[kind] = Check(type=kind, status=status, reason=reason, message=message)
