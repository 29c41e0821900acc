"""Every metric of a collector, each defined once. Closed label sets begin at zero, so that `rate()` sees the first one."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from cloudtrail_collector.core.log_file import RejectReason
from cloudtrail_collector.core.notification import ConsumeReason
from cloudtrail_collector.core.object_key import KeyKind

PREFIX = "cloudtrail_collector_"
LAG_BUCKETS = (5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
RETURN_REASONS = ("aws", "sink", "rejected", "unparseable", "other_bucket", "internal", "drain")
SKIP_REASONS = (*(kind.value for kind in KeyKind if kind is not KeyKind.LOG_FILE), "other_bucket", "missing_dropped")
FAIL_REASONS = ("aws", "sink", "internal", *(reason.value for reason in RejectReason))
# Codes that get a label of their own; all others are "Other", so that the number of series is bounded.
ERROR_CODES = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "NoSuchKey", "NoSuchBucket", "QueueDoesNotExist", "ExpiredToken",
        "InvalidIdentityToken", "Throttling", "ThrottlingException", "SlowDown", "OverLimit", "ReceiptHandleIsInvalid",
        "InvalidClientTokenId", "NoCredentials", "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError",
        "InternalError", "ServiceUnavailable",
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
        self.messages_in_flight = self._gauge("sqs_messages_in_work", "Messages received and not yet done")
        self.messages_held = self._gauge("sqs_messages_held", "Messages held invisible in mode Test")
        self.queue_visible = self._gauge("sqs_messages_visible", "Messages waiting in the queue, approximate")
        self.queue_in_flight = self._gauge("sqs_messages_inflight", "Messages invisible in the queue, approximate")
        self.oldest_age = self._gauge("sqs_oldest_message_age_seconds", "Age of the oldest message received lately")
        self.files = self._counter("files_processed", "Announced objects by outcome", "outcome", "reason")
        self.compressed = self._counter("file_compressed_bytes", "Bytes of log files as stored")
        self.uncompressed = self._counter("file_uncompressed_bytes", "Bytes of log files after decompression")
        self.events_read = self._counter("events_received", "Event records read")
        self.filtered = self._counter("events_filtered", "Event records dropped by a filter rule", "filter")
        self.emitted = self._counter("events_emitted", "Event records that a sink accepted", "sink")
        self.failed = self._counter("events_failed", "Event records that failed", "reason")
        self.aws_errors = self._counter("aws_api_errors", "Failed requests to AWS", "service", "operation", "code")
        self.last_event = self._gauge("last_event_timestamp_seconds", "Newest eventTime delivered")
        self.delivery_lag = self._histogram("delivery_lag_seconds", "From the message's sending to its completion")
        self.event_age = self._histogram("event_age_seconds", "From eventTime to delivery, newest event of each file")
        self._start_at_zero(filters, sinks)

    def _start_at_zero(self, filters: Iterable[str], sinks: Iterable[str]) -> None:
        for reason in RETURN_REASONS:
            self.returned.labels(reason)
        for consumed in ConsumeReason:
            self.consumed.labels(consumed.value)
        self.files.labels("read", "")
        for outcome, reasons in (("skipped", SKIP_REASONS), ("failed", FAIL_REASONS)):
            for reason in reasons:
                self.files.labels(outcome, reason)
        for rule in filters:
            self.filtered.labels(rule)
        for sink in sinks:
            self.emitted.labels(sink)
        for reason in ("undecodable", "sink"):
            self.failed.labels(reason)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(PREFIX + name, text, buckets=LAG_BUCKETS, registry=self.registry)
