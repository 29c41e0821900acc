"""What `GET /status` and `GET /samples` answer: counts, checks, the newest error and the last records delivered.

Written by telemetry from every thread, read by the HTTP server. Its size does not grow with what was seen.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from cloudtrail_collector import __version__
from cloudtrail_collector.core.bucket_health import BucketHealth
from cloudtrail_collector.core.doctor.findings import describe, summarize
from cloudtrail_collector.core.feedback import FeedbackWatch
from cloudtrail_collector.core.integrity.health import IntegrityHealth
from cloudtrail_collector.core.notification_health import NotificationHealth
from cloudtrail_collector.core.recent import Moment, Recent
from cloudtrail_collector.core.redrive import judge_redrive
from cloudtrail_collector.errors import AwsError, SinkError
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.integrity import IntegrityMode
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
    SetupFinding,
    SetupVerdict,
)

MAX_SAMPLES = 100
MAX_ERROR_KINDS = 1000
_DEPENDENCIES = (
    ConditionType.CREDENTIALS_VALID,
    ConditionType.QUEUE_REACHABLE,
    ConditionType.BUCKET_READABLE,
    ConditionType.SINKS_ACCEPTING,
)
_TOLD = frozenset({SetupVerdict.WRONG, SetupVerdict.NOT_ALLOWED})
# Answers of AWS that prove that it knows who asks.
_KNOWS_US = frozenset({Reason.ACCESS_DENIED, Reason.QUEUE_NOT_FOUND, Reason.BUCKET_NOT_FOUND})


class StatusBoard:
    """The present view of one running collector."""

    def __init__(
        self, *, mode: Mode, config_hash: str, no_objects_seconds: float, integrity: IntegrityMode | None = None
    ) -> None:
        self._mode = mode
        self._config_hash = config_hash
        self._lock = threading.Lock()
        self._started_at = datetime.now(UTC)
        self._state = CollectorState.STARTING
        self._counts: Counter[str] = Counter()
        self._checks = {
            kind: _build_check(kind, ConditionStatus.UNKNOWN, Reason.NOT_OBSERVED, "Not tried yet.")
            for kind in _DEPENDENCIES
        }
        self._bucket = BucketHealth()
        self._notifications = NotificationHealth(no_objects_seconds)
        self._feedback: FeedbackWatch | None = None
        self._integrity = IntegrityHealth(integrity) if integrity else None
        self._failing_sinks: dict[str, Check] = {}
        self._errors: Counter[tuple[str, str, str]] = Counter()
        self._last_error: LastError | None = None
        self._is_delete_refused = False
        self._last_receive_at: datetime | None = None
        self._last_event_time: datetime | None = None
        self._lag_seconds: int | None = None
        self._recent = Recent(_read_clocks())
        self._queue: QueueFigures | None = None
        self._setup: tuple[SetupFinding, ...] = ()
        self._samples: deque[bytes] = deque(maxlen=MAX_SAMPLES)

    # --- the process ---

    def set_state(self, state: CollectorState) -> bool:
        """Note what the collector does; tells whether that is news."""
        with self._lock:
            changed, self._state = self._state is not state, state
            return changed

    def add(self, **counts: int) -> None:
        """Add to counts, by name."""
        with self._lock:
            self._counts.update(counts)

    def set_leases(self, in_flight: int, held: int) -> None:
        """Note how many messages are in work, and how many are held."""
        with self._lock:
            self._counts["in_flight"], self._counts["held"] = in_flight, held

    # --- AWS ---

    def note_receive(self, count: int, oldest_age: float | None) -> None:
        """Note a receive that succeeded."""
        with self._lock:
            now = _read_clocks()
            self._last_receive_at = now.time
            self._counts["received"] += count
            if count:
                self._recent.note_messages(oldest_age, now)
            if not self._is_delete_refused:
                self._accept(ConditionType.QUEUE_REACHABLE, "Messages can be received.")

    def note_figures(self, figures: QueueFigures) -> None:
        """Note the queue's attributes."""
        with self._lock:
            self._queue = figures
            self._accept_credentials()

    def note_setup(self, findings: Sequence[SetupFinding]) -> list[SetupFinding]:
        """Note what was found of the set-up in AWS; returns the mistakes that are news."""
        with self._lock:
            known, self._setup = self._setup, tuple(findings)
            return [one for one in findings if one.verdict is SetupVerdict.WRONG and one not in known]

    def note_aws_error(self, failure: AwsError) -> None:
        """Note a failed request, and what it says about the credentials."""
        with self._lock:
            self._note_error(failure.action, failure.code, failure.resource, failure.message)
            if failure.reason is Reason.CREDENTIALS_REJECTED:
                self._refuse(ConditionType.CREDENTIALS_VALID, failure)
            elif failure.reason in _KNOWS_US:
                self._accept_credentials()

    def refuse_queue(self, failure: AwsError) -> None:
        """Note that the queue cannot be received from."""
        with self._lock:
            self._refuse(ConditionType.QUEUE_REACHABLE, failure)

    def refuse_deletes(self, failure: AwsError) -> None:
        """Note that finished messages cannot be deleted; that the queue can be received from does not outweigh it."""
        with self._lock:
            self._is_delete_refused = True
            self._refuse(ConditionType.QUEUE_REACHABLE, failure)

    def note_deleted(self) -> None:
        """Note that a message was deleted."""
        with self._lock:
            self._counts["deleted"] += 1
            self._is_delete_refused = False

    def accept_bucket(self) -> None:
        """Note that the bucket answered for a key that does not exist."""
        with self._lock:
            self._bucket = BucketHealth(ConditionStatus.TRUE)
            self._accept(ConditionType.BUCKET_READABLE, "The bucket answers reads.")

    def refuse_bucket(self, failure: AwsError) -> None:
        """Note that objects can certainly not be read."""
        with self._lock:
            self._refuse(ConditionType.BUCKET_READABLE, failure)

    def leave_bucket_open(self) -> None:
        """Note that S3 answers, but not whether objects may be read; an earlier probe's complaint no longer holds."""
        with self._lock:
            if self._bucket.status is not ConditionStatus.FALSE and not self._bucket.tried:
                message = "S3 answers; no object has been announced yet."
                self._set_check(ConditionType.BUCKET_READABLE, ConditionStatus.UNKNOWN, Reason.NOT_OBSERVED, message)

    def note_object_read(self) -> None:
        """Note that an object was read."""
        with self._lock:
            self._bucket = self._bucket.after_success()
            self._accept(ConditionType.BUCKET_READABLE, "Objects can be read.")

    def note_object_unread(self, key: str, failure: AwsError) -> None:
        """Note that an object could not be read; whether that says something about the bucket is decided here."""
        with self._lock:
            self._bucket = self._bucket.after_failure(key, failure.reason)
            if self._bucket.status is ConditionStatus.FALSE:
                self._refuse(ConditionType.BUCKET_READABLE, failure)

    # --- sinks and records ---

    def accept_sink(self, sink: str) -> None:
        """Note that a sink accepted a batch."""
        with self._lock:
            self._failing_sinks.pop(sink, None)
            self._update_sinks()

    def refuse_sink(self, failure: SinkError) -> None:
        """Note that a sink did not accept a batch."""
        message = f"Sink {failure.sink}: {failure.message}."
        check = _build_check(ConditionType.SINKS_ACCEPTING, ConditionStatus.FALSE, failure.reason, message)
        with self._lock:
            self._failing_sinks[failure.sink] = check
            self._update_sinks()
            self._note_error("deliver", failure.code, failure.sink, failure.message)

    def note_error(self, action: str, code: str, resource: str, message: str, *, kind: str | None = None) -> None:
        """Note the newest error. Errors of single files or messages are counted together as one `kind`."""
        with self._lock:
            self._note_error(action, code, resource, message, kind)

    def note_samples(self, samples: Iterable[bytes], times: Sequence[datetime]) -> None:
        """Note some of the records that all sinks accepted, and when their events happened."""
        with self._lock:
            self._samples.extend(samples)
            if times:
                newest = max(times)
                self._lag_seconds = max(0, int((datetime.now(UTC) - newest).total_seconds()))
                self._last_event_time = max(newest, self._last_event_time or newest)

    def note_events(self, count: int) -> None:
        """Note that event records were read, whatever becomes of them."""
        with self._lock:
            self._recent.note_events(count, _read_clocks())

    def note_dead_letters(self, count: int, reason: str) -> None:
        """Note that the dead-letter sink took events or files."""
        with self._lock:
            self._recent.note_dead_letters(count, reason, _read_clocks())

    def note_own_reads(self, samples: int, own_reads: int) -> None:
        """Note how many of some samples are the collector's own reads."""
        with self._lock:
            self._feedback = (self._feedback or FeedbackWatch()).after(samples, own_reads)

    # --- notifications ---

    def note_file(self) -> None:
        """Note that an announced log file was read."""
        with self._lock:
            now = _read_clocks()
            self._recent.note_object(now)
            if self._integrity is not None:
                self._integrity.note_log_file(now.time)
            self._notifications = self._notifications.after_read()

    def note_fruitless(self) -> None:
        """Note a message or object that brought nothing to read."""
        with self._lock:
            self._notifications = self._notifications.after_fruitless(time.monotonic())

    def complain(self, reason: Reason, message: str) -> None:
        """Note a message that cannot be right."""
        with self._lock:
            self._notifications = self._notifications.after_complaint(reason, message, time.monotonic())

    def note_integrity(self, note: Callable[[IntegrityHealth, datetime], None]) -> None:
        """Note something about integrity, where the source asks for that."""
        with self._lock:
            if self._integrity is not None:
                note(self._integrity, datetime.now(UTC))

    # --- answers ---

    @property
    def last_event_time(self) -> datetime | None:
        """Newest eventTime delivered."""
        with self._lock:
            return self._last_event_time

    def read_samples(self, limit: int) -> list[bytes]:
        """Return the newest delivered records, the newest last."""
        with self._lock:
            return list(self._samples)[-limit:] if limit > 0 else []

    def build_report(self) -> CollectorReport:
        """Build what `GET /status` answers."""
        with self._lock:
            now = _read_clocks()
            age = self._recent.find_oldest_age(now)
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
                messages=self._build_message_counts(),
                files=self._build_file_counts(),
                events=self._build_event_counts(),
                activity=self._recent.describe(now),
                integrity=self._integrity and self._integrity.describe(now.time),
                checks=(*self._checks.values(), *self._build_warnings()),
                setup=tuple(one for one in self._setup if one.verdict in _TOLD),
                last_error=self._last_error,
            )

    # --- inside; these expect the lock to be held ---

    def _build_message_counts(self) -> MessageCounts:
        count = self._counts
        return MessageCounts(
            received=count["received"],
            deleted=count["deleted"],
            returned=count["returned"],
            held=count["held"],
            in_flight=count["in_flight"],
        )

    def _build_file_counts(self) -> FileCounts:
        count = self._counts
        return FileCounts(
            read=count["files_read"],
            failed=count["files_failed"],
            skipped=count["skipped"],
            dead_lettered=count["files_dead_lettered"],
        )

    def _build_event_counts(self) -> EventCounts:
        count = self._counts
        return EventCounts(
            read=count["events_read"],
            filtered=count["filtered"],
            repeated=count["repeated"],
            unrouted=count["unrouted"],
            masked=count["masked"],
            emitted=count["emitted"],
            dead_lettered=count["dead_lettered"],
            failed=count["events_failed"],
        )

    def _build_warnings(self) -> list[Check]:
        checks = [
            _build_check(ConditionType.NOTIFICATIONS_ACCEPTED, *self._notifications.judge(time.monotonic())),
            _build_check(ConditionType.TEST_MODE_SAFE, *judge_redrive(self._queue)),
            _build_check(ConditionType.NO_SETUP_PROBLEM, *summarize(self._setup)),
        ]
        if self._feedback is not None:
            checks.append(_build_check(ConditionType.NO_FEEDBACK_LOOP, *self._feedback.judge()))
        return checks

    def _note_error(self, action: str, code: str, resource: str, message: str, kind: str | None = None) -> None:
        key = (action, code, kind or resource)
        if len(self._errors) >= MAX_ERROR_KINDS and key not in self._errors:
            self._errors.clear()
        self._errors[key] += 1
        self._last_error = LastError(
            time=datetime.now(UTC),
            action=action,
            code=code,
            resource=resource,
            message=message,
            count=self._errors[key],
        )

    def _accept(self, kind: ConditionType, message: str) -> None:
        self._set_check(kind, ConditionStatus.TRUE, Reason.SUCCEEDED, message)
        self._accept_credentials()

    def _accept_credentials(self) -> None:
        kind, message = ConditionType.CREDENTIALS_VALID, "AWS accepts the credentials."
        self._set_check(kind, ConditionStatus.TRUE, Reason.SUCCEEDED, message)

    def _refuse(self, kind: ConditionType, failure: AwsError) -> None:
        self._set_check(kind, ConditionStatus.FALSE, failure.reason, describe(failure))

    def _update_sinks(self) -> None:
        kind, message = ConditionType.SINKS_ACCEPTING, "Every sink accepted its last batch."
        accepting = _build_check(kind, ConditionStatus.TRUE, Reason.SUCCEEDED, message)
        self._checks[kind] = next(iter(self._failing_sinks.values()), accepting)

    def _set_check(self, kind: ConditionType, status: ConditionStatus, reason: Reason, message: str) -> None:
        self._checks[kind] = _build_check(kind, status, reason, message)


def _read_clocks() -> Moment:
    return Moment(time.monotonic(), datetime.now(UTC))


def _build_check(kind: ConditionType, status: ConditionStatus, reason: Reason, message: str) -> Check:
    return Check(type=kind, status=status, reason=reason, message=message)
