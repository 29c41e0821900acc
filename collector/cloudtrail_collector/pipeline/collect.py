"""One message: parse, then for each object fetch, decode, filter, deliver. What to do with the message is the outcome."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cloudtrail_collector.core.event_filter import EventFilter, UndecodableRecordError
from cloudtrail_collector.core.log_file import LogFileRejectedError, decompress, split_records
from cloudtrail_collector.core.notification import ObjectRef, UnknownNotificationError, parse_notification
from cloudtrail_collector.core.object_key import KeyKind, classify_key
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.pipeline.deliver import deliver_lines
from cloudtrail_collector.ports import Message, ObjectStore, Sink
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import MissingObjectPolicy, PipelineSpec


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message: done, or else the reason why it goes back to the queue."""

    failed: str | None = None


@dataclass(frozen=True, slots=True)
class _Selection:
    """The lines of a log file that leave; `undecodable` of them went past the filters unread."""

    lines: list[bytes]
    undecodable: int
    newest: datetime | None


class MessageCollector:
    """Collects what messages announce; used by all workers at once."""

    def __init__(self, spec: PipelineSpec, store: ObjectStore, sinks: Sequence[Sink], telemetry: Telemetry) -> None:
        self._bucket = spec.bucket
        self._prefix = spec.prefix
        self._policy = spec.objects_policy
        self._store = store
        self._sinks = sinks
        self._filter = EventFilter(spec.filters)
        self._telemetry = telemetry

    def collect(self, message: Message) -> Outcome:
        """Deliver everything that a message announces. A failing object does not keep the others from delivery."""
        try:
            notification = parse_notification(message.body)
        except UnknownNotificationError as error:
            self._telemetry.unparseable(message.id, error)
            return Outcome("unparseable")
        if notification.consumed is not None:
            self._telemetry.consumed(message.id, notification.consumed.value)
        failures = [self._collect_object(reference) for reference in notification.objects]
        return Outcome(next((failure for failure in failures if failure), None))

    def _collect_object(self, reference: ObjectRef) -> str | None:
        """Deliver one object; returns why it is not done."""
        if reference.bucket != self._bucket:
            self._telemetry.file_skipped(reference.bucket, reference.key, "other_bucket")
            self._telemetry.other_bucket(reference.bucket, self._bucket)
            return "other_bucket"
        kind = classify_key(reference.key, self._prefix)
        if kind is not KeyKind.LOG_FILE:
            self._telemetry.file_skipped(reference.bucket, reference.key, kind.value)
            return None
        try:
            body = self._store.fetch(reference.key)
        except AwsError as failure:
            return self._judge_missing(reference, failure)
        self._telemetry.file_fetched(len(body))
        return self._deliver_file(reference.key, body)

    def _judge_missing(self, reference: ObjectRef, failure: AwsError) -> str | None:
        if failure.reason is Reason.OBJECT_NOT_FOUND and self._policy.missing is MissingObjectPolicy.DROP:
            self._telemetry.file_skipped(reference.bucket, reference.key, "missing_dropped")
            return None
        self._telemetry.fetch_failed(reference.key, failure)
        self._telemetry.file_failed(reference.key, "aws", failure)
        return "aws"

    def _deliver_file(self, key: str, body: bytes) -> str | None:
        try:
            text = decompress(body, self._policy.max_uncompressed_bytes)
            records = split_records(text)
        except LogFileRejectedError as error:
            self._telemetry.file_failed(key, error.reason.value, error)
            return "rejected"
        self._telemetry.file_read(len(text), len(records))
        selection = self._select(key, records)
        readable = len(selection.lines) - selection.undecodable
        failure = deliver_lines(self._sinks, self._telemetry, selection.lines)
        if failure is not None:
            self._telemetry.records_not_delivered(readable)
            self._telemetry.file_failed(key, "sink", failure)
            return "sink"
        self._telemetry.emitted(selection.lines, readable, selection.newest)
        return None

    def _select(self, key: str, records: Sequence[bytes]) -> _Selection:
        lines: list[bytes] = []
        dropped: Counter[str] = Counter()
        undecodable, newest = 0, ""
        for index, record in enumerate(records):
            try:
                verdict = self._filter.decide(record)
            except UndecodableRecordError as error:
                # What cannot be read cannot be judged: rather one line too many than one lost.
                self._telemetry.record_undecodable(key, index, error)
                undecodable += 1
                lines.append(record)
                continue
            if verdict.dropped_by is not None:
                dropped[verdict.dropped_by] += 1
                continue
            lines.append(record)
            newest = max(newest, verdict.event_time or "")
        self._telemetry.filtered(dropped)
        return _Selection(lines, undecodable, _parse_time(newest))


def _parse_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
