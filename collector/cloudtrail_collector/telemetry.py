"""One function per fact: it writes a log line, moves a metric, and updates the status board.

Called from every thread. Nothing here decides anything about messages.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from cloudtrail_collector import __version__
from cloudtrail_collector.core.dead_letter import DeadLetterReason, LostRecord, Origin
from cloudtrail_collector.core.integrity.findings import Finding, FindingKind, Level
from cloudtrail_collector.core.integrity.health import AuditResult
from cloudtrail_collector.core.object_key import SkipReason
from cloudtrail_collector.core.sampling import OwnReads, count_own_reads, read_times, take_samples
from cloudtrail_collector.core.selection import Selection
from cloudtrail_collector.errors import ACK_TIMEOUT, AwsError, SinkError
from cloudtrail_collector.logs import LOGGER_NAME
from cloudtrail_collector.metrics import ERROR_CODES, Metrics
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.report import CollectorState, QueueFigures, SetupFinding

log = logging.getLogger(LOGGER_NAME)


class Telemetry:
    """Facts about one running collector."""

    def __init__(self, metrics: Metrics, board: StatusBoard, own_reads: OwnReads | None) -> None:
        """`own_reads` tells how to know the collector's own reads among the events; None: it cannot be known."""
        self._metrics = metrics
        self._board = board
        self._own_reads = own_reads
        metrics.build_info.labels(__version__).set(1)

    # --- the process ---

    def state_changed(self, state: CollectorState) -> None:
        """The collector begins to do something else."""
        if self._board.set_state(state):
            log.info("state changed", extra={"fields": {"state": state.value}})

    def crashed(self, what: str, error: Exception) -> None:
        """A part met an error that nobody foresaw; the traceback is logged."""
        log.error("unexpected error", exc_info=error, extra={"fields": {"part": what}})

    # --- the queue ---

    def received(self, count: int, oldest_age: float | None) -> None:
        """A receive succeeded."""
        self._metrics.received.inc(count)
        if not count:
            self._metrics.receive_empty.inc()
        self._metrics.oldest_age.set(oldest_age or 0)
        self._board.note_receive(count, oldest_age)

    def receive_failed(self, failure: AwsError, delay: float) -> None:
        """A receive failed; the next try comes after `delay` seconds."""
        self._aws_failed(failure, "receive failed", {"retry_in_seconds": round(delay, 1)})
        self._board.refuse_queue(failure)

    def figures_read(self, figures: QueueFigures) -> None:
        """The queue's attributes were read."""
        self._metrics.queue_visible.set(figures.visible)
        self._metrics.queue_in_flight.set(figures.in_flight)
        self._metrics.queue_delayed.set(figures.delayed)
        if figures.dead_letter_visible is not None:
            self._metrics.dead_letters.set(figures.dead_letter_visible)
        self._board.note_figures(figures)

    def figures_failed(self, failure: AwsError) -> None:
        """The queue's attributes could not be read; collecting goes on without."""
        self._aws_failed(failure, "queue attributes are not readable", {})

    def consumed(self, message_id: str, reason: str) -> None:
        """A message announced nothing that could be read."""
        self._metrics.consumed.labels(reason).inc()
        self._board.note_fruitless()
        log.info("message announces nothing to read", extra={"fields": {"messageId": message_id, "reason": reason}})

    def unparseable(self, message_id: str, error: Exception) -> None:
        """A message is in no known form; it stays in the queue."""
        self._board.note_error("parse", "Unparseable", message_id, str(error), kind="message")
        text = f"Messages are in no known form and stay in the queue, the last one {message_id}: {error}."
        self._board.complain(Reason.UNKNOWN_NOTIFICATION, text)
        fields = {"messageId": message_id, "error": str(error)}
        log.warning("message is in no known form and stays in the queue", extra={"fields": fields})

    def deleted(self, sent_at: float | None) -> None:
        """A message is done and was deleted."""
        self._metrics.deleted.inc()
        if sent_at is not None:
            self._metrics.delivery_lag.observe(max(0.0, time.time() - sent_at))
        self._board.note_deleted()

    def delete_failed(self, failure: AwsError, count: int) -> None:
        """Messages are done but could not be deleted; that is tried again."""
        self._aws_failed(failure, "messages are done but were not deleted", {"messages": count})
        self._board.refuse_deletes(failure)

    def message_lost(self, message_id: str, failure: AwsError) -> None:
        """A message is done but its receipt is no longer valid: it will be received and delivered again."""
        self._metrics.lost.inc()
        self._aws_failed(failure, "message is done but was not deleted", {"messageId": message_id})

    def left_undeleted(self, count: int) -> None:
        """The process ends, and messages that are done were not deleted in time: they will be delivered again."""
        self._metrics.lost.inc(count)
        log.warning("messages are done but were not deleted in time", extra={"fields": {"messages": count}})

    def returned(self, message_id: str, reason: str, delay: int) -> None:
        """A message goes back to the queue, visible after `delay` seconds."""
        self._metrics.returned.labels(reason).inc()
        self._board.add(returned=1)
        fields = {"messageId": message_id, "reason": reason, "visible_in_seconds": delay}
        log.info("message returned", extra={"fields": fields})

    def return_failed(self, failure: AwsError) -> None:
        """Messages could not be given back; they become visible when their timeout ends."""
        self._aws_failed(failure, "message was not returned", {})

    def extended(self, count: int) -> None:
        """Messages stay invisible for longer."""
        self._metrics.extensions.labels("extended").inc(count)

    def extension_failed(self, failure: AwsError, count: int) -> None:
        """Invisibility could not be extended; unless that succeeds in time, messages are received twice."""
        self._metrics.extensions.labels("failed").inc(count)
        self._aws_failed(failure, "visibility was not extended", {"messages": count})

    def receipt_lost(self, message_id: str, failure: AwsError) -> None:
        """The receipt of a message in work is no longer valid: somebody else may receive the message, too."""
        self._metrics.extensions.labels("lost").inc()
        self._aws_failed(failure, "a receipt is no longer valid", {"messageId": message_id})

    def aws_answered(self, operation: str, seconds: float) -> None:
        """A request to AWS is over, whatever the answer."""
        self._metrics.aws_seconds.labels(operation).observe(seconds)

    def leases_counted(self, in_flight: int, held: int) -> None:
        """The number of messages in work and of messages held has changed."""
        self._metrics.messages_in_flight.set(in_flight)
        self._metrics.messages_held.set(held)
        self._board.set_leases(in_flight, held)

    def setup_judged(self, findings: Sequence[SetupFinding]) -> None:
        """The set-up in AWS was looked at."""
        for finding in self._board.note_setup(findings):
            fields = {"step": finding.step, "about": finding.about, "problem": finding.message, "mend": finding.mend}
            log.warning("the set-up in AWS is wrong", extra={"fields": fields})

    # --- the bucket ---

    def bucket_probed(self) -> None:
        """S3 answered for a key that does not exist, so the bucket may be read."""
        self._board.accept_bucket()

    def bucket_probe_failed(self, failure: AwsError) -> None:
        """The probe tells for certain that objects cannot be read."""
        self._aws_failed(failure, "the bucket is not readable", {})
        self._board.refuse_bucket(failure)

    def bucket_probe_inconclusive(self) -> None:
        """S3 answers, but not whether objects may be read."""
        self._board.leave_bucket_open()

    def file_fetched(self, size: int) -> None:
        """An object was read."""
        self._metrics.compressed.inc(size)
        self._board.note_object_read()

    def fetch_failed(self, origin: Origin, failure: AwsError) -> None:
        """An object could not be read."""
        self._aws_failed(failure, "object was not read", {"bucket": origin.bucket, "key": origin.key})
        self._board.note_object_unread(origin.key, failure)

    def file_skipped(self, origin: Origin, reason: SkipReason) -> None:
        """An announced object is not one that is read."""
        self._metrics.files.labels("skipped", reason.value).inc()
        self._board.add(skipped=1)
        self._board.note_fruitless()
        fields = {"bucket": origin.bucket, "key": origin.key, "reason": reason.value}
        log.info("object skipped", extra={"fields": fields})

    def other_bucket(self, bucket: str) -> None:
        """A message announces an object of a bucket that this source does not read."""
        message = (
            f"Messages announce objects of bucket {bucket}, which is neither spec.bucket nor one of spec.extraBuckets:"
            " they are not read and stay in the queue."
        )
        self._board.note_error("s3:GetObject", "OtherBucket", bucket, message)
        self._board.complain(Reason.OTHER_BUCKET, message)

    def file_failed(self, key: str, reason: str, error: Exception) -> None:
        """An object was not delivered; its message stays in the queue."""
        self._metrics.files.labels("failed", reason).inc()
        self._board.add(files_failed=1)
        if reason not in {"aws", "sink"}:
            self._board.note_error("decode", reason, key, str(error), kind="file")
        log.warning("object failed", extra={"fields": {"key": key, "reason": reason, "error": str(error)}})

    def file_dead_lettered(self, key: str, reason: DeadLetterReason, error: Exception) -> None:
        """The dead-letter sink was told about an object that cannot be read; it counts as done."""
        self._metrics.files.labels("dead_lettered", reason.value).inc()
        self._board.add(files_dead_lettered=1)
        self._board.note_dead_letters(1, reason.value)
        self._board.note_error("decode", reason.value, key, str(error), kind="file")
        fields = {"key": key, "reason": reason.value, "error": str(error)}
        log.warning("object cannot be read and went to the dead-letter sink", extra={"fields": fields})

    def file_read(self, size: int, written_at: float | None) -> None:
        """Everything of a log file was delivered."""
        self._metrics.files.labels("read", "").inc()
        self._metrics.uncompressed.inc(size)
        if written_at is not None:
            self._metrics.object_lag.observe(max(0.0, time.time() - written_at))
        self._board.add(files_read=1)
        self._board.note_file()

    # --- integrity ---

    def digest_announced(self) -> None:
        """A digest file was announced, and will be checked; it holds no events."""
        self._metrics.files.labels("skipped", SkipReason.DIGEST.value).inc()
        self._board.add(skipped=1)
        self._board.note_fruitless()

    def digest_checked(self, bucket: str, key: str, result: AuditResult, *, is_trusted: bool) -> None:
        """A digest file was checked, with the log files that it names."""
        self._metrics.digests.labels("trusted" if is_trusted else "untrusted").inc()
        counts = asdict(result)
        for name, count in counts.items():
            self._metrics.proofs.labels(name).inc(count)
        self._board.note_integrity(lambda health, now: health.note_audit(result, now))
        fields = {"bucket": bucket, "key": key, "trusted": is_trusted, **counts}
        log.info("digest file checked", extra={"fields": fields})

    def integrity_found(self, bucket: str, finding: Finding) -> None:
        """A check of digest files found something."""
        self._metrics.findings.labels(finding.kind.value).inc()
        self._board.note_integrity(lambda health, now: health.note_finding(finding, bucket, now))
        fields = {"finding": finding.kind.value, "bucket": bucket, "key": finding.key, "detail": finding.detail}
        level = logging.INFO if finding.kind.level is Level.NOTICE else logging.WARNING
        log.log(level, finding.kind.sentence, extra={"fields": fields})

    def digest_failed(self, failure: AwsError) -> None:
        """A digest file could not be checked, and its message goes back."""
        self._aws_failed(failure, "digest file was not checked", {})
        self._board.note_integrity(lambda health, now: health.note_failure(failure.reason, f"{failure}.", now))

    def digest_unread(self, bucket: str, finding: Finding) -> None:
        """A digest file could not be read, and its message goes back."""
        self._metrics.findings.labels(finding.kind.value).inc()
        message = f"s3://{bucket}/{finding.key}: {finding.detail}"
        self._board.note_integrity(lambda health, now: health.note_failure(Reason.UNVERIFIABLE, message, now))
        self._board.note_error("s3:GetObject", finding.kind.value, finding.key, finding.detail, kind="digest")
        fields = {"bucket": bucket, "key": finding.key, "error": finding.detail}
        log.warning("digest file was not read", extra={"fields": fields})

    def look_failed(self, failure: AwsError) -> None:
        """Digest files could not be looked for; messages wait on."""
        self._aws_failed(failure, "digest files were not looked for", {})
        self._board.note_integrity(lambda health, now: health.note_failure(failure.reason, f"{failure}.", now))

    def waiting_counted(self, count: int) -> None:
        """The number of messages that wait for proof has changed."""
        self._metrics.messages_waiting.set(count)
        self._board.note_integrity(lambda health, now: health.note_waiting(count, now))

    def file_unproven(self, origin: Origin) -> None:
        """No digest file names a log file, though one should; its message goes back."""
        self._metrics.files.labels("failed", "unproven").inc()
        self._board.add(files_failed=1)
        finding = Finding(FindingKind.LOG_NOT_COVERED, origin.key)
        self.integrity_found(origin.bucket, finding)

    # --- event records ---

    def selected(self, selection: Selection) -> None:
        """Records of a log file were read; some of them leave."""
        self._metrics.events_read.inc(selection.read)
        for rule, count in selection.dropped.items():
            self._metrics.filtered.labels(rule).inc(count)
        for rule, count in selection.passed.items():
            self._metrics.passed.labels(rule).inc(count)
        self._metrics.unrouted.inc(selection.unrouted)
        self._metrics.repeated.inc(selection.repeated)
        self._board.note_events(selection.read)
        filtered = sum(selection.dropped.values())
        self._board.add(
            events_read=selection.read, filtered=filtered, repeated=selection.repeated, unrouted=selection.unrouted
        )

    def delivered(self, selection: Selection, lost: Sequence[LostRecord]) -> None:
        """All sinks accepted what they take of the records that leave, and the dead-letter sink what is lost for them."""
        for key, count in selection.matches.items():
            self._metrics.count_matches(key, count)
        samples = take_samples(selection.payload, selection.kept)
        times = read_times(samples)
        now = datetime.now(UTC)
        for event_time in times:
            self._metrics.event_age.observe(max(0.0, (now - event_time).total_seconds()))
        self._metrics.masked.inc(selection.masked)
        rejected = len({one.index for one in lost if one.sink is not None})
        self._board.add(
            emitted=selection.kept - selection.unrouted - rejected,
            masked=selection.masked,
            dead_lettered=len({one.index for one in lost}),
        )
        if lost:
            self._board.note_dead_letters(len({one.index for one in lost}), lost[-1].reason.value)
        self._board.note_samples(samples, times)
        newest = self._board.last_event_time
        if newest is not None:
            self._metrics.last_event.set(newest.timestamp())
        if self._own_reads is not None and samples:
            self._board.note_own_reads(len(samples), count_own_reads(samples, self._own_reads))

    def record_dead_lettered(self, key: str, lost: LostRecord) -> None:
        """A record cannot be read or written, or a sink rejects it; a line about it was delivered instead."""
        self._metrics.dead_lettered.labels(lost.reason.value).inc()
        error = f"record {lost.index}: {lost.error}"
        if lost.sink:
            error = f"sink {lost.sink}: {error}"
        self._board.note_error(
            "decode" if lost.sink is None else "deliver", lost.reason.value, key, error, kind="record"
        )
        fields = {"key": key, "index": lost.index, "reason": lost.reason.value, "sink": lost.sink, "error": lost.error}
        log.warning("record was not delivered, but a line about it", extra={"fields": fields})

    def records_not_delivered(self, count: int) -> None:
        """A sink did not accept the records of a file; they come again with its message."""
        self._metrics.failed.labels("sink").inc(count)
        self._board.add(events_failed=count)

    def sink_waiting(self, sink: str, count: int) -> None:
        """The number of events that a sink has not accepted yet has changed."""
        self._metrics.sink_waiting.labels(sink).set(count)

    def events_accepted(self, sink: str, count: int) -> None:
        """A sink accepted so many events of a log file, and will never take the others."""
        self._metrics.emitted.labels(sink).inc(count)

    def sink_accepted(self, sink: str, rejected: int) -> None:
        """A sink accepted a batch, but for so many lines that it will never take."""
        self._metrics.rejected.labels(sink).inc(rejected)
        self._board.accept_sink(sink)

    def sink_answered(self, sink: str, seconds: float) -> None:
        """A delivery is over, whatever the answer."""
        self._metrics.sink_seconds.labels(sink).observe(seconds)

    def sink_failed(self, failure: SinkError, count: int) -> None:
        """A sink did not accept a batch; it is tried again, or its messages go back to the queue."""
        if failure.code == ACK_TIMEOUT:
            self._metrics.sink_timeouts.labels(failure.sink).inc()
        self._board.refuse_sink(failure)
        fields = {"sink": failure.sink, "code": failure.code, "error": failure.message, "records": count}
        log.warning("sink did not accept a batch", extra={"fields": fields})

    def _aws_failed(self, failure: AwsError, what: str, fields: Mapping[str, object]) -> None:
        service, _, operation = failure.action.partition(":")
        code = failure.code if failure.code in ERROR_CODES else "Other"
        self._metrics.aws_errors.labels(service, operation, code).inc()
        self._board.note_aws_error(failure)
        about = {"action": failure.action, "code": failure.code, "resource": failure.resource, "error": failure.message}
        log.warning(what, extra={"fields": {**about, **fields}})
