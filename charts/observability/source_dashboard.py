"""The dashboard of one source."""

from observability import cost
from observability.grafana import Choice, Dashboard, Panel, Query, Row
from observability.lag_objective import ratio
from observability.queries import (
    CHOSEN,
    maximum,
    pick,
    quantile,
    quantiles,
    sum_increase,
    sum_rate,
    told,
)

_NAMESPACE = Choice("namespace", "cloudtrail_source_info, namespace", is_multi=False)
_ONE_SOURCE = Choice("source", 'cloudtrail_source_info{namespace="$namespace"}, source', is_multi=False)


def build_dashboard() -> Dashboard:
    """Build it."""
    return Dashboard(
        name="source",
        title="CloudTrail / Source",
        description="One CloudTrail source: its conditions, flow, lag, queue, sinks, AWS requests, errors and cost.",
        variables=(_NAMESPACE, _ONE_SOURCE, *cost.PRICES),
        rows=(
            Row("Status", _STATUS),
            Row("Flow", _FLOW),
            Row("Lag", _LAG),
            Row("Queue", _QUEUE),
            Row("Errors", _ERRORS),
            Row("Sinks", _SINKS),
            Row("Integrity", _INTEGRITY),
            Row("AWS", _AWS),
            cost.build_row(),
            Row("Collectors", _COLLECTORS),
        ),
    )


def _figure(title: str, description: str, expr: str, unit: str = "none") -> Panel:
    return Panel(
        title=title,
        description=description,
        queries=[Query(expr, title)],
        unit=unit,
        kind="stat",
        width=3,
        height=8,
    )


_STATUS = (
    Panel(
        title="Conditions",
        description="All conditions as they are now; docs/conditions.md says what each means.",
        queries=[Query(f"max by (type, status) (cloudtrail_source_condition{{{CHOSEN}}})")],
        unit="none",
        kind="table",
        width=12,
        height=8,
    ),
    _figure("Collectors wanted", "Collector pods that are wanted.", f"sum({told('replicas')})"),
    _figure(
        "Collectors ready", "Those that are ready and run the current configuration.", f"sum({told('ready_replicas')})"
    ),
    _figure(
        "Newest event",
        "How long ago the newest event that was delivered happened.",
        f"time() - ({maximum('last_event_timestamp_seconds')} > 0)",
        "s",
    ),
    _figure("Messages", "Messages in the queue, waiting or in work.", f"sum({told('queue_messages')})"),
)
_FLOW = (
    Panel(
        title="Event records",
        description="Read; dropped by filters; repeated; without a sink that takes them; left with a value masked.",
        queries=[
            Query(sum_rate("events_received_total"), "read"),
            Query(sum_rate("events_filtered_total"), "filtered"),
            Query(sum_rate("events_repeated_total"), "repeated"),
            Query(sum_rate("events_unrouted_total"), "unrouted"),
            Query(sum_rate("events_masked_total"), "masked"),
        ],
        unit="eps",
    ),
    Panel(
        title="Delivered by sink",
        description="Event records that each sink accepted.",
        queries=[Query(sum_rate("events_emitted_total", "sink"), "{{sink}}")],
        unit="eps",
        stacked=True,
    ),
    Panel(
        title="Filters",
        description="Event records that each rule drops and keeps.",
        queries=[
            Query(sum_rate("events_filtered_total", "filter"), "{{filter}} drops"),
            Query(sum_rate("events_passed_total", "filter"), "{{filter}} keeps"),
        ],
        unit="eps",
    ),
    Panel(
        title="Log files",
        description="Announced objects by what became of them.",
        queries=[Query(sum_rate("files_processed_total", "outcome"), "{{outcome}}")],
        unit="ops",
        stacked=True,
    ),
    Panel(
        title="Bytes",
        description="Log files as stored and after decompression.",
        queries=[
            Query(sum_rate("file_compressed_bytes_total"), "stored"),
            Query(sum_rate("file_uncompressed_bytes_total"), "decompressed"),
        ],
        unit="Bps",
    ),
    Panel(
        title="Skipped objects",
        description="Announced objects that are not read, by reason.",
        queries=[Query(sum_increase("files_processed_total", "reason", labels='outcome="skipped"'), "{{reason}}")],
        unit="none",
    ),
)
_LAG = (
    Panel(
        title="Lag of log files",
        description="From the writing of a log file to its delivery: what this project is responsible for.",
        queries=quantiles("object_lag_seconds"),
        unit="s",
        width=6,
    ),
    Panel(
        title="Lag of messages",
        description="From the sending of a message to its completion.",
        queries=quantiles("delivery_lag_seconds"),
        unit="s",
        width=6,
    ),
    Panel(
        title="Age of events",
        description="From an event to its delivery; CloudTrail itself takes minutes of it.",
        queries=quantiles("event_age_seconds"),
        unit="s",
        width=6,
    ),
    Panel(
        title="Late files",
        description="Share of log files that came later than two minutes after they were written; 1 % over 30 days is the"
        " objective.",
        queries=[Query(f"{ratio(window)}{{{CHOSEN}}}", window) for window in ("1h", "6h", "3d")],
        unit="percentunit",
        width=6,
    ),
)
_QUEUE = (
    Panel(
        title="Messages in the queue",
        description="SQS's own figures, approximate.",
        queries=[
            Query(maximum("sqs_messages_visible"), "waiting"),
            Query(maximum("sqs_messages_inflight"), "invisible"),
            Query(maximum("sqs_messages_delayed"), "delayed"),
            Query(maximum("sqs_dead_letter_messages"), "dead-letter queue"),
        ],
        unit="none",
        width=6,
    ),
    Panel(
        title="Age of the oldest message",
        description="Of the messages that were received lately.",
        queries=[Query(maximum("sqs_oldest_message_age_seconds"), "oldest")],
        unit="s",
        width=6,
    ),
    Panel(
        title="Messages received and deleted",
        description="Messages; receives that returned none; those whose receipt had expired when they were done.",
        queries=[
            Query(sum_rate("sqs_messages_received_total"), "received"),
            Query(sum_rate("sqs_messages_deleted_total"), "deleted"),
            Query(sum_rate("sqs_receive_empty_total"), "empty receives"),
            Query(sum_rate("sqs_messages_lost_total"), "lost"),
        ],
        unit="ops",
        width=6,
    ),
    Panel(
        title="Messages in work",
        description="Received and not yet done; held invisible in mode Test.",
        queries=[
            Query(f"sum({pick('sqs_messages_in_work')})", "in work"),
            Query(f"sum({pick('sqs_messages_held')})", "held"),
        ],
        unit="none",
        width=6,
    ),
)
_ERRORS = (
    Panel(
        title="Failed attempts by reason",
        description="Attempts to deliver a log file that failed; they come again.",
        queries=[Query(sum_rate("files_processed_total", "reason", labels='outcome="failed"'), "{{reason}}")],
        unit="ops",
        width=6,
    ),
    Panel(
        title="Given up by reason",
        description="In the time that is shown: event records and log files that were told to the dead-letter sink.",
        queries=[
            Query(sum_increase("events_dead_lettered_total", "reason"), "events: {{reason}}"),
            Query(
                sum_increase("files_processed_total", "reason", labels='outcome="dead_lettered"'), "files: {{reason}}"
            ),
        ],
        unit="none",
        width=6,
    ),
    Panel(
        title="Messages given back by reason",
        description="Messages released to the queue.",
        queries=[Query(sum_rate("sqs_messages_released_total", "reason"), "{{reason}}")],
        unit="ops",
        width=6,
    ),
    Panel(
        title="Messages without log files, by reason",
        description="Messages that announced nothing to read, and extensions of invisibility by result.",
        queries=[
            Query(sum_increase("sqs_messages_consumed_total", "reason"), "{{reason}}"),
            Query(sum_increase("sqs_visibility_extensions_total", "result"), "extension {{result}}"),
        ],
        unit="none",
        width=6,
    ),
)
_SINKS = (
    Panel(
        title="Batches by sink",
        description="Deliveries of a batch, whatever the answer.",
        queries=[Query(sum_rate("sink_request_duration_seconds_count", "sink"), "{{sink}}")],
        unit="reqps",
        width=6,
    ),
    Panel(
        title="Answer time of sinks",
        description="95th percentile of one attempt.",
        queries=[Query(quantile("0.95", "sink_request_duration_seconds", "sink"), "{{sink}}")],
        unit="s",
        width=6,
    ),
    Panel(
        title="Waiting for sinks",
        description="Events that a sink has not accepted yet. A slow sink shows here first.",
        queries=[Query(f"sum by (sink) ({pick('sink_waiting_events')})", "{{sink}}")],
        unit="none",
        width=6,
    ),
    Panel(
        title="Refused and unanswered",
        description="Events that a sink will never take; batches that it did not accept in time; events that failed.",
        queries=[
            Query(sum_rate("sink_rejected_events_total", "sink"), "{{sink}} refuses"),
            Query(sum_rate("delivery_timeouts_total", "sink"), "{{sink}} too late"),
            Query(sum_rate("events_failed_total", "reason"), "failed: {{reason}}"),
        ],
        unit="ops",
        width=6,
    ),
)
_INTEGRITY = (
    Panel(
        title="Log files by proof",
        description="Log files that digest files name, by what is proven. Only with integrity in the source.",
        queries=[Query(sum_rate("integrity_log_files_total", "result"), "{{result}}")],
        unit="ops",
        stacked=True,
    ),
    Panel(
        title="Digest files and findings",
        description="In the time that is shown: digest files by whether they can be trusted, and what checks found.",
        queries=[
            Query(sum_increase("integrity_digests_total", "result"), "{{result}}"),
            Query(f"{sum_increase('integrity_findings_total', 'finding')} > 0", "{{finding}}"),
        ],
        unit="none",
    ),
    Panel(
        title="Messages that wait for digest files",
        description="With mode Enforce: what they announce is delivered when a digest file names it.",
        queries=[Query(f"sum({pick('integrity_waiting_messages')})", "waiting")],
        unit="none",
    ),
)
_AWS = (
    Panel(
        title="Requests to SQS",
        description="By operation.",
        queries=[Query(sum_rate("aws_request_duration_seconds_count", "operation"), "{{operation}}")],
        unit="reqps",
    ),
    Panel(
        title="Answer time of SQS",
        description="95th percentile; requests to receive wait for messages.",
        queries=[Query(quantile("0.95", "aws_request_duration_seconds", "operation"), "{{operation}}")],
        unit="s",
    ),
    Panel(
        title="Errors of AWS",
        description="Failed requests by operation and AWS's code. Empty until the first one.",
        queries=[
            Query(
                sum_rate("aws_api_errors_total", "service", "operation", "code"),
                "{{service}}:{{operation}} {{code}}",
            )
        ],
        unit="ops",
    ),
)
_COLLECTORS = (
    Panel(
        title="CPU",
        description="Cores in use.",
        queries=[Query(f"rate(process_cpu_seconds_total{{{CHOSEN}}}[$__rate_interval])", "{{pod}}")],
        unit="none",
    ),
    Panel(
        title="Memory",
        description="Resident memory.",
        queries=[Query(f"process_resident_memory_bytes{{{CHOSEN}}}", "{{pod}}")],
        unit="bytes",
    ),
    Panel(
        title="Versions",
        description="Collectors by version.",
        queries=[Query(f"count by (version) ({pick('build_info')})", "{{version}}")],
        unit="none",
    ),
)
