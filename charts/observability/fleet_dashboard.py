"""The dashboard of all sources together, and of the operator."""

from observability.grafana import Dashboard, Panel, Query, Row
from observability.lag_objective import ratio
from observability.queries import (
    CHOSEN,
    NAMESPACES,
    PER_SOURCE,
    SOURCES,
    maximum,
    or_zero,
    quantiles,
    sum_increase,
    sum_rate,
    told,
)

_GOOD_IF_FALSE = "Stalled|Reconciling|Lagging|DeadLettering|QueueConflict"
_OPERATOR = "cloudtrail_operator_"
_PER_BACKFILL = "{{namespace}}/{{backfill}}"


def build_dashboard() -> Dashboard:
    """Build it."""
    return Dashboard(
        name="fleet",
        title="CloudTrail / Fleet",
        description="All CloudTrail sources and backfills: what is wrong, how much flows, how late; and the operator.",
        variables=(NAMESPACES, SOURCES),
        rows=(
            Row("Overview", _OVERVIEW),
            Row("Flow", _FLOW),
            Row("Losses", _LOSSES),
            Row("Backfills", _BACKFILLS),
            Row("Operator", _OPERATOR_PANELS),
        ),
    )


def _count(title: str, description: str, expr: str, *, bad_from: float | None = 1) -> Panel:
    return Panel(
        title=title,
        description=description,
        queries=[Query(expr, title)],
        unit="none",
        kind="stat",
        width=4,
        height=4,
        bad_from=bad_from,
    )


def _count_condition(labels: str) -> str:
    return or_zero(f"count({told('condition', labels)})")


def _pick_backfills(metric: str, labels: str) -> str:
    return f'cloudtrail_backfill_{metric}{{namespace=~"$namespace",{labels}}}'


def _tell_backfill(metric: str, state: str) -> str:
    chosen = _pick_backfills(metric, f'state="{state}"')
    return f"max by (namespace, backfill) ({chosen})"


_BAD = (
    f'max by (namespace, source, type, status) (cloudtrail_source_condition{{{CHOSEN},type!~"{_GOOD_IF_FALSE}",'
    f'status="False"}} or cloudtrail_source_condition{{{CHOSEN},type=~"{_GOOD_IF_FALSE}",status="True"}})'
)
_OVERVIEW = (
    _count("Sources", "Sources that exist.", f"count({told('info')})", bad_from=None),
    _count(
        "Not ready",
        "Sources whose condition Ready is not True.",
        _count_condition('type="Ready",status!="True"'),
    ),
    _count(
        "Stalled",
        "Sources that only a person can help.",
        _count_condition('type="Stalled",status="True"'),
    ),
    _count(
        "Collectors missing",
        "Collectors that are wanted and not ready.",
        f"sum({told('replicas')} - {told('ready_replicas')})",
    ),
    _count(
        "Messages",
        "Messages in all queues, waiting or in work.",
        f"sum({told('queue_messages')})",
        bad_from=None,
    ),
    _count(
        "Alerts",
        "Alerts of this project that fire.",
        or_zero('count(ALERTS{alertname=~"CloudTrail.+",alertstate="firing"})'),
    ),
    Panel(
        title="Conditions that are not good",
        description="Conditions of sources that are not as they should be; docs/conditions.md says what to do about each.",
        queries=[Query(_BAD)],
        unit="none",
        kind="table",
        width=12,
        height=8,
    ),
    Panel(
        title="Late files in the last hour",
        description="Share of log files that were delivered later than two minutes after they were written; 1 % over 30"
        " days is the objective.",
        queries=[Query(f"{ratio('1h')}{{{CHOSEN}}}", PER_SOURCE)],
        unit="percentunit",
        width=12,
        height=8,
    ),
)
_FLOW = (
    Panel(
        title="Events delivered",
        description="Event records that sinks accepted; one that goes to two sinks counts twice.",
        queries=[Query(sum_rate("events_emitted_total", "namespace", "source"), PER_SOURCE)],
        unit="eps",
        stacked=True,
    ),
    Panel(
        title="Log files",
        description="Announced objects by what became of them.",
        queries=[Query(sum_rate("files_processed_total", "outcome"), "{{outcome}}")],
        unit="ops",
        stacked=True,
    ),
    Panel(
        title="Lag",
        description="From the writing of a log file to its delivery, over all sources.",
        queries=quantiles("object_lag_seconds"),
        unit="s",
    ),
    Panel(
        title="Messages by source",
        description="Messages in the queue, waiting or in work.",
        queries=[Query(told("queue_messages"), PER_SOURCE)],
        unit="none",
    ),
    Panel(
        title="Age of the oldest message",
        description="Of the messages that were received lately.",
        queries=[Query(maximum("sqs_oldest_message_age_seconds", "namespace", "source"), PER_SOURCE)],
        unit="s",
    ),
    Panel(
        title="Newest event",
        description="How long ago the newest event that was delivered happened.",
        queries=[
            Query(f"time() - ({maximum('last_event_timestamp_seconds', 'namespace', 'source')} > 0)", PER_SOURCE),
        ],
        unit="s",
    ),
)
_LOSSES = (
    Panel(
        title="Dead-letter queues",
        description="Messages that SQS gave up after too many receives.",
        queries=[Query(maximum("sqs_dead_letter_messages", "namespace", "source"), PER_SOURCE)],
        unit="none",
    ),
    Panel(
        title="To the dead-letter sink",
        description="Event records in the time that is shown that were told to the dead-letter sink.",
        queries=[
            Query(
                sum_increase("events_dead_lettered_total", "namespace", "source", "reason"),
                f"{PER_SOURCE} {{{{reason}}}}",
            )
        ],
        unit="none",
    ),
    Panel(
        title="Failed attempts",
        description="Attempts to deliver a log file that failed; they come again.",
        queries=[
            Query(
                sum_rate("files_processed_total", "namespace", "source", "reason", labels='outcome="failed"'),
                f"{PER_SOURCE} {{{{reason}}}}",
            )
        ],
        unit="ops",
    ),
)
_BACKFILL_STATES = 'type=~"Ready|Complete|Failed|Suspended|Stalled",status="True"'
_BACKFILLS = (
    Panel(
        title="Backfills",
        description="Conditions of backfills that are True; one that is at work is Ready.",
        queries=[
            Query(f"max by (namespace, backfill, type) ({_pick_backfills('condition', _BACKFILL_STATES)})"),
        ],
        unit="none",
        kind="table",
    ),
    Panel(
        title="Progress of backfills",
        description="Share of the days of an account and a region that are done.",
        queries=[
            Query(f"{_tell_backfill('units', 'done')} / {_tell_backfill('units', 'planned')}", _PER_BACKFILL),
        ],
        unit="percentunit",
    ),
    Panel(
        title="Events of backfills",
        description="Event records that sinks accepted since a backfill began.",
        queries=[Query(_tell_backfill("events", "emitted"), _PER_BACKFILL)],
        unit="none",
    ),
)
_OPERATOR_PANELS = (
    Panel(
        title="Looks at sources",
        description="How often the operator looked at a source, and how that ended.",
        queries=[Query(f"sum by (result) (rate({_OPERATOR}reconcile_total[$__rate_interval]))", "{{result}}")],
        unit="ops",
        stacked=True,
    ),
    Panel(
        title="Duration of a look",
        description="95th percentile.",
        queries=[
            Query(
                "histogram_quantile(0.95, sum by (pod, le)"
                f" (rate({_OPERATOR}reconcile_duration_seconds_bucket[$__rate_interval])))",
                "{{pod}}",
            )
        ],
        unit="s",
    ),
    Panel(
        title="Sources that are due",
        description="Sources that wait for a look.",
        queries=[Query(f"max by (pod) ({_OPERATOR}queue_depth)", "{{pod}}")],
        unit="none",
    ),
    Panel(
        title="Writes to the Kubernetes API",
        description="Unchanged sources make none.",
        queries=[Query(f"sum by (verb, kind) (rate({_OPERATOR}writes_total[$__rate_interval]))", "{{verb}} {{kind}}")],
        unit="ops",
    ),
    Panel(
        title="Collectors asked",
        description="How often a collector was asked for its status, and whether it answered.",
        queries=[Query(f"sum by (result) (rate({_OPERATOR}polls_total[$__rate_interval]))", "{{result}}")],
        unit="ops",
        stacked=True,
    ),
    Panel(
        title="Watched changes",
        description="Changes that watches told, and those that only a list found.",
        queries=[
            Query(f"sum by (kind) (rate({_OPERATOR}watch_events_total[$__rate_interval]))", "{{kind}}"),
            Query(f"sum (rate({_OPERATOR}missed_changes_total[$__rate_interval]))", "missed"),
        ],
        unit="ops",
    ),
    Panel(
        title="Leader",
        description="1: this operator acts; 0: it stands by.",
        queries=[Query(f"max by (namespace, pod) ({_OPERATOR}leader)", "{{namespace}}/{{pod}}")],
        unit="none",
    ),
    Panel(
        title="Versions",
        description="Processes by program and version.",
        queries=[
            Query(f"count by (version) ({_OPERATOR}build_info)", "operator {{version}}"),
            Query("count by (version) (cloudtrail_collector_build_info)", "collector {{version}}"),
        ],
        unit="none",
    ),
)
