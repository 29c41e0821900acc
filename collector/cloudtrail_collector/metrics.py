"""Every metric of a collector, each defined once. Closed label sets begin at zero, so that `rate()` sees the first one."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from cloudtrail_collector.core.dead_letter import DeadLetterReason
from cloudtrail_collector.core.notification import ConsumeReason
from cloudtrail_collector.core.object_key import SkipReason
from cloudtrail_collector.core.rejection import RejectReason

PREFIX = "cloudtrail_collector_"
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LAG_BUCKETS = (5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
RETURN_REASONS = ("aws", "sink", "rejected", "unparseable", "other_bucket", "internal", "drain")
EXTENSION_RESULTS = ("extended", "lost", "failed")
SKIP_REASONS = tuple(reason.value for reason in SkipReason)
FAIL_REASONS = ("aws", "sink", "internal", *(reason.value for reason in RejectReason))
DEAD_LETTER_REASONS = tuple(reason.value for reason in DeadLetterReason if reason is not DeadLetterReason.UNDECODABLE)
# Codes that get a label of their own; all others are "Other", so that the number of series is bounded.
ERROR_CODES = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "NoSuchKey", "NoSuchBucket", "QueueDoesNotExist", "ExpiredToken",
        "InvalidIdentityToken", "Throttling", "ThrottlingException", "SlowDown", "OverLimit", "ReceiptHandleIsInvalid",
        "InvalidClientTokenId", "NoCredentials", "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError",
        "InternalError", "ServiceUnavailable", "SSLError", "ConnectionClosedError",
    }
)  # fmt: skip


class Metrics:
    """The metrics and their registry."""

    def __init__(self, *, filters: Iterable[str], sinks: Sequence[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.build_info = self._gauge("build_info", "Version of the collector", "version")
        self.received = self._counter("sqs_messages_received", "Messages received")
        self.receive_empty = self._counter("sqs_receive_empty", "Receives that returned no message")
        self.deleted = self._counter("sqs_messages_deleted", "Messages deleted after they were done")
        self.lost = self._counter("sqs_messages_lost", "Messages whose receipt had expired when they were done")
        self.returned = self._counter("sqs_messages_released", "Messages given back to the queue", "reason")
        self.consumed = self._counter("sqs_messages_consumed", "Messages that announced nothing to read", "reason")
        self.extensions = self._counter("sqs_visibility_extensions", "Extensions of invisibility, by message", "result")
        self.messages_in_flight = self._gauge("sqs_messages_in_work", "Messages received and not yet done")
        self.messages_held = self._gauge("sqs_messages_held", "Messages held invisible in mode Test")
        self.queue_visible = self._gauge("sqs_messages_visible", "Messages waiting in the queue, approximate")
        self.queue_in_flight = self._gauge("sqs_messages_inflight", "Messages invisible in the queue, approximate")
        self.queue_delayed = self._gauge("sqs_messages_delayed", "Messages not yet to be received, approximate")
        self.dead_letters = self._gauge("sqs_dead_letter_messages", "Messages in the dead-letter queue, approximate")
        self.oldest_age = self._gauge("sqs_oldest_message_age_seconds", "Age of the oldest message received lately")
        self.files = self._counter("files_processed", "Announced objects by outcome", "outcome", "reason")
        self.compressed = self._counter("file_compressed_bytes", "Bytes of log files as stored")
        self.uncompressed = self._counter("file_uncompressed_bytes", "Bytes of log files after decompression")
        self.events_read = self._counter("events_received", "Event records read")
        self.filtered = self._counter("events_filtered", "Event records dropped by a filter rule", "filter")
        self.repeated = self._counter("events_repeated", "Event records dropped because they were delivered before")
        self.masked = self._counter("events_masked", "Event records that left with a value masked")
        self.dead_lettered = self._counter("events_dead_lettered", "Event records that are not JSON", "reason")
        self.emitted = self._counter("events_emitted", "Event records that a sink accepted", "sink")
        self.failed = self._counter("events_failed", "Event records that failed", "reason")
        self.aws_errors = self._counter("aws_api_errors", "Failed requests to AWS", "service", "operation", "code")
        self.aws_seconds = self._histogram(
            "aws_request_duration_seconds", "Requests to SQS; those to receive wait for messages", "operation"
        )
        self.sink_seconds = self._histogram("sink_request_duration_seconds", "Deliveries of a batch", "sink")
        self.sink_timeouts = self._counter("delivery_timeouts", "Batches that a sink did not accept in time", "sink")
        self.last_event = self._gauge("last_event_timestamp_seconds", "Newest eventTime delivered")
        self.delivery_lag = self._histogram("delivery_lag_seconds", "From the message's sending to its completion")
        self.event_age = self._histogram(
            "event_age_seconds", "From eventTime to delivery, up to 16 events of each file"
        )
        self.object_lag = self._histogram("object_lag_seconds", "From the writing of a log file to its delivery")
        self._start_at_zero(filters, sinks)

    def _start_at_zero(self, filters: Iterable[str], sinks: Iterable[str]) -> None:
        for reason in RETURN_REASONS:
            self.returned.labels(reason)
        for consumed in ConsumeReason:
            self.consumed.labels(consumed.value)
        self.files.labels("read", "")
        for outcome, reasons in (
            ("skipped", SKIP_REASONS),
            ("failed", FAIL_REASONS),
            ("dead_lettered", DEAD_LETTER_REASONS),
        ):
            for reason in reasons:
                self.files.labels(outcome, reason)
        for rule in filters:
            self.filtered.labels(rule)
        for sink in sinks:
            self.emitted.labels(sink)
            self.sink_seconds.labels(sink)
            self.sink_timeouts.labels(sink)
        for result in EXTENSION_RESULTS:
            self.extensions.labels(result)
        self.failed.labels("sink")
        self.dead_lettered.labels(DeadLetterReason.UNDECODABLE.value)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        buckets = REQUEST_BUCKETS if labels else LAG_BUCKETS
        return Histogram(PREFIX + name, text, labels, buckets=buckets, registry=self.registry)
