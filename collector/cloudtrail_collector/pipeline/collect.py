"""One message: parse, then for each object fetch, decode, select, deliver. What to do with the message is the outcome."""

import threading
from dataclasses import dataclass

from cloudtrail_collector.core.dead_letter import DeadLetterReason, Origin, build_dead_letter
from cloudtrail_collector.core.log_file import read_log_file
from cloudtrail_collector.core.masking import compile_masks
from cloudtrail_collector.core.notification import ObjectRef, UnknownNotificationError, parse_notification
from cloudtrail_collector.core.object_key import KeySelection, SkipReason
from cloudtrail_collector.core.rejection import LogFileRejectedError, RejectReason
from cloudtrail_collector.core.selection import RecordSelector, Selection
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.pipeline.budget import MemoryBudget, estimate_need
from cloudtrail_collector.pipeline.dedupe import DeliveredIds
from cloudtrail_collector.pipeline.deliver import Delivery
from cloudtrail_collector.ports import Message, ObjectStore, RemoteObject
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import MissingObjectPolicy, PipelineSpec


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message: done, or else the reason why it goes back to the queue."""

    failed: str | None = None


class MessageCollector:
    """Collects what messages announce; used by all workers at once."""

    def __init__(self, spec: PipelineSpec, store: ObjectStore, delivery: Delivery, telemetry: Telemetry) -> None:
        self._buckets = spec.buckets
        self._policy = spec.objects_policy
        self._keys = KeySelection(spec.prefix, spec.objects_policy)
        self._store = store
        self._delivery = delivery
        self._delivered = None if spec.dedupe is None else DeliveredIds(spec.dedupe.window_size)
        self._selector = RecordSelector(
            spec.filters, compile_masks(spec.mask, None), None if self._delivered is None else self._delivered.is_known
        )
        self._budget = MemoryBudget()
        # Threads that compute at the same time only take the interpreter from each other, and spoil each other's caches.
        self._computing = threading.Lock()
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
        failures = [self._collect_object(message, reference) for reference in notification.objects]
        return Outcome(next((failure for failure in failures if failure), None))

    def _collect_object(self, message: Message, reference: ObjectRef) -> str | None:
        """Deliver one object; returns why it is not done."""
        origin = Origin(reference.bucket, reference.key, message.id)
        if origin.bucket not in self._buckets:
            self._telemetry.file_skipped(origin, SkipReason.OTHER_BUCKET)
            self._telemetry.other_bucket(origin.bucket)
            return SkipReason.OTHER_BUCKET.value
        reason = self._keys.find_skip_reason(origin.key)
        if reason is not None:
            self._telemetry.file_skipped(origin, reason)
            return None
        try:
            remote = self._store.open(origin.bucket, origin.key)
            with self._budget.hold(estimate_need(remote.size)):
                return self._collect_remote(origin, remote)
        except AwsError as failure:
            return self._judge_unread(origin, failure)

    def _judge_unread(self, origin: Origin, failure: AwsError) -> str | None:
        if failure.reason is Reason.OBJECT_NOT_FOUND:
            if self._policy.missing is MissingObjectPolicy.DROP:
                self._telemetry.file_skipped(origin, SkipReason.MISSING_DROPPED)
                return None
            if self._policy.missing is MissingObjectPolicy.DEAD_LETTER:
                self._telemetry.fetch_failed(origin, failure)
                return self._refuse_file(origin, DeadLetterReason.MISSING, failure)
        self._telemetry.fetch_failed(origin, failure)
        self._telemetry.file_failed(origin.key, "aws", failure)
        return "aws"

    def _collect_remote(self, origin: Origin, remote: RemoteObject) -> str | None:
        limit = self._policy.max_uncompressed_bytes
        try:
            if remote.size > limit:
                message = f"the object has {remote.size} bytes, more than {limit}"
                raise LogFileRejectedError(RejectReason.TOO_LARGE, message)
            body = remote.read()
            self._telemetry.file_fetched(remote.size)
            with self._computing:
                file = read_log_file(body, limit)
                selections = self._selector.select(file)
                selection = next(selections, None)
            while selection is not None:
                failed = self._deliver(origin, selection)
                if failed is not None:
                    return failed
                with self._computing:
                    selection = next(selections, None)
        except LogFileRejectedError as error:
            return self._refuse_file(origin, DeadLetterReason(error.reason.value), error)
        self._telemetry.file_read(file.uncompressed_bytes, remote.written_at)
        return None

    def _refuse_file(self, origin: Origin, reason: DeadLetterReason, error: Exception) -> str | None:
        """Tell the dead-letter sink about a file, or leave its message to the queue's redrive policy."""
        if not self._delivery.has_dead_letter_sink:
            self._telemetry.file_failed(origin.key, reason.value, error)
            return "rejected"
        failure = self._delivery.deliver_dead_letters(build_dead_letter(origin, reason, str(error)), 1)
        if failure is not None:
            self._telemetry.file_failed(origin.key, "sink", failure)
            return "sink"
        self._telemetry.file_dead_lettered(origin.key, reason, error)
        return None

    def _deliver(self, origin: Origin, selection: Selection) -> str | None:
        self._telemetry.selected(selection)
        failure = self._delivery.deliver(selection.payload, selection.kept)
        if failure is None and selection.broken:
            lines = [
                build_dead_letter(origin, DeadLetterReason.UNDECODABLE, one.error, index=one.index, record=one.record)
                for one in selection.broken
            ]
            failure = self._delivery.deliver_dead_letters(b"".join(lines), len(lines))
        if failure is not None:
            self._telemetry.records_not_delivered(selection.kept + len(selection.broken))
            self._telemetry.file_failed(origin.key, "sink", failure)
            return "sink"
        if self._delivered is not None:
            self._delivered.note(selection.event_ids)
        self._telemetry.delivered(selection)
        for one in selection.broken:
            self._telemetry.record_dead_lettered(origin.key, one.index, one.error)
        return None
