"""Every metric of a collector, each defined once. Closed label sets begin at zero, so that `rate()` sees the first one."""

import threading
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from cloudtrail_collector.core.dead_letter import DeadLetterReason
from cloudtrail_collector.core.event_metrics import MatchKey
from cloudtrail_collector.core.integrity.findings import FindingKind
from cloudtrail_collector.core.notification import ConsumeReason
from cloudtrail_collector.core.object_key import SkipReason
from cloudtrail_collector.core.rejection import RejectReason

PREFIX = "cloudtrail_collector_"
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LAG_BUCKETS = (5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
RETURN_REASONS = ("aws", "sink", "rejected", "unparseable", "other_bucket", "internal", "unproven", "drain")
EXTENSION_RESULTS = ("extended", "lost", "failed")
SKIP_REASONS = tuple(reason.value for reason in SkipReason)
FAIL_REASONS = ("aws", "sink", "internal", "unproven", *(reason.value for reason in RejectReason))
RECORD_REASONS = ("undecodable", "unformattable", "rejected")
DEAD_LETTER_REASONS = tuple(reason.value for reason in DeadLetterReason if reason.value not in RECORD_REASONS)
PROOF_RESULTS = ("verified", "altered", "missing", "unverifiable")
# Those of MetricLabel, in its order, as Prometheus writes names.
MATCH_LABELS = ("event_name", "event_source", "region", "account_id", "error_code", "identity_type")
# More combinations than this, and what comes later is counted together.
MAX_MATCH_SERIES = 1000
OTHER = "other"
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

    def __init__(
        self,
        *,
        filters: Iterable[str],
        sinks: Sequence[str],
        matches: Iterable[MatchKey],
        has_integrity: bool = False,
    ) -> None:
        """`matches` are the series of rules in `metrics` that have no labels; `has_integrity`: digest files are checked."""
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
        self.passed = self._counter("events_passed", "Event records kept by a filter rule", "filter")
        self.unrouted = self._counter("events_unrouted", "Event records that no sink takes")
        self.matches = self._counter(
            "event_matches", "Event records that a rule in metrics matches", "rule", *MATCH_LABELS
        )
        self.repeated = self._counter("events_repeated", "Event records dropped because they were delivered before")
        self.masked = self._counter("events_masked", "Event records that left with a value masked")
        self.dead_lettered = self._counter(
            "events_dead_lettered", "Event records told to the dead-letter sink", "reason"
        )
        self.emitted = self._counter("events_emitted", "Event records that a sink accepted", "sink")
        self.rejected = self._counter("sink_rejected_events", "Events that a sink will never take", "sink")
        self.sink_waiting = self._gauge("sink_waiting_events", "Events that a sink has not accepted yet", "sink")
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
        self._define_integrity()
        self._match_series: dict[str, set[tuple[str, ...]]] = {}
        self._match_lock = threading.Lock()
        self._start_at_zero(filters, sinks)
        if has_integrity:
            self._start_integrity()
        for key in matches:
            self.count_matches(key, 0)

    def count_matches(self, key: MatchKey, count: int) -> None:
        """Count event records that a rule in `metrics` matches."""
        with self._match_lock:
            series = self._match_series.setdefault(key.rule, set())
            is_known = key.labels in series
            if not is_known and len(series) < MAX_MATCH_SERIES:
                series.add(key.labels)
                is_known = True
        labels = key.labels if is_known else tuple(OTHER if value else "" for value in key.labels)
        self.matches.labels(key.rule, *labels).inc(count)

    def _start_at_zero(self, filters: Iterable[str], sinks: Iterable[str]) -> None:
        for rule in filters:
            for counter in (self.filtered, self.passed):
                counter.labels(rule)
        for sink in sinks:
            for metric in (self.emitted, self.rejected, self.sink_seconds, self.sink_timeouts, self.sink_waiting):
                metric.labels(sink)
        self.files.labels("read", "")
        self._start_reasons()

    def _start_reasons(self) -> None:
        for outcome, reasons in (
            ("skipped", SKIP_REASONS),
            ("failed", FAIL_REASONS),
            ("dead_lettered", DEAD_LETTER_REASONS),
        ):
            for reason in reasons:
                self.files.labels(outcome, reason)
        consume_reasons = [reason.value for reason in ConsumeReason]
        for counter, values in (
            (self.returned, RETURN_REASONS),
            (self.consumed, consume_reasons),
            (self.extensions, EXTENSION_RESULTS),
            (self.dead_lettered, RECORD_REASONS),
            (self.failed, ("sink",)),
        ):
            for value in values:
                counter.labels(value)

    def _define_integrity(self) -> None:
        self.digests = self._counter("integrity_digests", "Digest files checked", "result")
        self.proofs = self._counter(
            "integrity_log_files", "Log files that digest files name, by what is proven", "result"
        )
        self.findings = self._counter("integrity_findings", "What checks of digest files found", "finding")
        self.messages_waiting = self._gauge(
            "integrity_waiting_messages", "Messages that wait until a digest file names their log files"
        )

    def _start_integrity(self) -> None:
        """Begin at zero only where digest files are checked: that these series are there says that they are."""
        for result in ("trusted", "untrusted"):
            self.digests.labels(result)
        for result in PROOF_RESULTS:
            self.proofs.labels(result)
        for kind in FindingKind:
            self.findings.labels(kind.value)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        buckets = REQUEST_BUCKETS if labels else LAG_BUCKETS
        return Histogram(PREFIX + name, text, labels, buckets=buckets, registry=self.registry)
