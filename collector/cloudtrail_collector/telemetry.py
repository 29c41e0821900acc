"""One function per fact: it writes a log line, moves a metric, and updates the status board.

Called from every thread. Nothing here decides anything about messages.
"""

import logging
import time
from collections.abc import Collection, Mapping
from datetime import datetime

from cloudtrail_collector import __version__
from cloudtrail_collector.errors import AwsError, SinkError
from cloudtrail_collector.logs import LOGGER_NAME
from cloudtrail_collector.metrics import ERROR_CODES, Metrics
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_spec.report import CollectorState, QueueFigures

log = logging.getLogger(LOGGER_NAME)


class Telemetry:
    """Facts about one running collector."""

    def __init__(self, metrics: Metrics, board: StatusBoard) -> None:
        self._metrics = metrics
        self._board = board
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
        self._board.note_figures(figures)

    def figures_failed(self, failure: AwsError) -> None:
        """The queue's attributes could not be read; collecting goes on without."""
        self._aws_failed(failure, "queue attributes are not readable", {})

    def consumed(self, message_id: str, reason: str) -> None:
        """A message announced nothing that could be read."""
        self._metrics.consumed.labels(reason).inc()
        log.info("message announces nothing to read", extra={"fields": {"messageId": message_id, "reason": reason}})

    def unparseable(self, message_id: str, error: Exception) -> None:
        """A message is in no known form; it stays in the queue."""
        self._board.note_error("parse", "Unparseable", message_id, str(error), kind="message")
        fields = {"messageId": message_id, "error": str(error)}
        log.warning("message is in no known form and stays in the queue", extra={"fields": fields})

    def deleted(self, sent_at: float | None) -> None:
        """A message is done and was deleted."""
        self._metrics.deleted.inc()
        if sent_at is not None:
            self._metrics.delivery_lag.observe(max(0.0, time.time() - sent_at))
        self._board.add(deleted=1)

    def delete_failed(self, message_id: str, failure: AwsError) -> None:
        """A message is done but could not be deleted: it will be received and delivered again."""
        self._metrics.lost.inc()
        self._aws_failed(failure, "message is done but was not deleted", {"messageId": message_id})

    def returned(self, message_id: str, reason: str, delay: int) -> None:
        """A message goes back to the queue, visible after `delay` seconds."""
        self._metrics.returned.labels(reason).inc()
        self._board.add(returned=1)
        fields = {"messageId": message_id, "reason": reason, "visible_in_seconds": delay}
        log.info("message returned", extra={"fields": fields})

    def visibility_failed(self, failure: AwsError) -> None:
        """Invisibility could not be changed; messages may be received twice."""
        self._aws_failed(failure, "visibility was not changed", {})

    def leases_counted(self, in_flight: int, held: int) -> None:
        """The number of messages in work and of messages held has changed."""
        self._metrics.messages_in_flight.set(in_flight)
        self._metrics.messages_held.set(held)
        self._board.set_leases(in_flight, held)

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

    def fetch_failed(self, key: str, failure: AwsError) -> None:
        """An object could not be read."""
        self._aws_failed(failure, "object was not read", {"key": key})
        self._board.note_object_unread(key, failure)

    def file_skipped(self, bucket: str, key: str, reason: str) -> None:
        """An announced object is not one that is read."""
        self._metrics.files.labels("skipped", reason).inc()
        self._board.add(skipped=1)
        log.info("object skipped", extra={"fields": {"bucket": bucket, "key": key, "reason": reason}})

    def other_bucket(self, bucket: str, expected: str) -> None:
        """A message announces an object of a bucket that this source does not read."""
        message = f"The queue announces objects of bucket {bucket}, which are not read: spec.bucket is {expected}."
        self._board.note_error("s3:GetObject", "OtherBucket", bucket, message)

    def file_failed(self, key: str, reason: str, error: Exception) -> None:
        """An object was not delivered; its message stays in the queue."""
        self._metrics.files.labels("failed", reason).inc()
        self._board.add(files_failed=1)
        if reason not in {"aws", "sink"}:
            self._board.note_error("decode", reason, key, str(error), kind="file")
        log.warning("object failed", extra={"fields": {"key": key, "reason": reason, "error": str(error)}})

    def file_read(self, size: int, records: int) -> None:
        """A log file was taken apart."""
        self._metrics.files.labels("read", "").inc()
        self._metrics.uncompressed.inc(size)
        self._metrics.events_read.inc(records)
        self._board.add(files_read=1, events_read=records)

    # --- event records ---

    def record_undecodable(self, key: str, index: int, error: Exception) -> None:
        """A record cannot be read by a JSON parser; its bytes are delivered as they are."""
        self._metrics.failed.labels("undecodable").inc()
        self._board.add(events_failed=1)
        self._board.note_error("decode", "undecodable", key, f"record {index}: {error}", kind="record")
        log.warning("record is not readable", extra={"fields": {"key": key, "index": index, "error": str(error)}})

    def records_not_delivered(self, count: int) -> None:
        """A sink did not accept the records of a file; they come again with its message."""
        self._metrics.failed.labels("sink").inc(count)
        self._board.add(events_failed=count)

    def filtered(self, by_rule: Mapping[str, int]) -> None:
        """Filter rules dropped records of a file."""
        for rule, count in by_rule.items():
            self._metrics.filtered.labels(rule).inc(count)
        self._board.add(filtered=sum(by_rule.values()))

    def sink_accepted(self, sink: str, count: int) -> None:
        """A sink accepted a batch."""
        self._metrics.emitted.labels(sink).inc(count)
        self._board.accept_sink(sink)

    def sink_failed(self, failure: SinkError, count: int) -> None:
        """A sink did not accept a batch; the messages stay in the queue."""
        self._board.refuse_sink(failure)
        fields = {"sink": failure.sink, "code": failure.code, "error": failure.message, "records": count}
        log.warning("sink did not accept a batch", extra={"fields": fields})

    def emitted(self, lines: Collection[bytes], count: int, newest: datetime | None) -> None:
        """All sinks accepted the records of a file, `count` of them readable."""
        age = self._board.note_delivered(lines, count, newest)
        newest_of_all = self._board.last_event_time
        if age is not None and newest_of_all is not None:
            self._metrics.event_age.observe(age)
            self._metrics.last_event.set(newest_of_all.timestamp())

    def _aws_failed(self, failure: AwsError, what: str, fields: Mapping[str, object]) -> None:
        service, _, operation = failure.action.partition(":")
        code = failure.code if failure.code in ERROR_CODES else "Other"
        self._metrics.aws_errors.labels(service, operation, code).inc()
        self._board.note_aws_error(failure)
        about = {"action": failure.action, "code": failure.code, "resource": failure.resource, "error": failure.message}
        log.warning(what, extra={"fields": {**about, **fields}})
