"""One message: parse, then for each object fetch, decode, select, deliver. What to do with the message is the outcome."""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudtrail_collector.core.dead_letter import DeadLetterReason, Origin
from cloudtrail_collector.core.log_file import LogFile, read_log_file
from cloudtrail_collector.core.notification import ObjectRef, UnknownNotificationError, parse_notification
from cloudtrail_collector.core.object_key import KeySelection, SkipReason
from cloudtrail_collector.core.rejection import LogFileRejectedError, RejectReason
from cloudtrail_collector.core.selection import RecordSelector, Selection
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.pipeline.budget import MemoryBudget, Share, estimate_need
from cloudtrail_collector.pipeline.file_delivery import FileDelivery, OnDone, Packed
from cloudtrail_collector.ports import Message, ObjectStore, RemoteObject
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import MissingObjectPolicy, PipelineSpec

if TYPE_CHECKING:
    from cloudtrail_collector.pipeline.integrity import Integrity

# How soon what follows a step of a large file, as dead letters do, is sent.
FLUSH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message: done, or else the reason why it goes back to the queue."""

    failed: str | None = None


class MessageCollector:
    """Collects what messages announce; used by all workers at once."""

    def __init__(
        self,
        spec: PipelineSpec,
        store: ObjectStore,
        selector: RecordSelector,
        files: FileDelivery,
        budget: MemoryBudget,
        telemetry: Telemetry,
    ) -> None:
        self._buckets = spec.buckets
        self._policy = spec.objects_policy
        self._keys = KeySelection(spec.prefix, spec.objects_policy)
        self._store = store
        self._selector = selector
        self._files = files
        self._budget = budget
        # Threads that compute at the same time only take the interpreter from each other, and spoil each other's caches.
        self._computing = threading.Lock()
        self._telemetry = telemetry
        self._integrity: Integrity | None = None

    def check_with(self, integrity: "Integrity") -> None:
        """From now on have digest files checked, and the content of each log file noted."""
        self._integrity = integrity

    def collect(
        self, message: Message, on_done: Callable[[Outcome], None], proofs: Mapping[ObjectRef, str] | None = None
    ) -> None:
        """Deliver everything that a message announces. A failing object does not keep the others from delivery.

        `on_done` is called once, as a rule by a thread that sends to a sink, after this has returned. Where there are
        `proofs`, a log file is delivered only if its content has the SHA-256 that they name.
        """
        try:
            notification = parse_notification(message.body)
        except UnknownNotificationError as error:
            self._telemetry.unparseable(message.id, error)
            on_done(Outcome("unparseable"))
            return
        if notification.consumed is not None:
            self._telemetry.consumed(message.id, notification.consumed.value)
        tally = _Tally(len(notification.objects), on_done)
        for reference in notification.objects:
            self.collect_object(Origin(reference.bucket, reference.key, message.id), tally.build_slot(), proofs)

    def flush(self) -> None:
        """Send what waits at sinks for more: no more comes until some of it is done."""
        self._files.flush()

    def collect_object(self, origin: Origin, on_done: OnDone, proofs: Mapping[ObjectRef, str] | None = None) -> None:
        """Deliver one object. `on_done` may be called more than once; the first call counts."""
        reference = ObjectRef(origin.bucket, origin.key)
        if origin.bucket not in self._buckets:
            self._telemetry.file_skipped(origin, SkipReason.OTHER_BUCKET)
            self._telemetry.other_bucket(origin.bucket)
            on_done(SkipReason.OTHER_BUCKET.value)
            return
        reason = self._keys.find_skip_reason(origin.key)
        if reason is SkipReason.DIGEST and self._integrity is not None and self._integrity.take_digest(origin, on_done):
            return
        if reason is not None:
            self._telemetry.file_skipped(origin, reason)
            on_done(None)
            return
        if proofs is not None and reference not in proofs:
            self._telemetry.file_unproven(origin)
            on_done("unproven")
            return
        self._collect_log_file(origin, on_done, None if proofs is None else proofs[reference])

    def _collect_log_file(self, origin: Origin, on_done: OnDone, sha256: str | None) -> None:
        """Deliver a log file; where there is a `sha256`, only if that is its content's."""
        try:
            remote = self._store.open(origin.bucket, origin.key)
            limit = self._policy.max_uncompressed_bytes
            if remote.size > limit:
                text = f"the object has {remote.size} bytes, more than {limit}"
                too_large = LogFileRejectedError(RejectReason.TOO_LARGE, text)
                self._files.refuse_file(origin, DeadLetterReason.TOO_LARGE, too_large, on_done)
                return
            share = self._budget.take(estimate_need(remote.size))
            self._collect_remote(origin, remote, share, on_done, sha256)
        except AwsError as failure:
            self._judge_unread(origin, failure, on_done)

    def _judge_unread(self, origin: Origin, failure: AwsError, on_done: OnDone) -> None:
        if failure.reason is Reason.OBJECT_NOT_FOUND:
            if self._policy.missing is MissingObjectPolicy.DROP:
                self._telemetry.file_skipped(origin, SkipReason.MISSING_DROPPED)
                on_done(None)
                return
            if self._policy.missing is MissingObjectPolicy.DEAD_LETTER:
                self._telemetry.fetch_failed(origin, failure)
                self._files.refuse_file(origin, DeadLetterReason.MISSING, failure, on_done)
                return
        self._telemetry.fetch_failed(origin, failure)
        self._telemetry.file_failed(origin.key, "aws", failure)
        on_done("aws")

    def _collect_remote(
        self, origin: Origin, remote: RemoteObject, share: Share, on_done: OnDone, sha256: str | None
    ) -> None:
        """Deliver an object that has come; its share of the memory is kept until the sinks have it."""

        def end(failed: str | None) -> None:
            share.release()
            on_done(failed)

        try:
            file = self._read(origin, remote, sha256)

            def end_read(failed: str | None) -> None:
                if failed is None:
                    # One that waited for proof is not late.
                    written_at = remote.written_at if sha256 is None else None
                    self._telemetry.file_read(file.uncompressed_bytes, written_at)
                end(failed)

            if file.text is None:
                end_read(self._deliver_in_steps(origin, file))
            elif (packed := self._prepare(origin, self._selector.select(file), end_read)) is not None:
                share.shrink(packed.size)
                packed.ship()
            else:
                end_read(None)
        except LogFileRejectedError as error:
            share.release()
            self._files.refuse_file(origin, DeadLetterReason(error.reason.value), error, on_done)
        except Exception:
            share.release()
            raise

    def _read(self, origin: Origin, remote: RemoteObject, sha256: str | None) -> LogFile:
        body = remote.read()
        self._telemetry.file_fetched(remote.size)
        with self._computing:
            if self._integrity is not None:
                self._integrity.note_read(origin, body, sha256)
            return read_log_file(body, self._policy.max_uncompressed_bytes)

    def _prepare(self, origin: Origin, selections: Iterator[Selection], on_done: OnDone) -> Packed | None:
        """Compute the next selection; None after the last."""
        with self._computing:
            selection = next(selections, None)
            if selection is None:
                return None
            packed = self._files.pack(origin, selection, on_done)
        self._telemetry.selected(selection)
        return packed

    def _deliver_in_steps(self, origin: Origin, file: LogFile) -> str | None:
        """Deliver a large file: a step is read when the one before it has been delivered. Returns what failed."""
        selections = self._selector.select(file)
        while True:
            answer: queue.SimpleQueue[str | None] = queue.SimpleQueue()
            packed = self._prepare(origin, selections, answer.put)
            if packed is None:
                return None
            packed.ship()
            failed = self._wait_for(answer)
            if failed is not None:
                return failed

    def _wait_for(self, answer: "queue.SimpleQueue[str | None]") -> str | None:
        """Wait until a step is delivered. Neither it nor the dead letters behind it wait for more: the next step does."""
        while True:
            self._files.flush()
            try:
                return answer.get(timeout=FLUSH_SECONDS)
            except queue.Empty:
                continue


class _Tally:
    """Counts the objects of a message; when each has ended, the message has."""

    def __init__(self, objects: int, on_done: Callable[[Outcome], None]) -> None:
        self._left = objects
        self._failed: str | None = None
        self._on_done = on_done
        self._lock = threading.Lock()
        if not objects:
            on_done(Outcome())

    def build_slot(self) -> OnDone:
        """Build what one object reports its end to; only its first report counts."""
        reported = threading.Lock()

        def report(failed: str | None) -> None:
            if reported.acquire(blocking=False):
                self._add(failed)

        return report

    def _add(self, failed: str | None) -> None:
        with self._lock:
            self._failed = self._failed or failed
            self._left -= 1
            is_done = self._left == 0
        if is_done:
            self._on_done(Outcome(self._failed))
