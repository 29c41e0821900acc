"""The answers of a source's collectors become the figures in its status."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cloudtrail_operator.core.durations import format_duration
from cloudtrail_spec.base import ApiModel
from cloudtrail_spec.report import CollectorReport, EventCounts, FileCounts, LastError, QueueFigures
from cloudtrail_spec.status import CloudTrailSourceStatus, EventStatus, FileStatus, LastErrorStatus, QueueStatus

MESSAGE_LIMIT = 2048
FIGURES = ("queue", "files", "events", "last_event_time", "lag", "last_error")
"""The fields of the status that this module computes."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a status. They change all the time and are written at a steady, slow pace."""

    queue: QueueStatus | None = None
    files: FileStatus | None = None
    events: EventStatus | None = None
    last_event_time: datetime | None = None
    lag: str | None = None
    last_error: LastErrorStatus | None = None


def take_figures(status: CloudTrailSourceStatus) -> Figures:
    """Take the figures out of a status that was written earlier."""
    return Figures(**{name: getattr(status, name) for name in FIGURES})


def merge_reports(reports: Sequence[CollectorReport], previous: Figures) -> Figures:
    """Merge. What nobody reports any more (no collector runs, or none has seen an event yet) stays as it was."""
    if not reports:
        return _keep(previous)
    newest = max((r for r in reports if r.last_event_time is not None), key=_event_time, default=None)
    times = [report.last_event_time for report in reports if report.last_event_time is not None]
    known = [time for time in (*times, previous.last_event_time) if time is not None]
    return Figures(
        queue=_merge_queue(reports) or previous.queue,
        files=FileStatus(**_add_up([report.files for report in reports], FileCounts)),
        events=EventStatus(
            **_add_up([report.events for report in reports], EventCounts), per_second=_merge_rates(reports)
        ),
        last_event_time=max(known, default=None),
        lag=previous.lag if newest is None or newest.lag_seconds is None else format_duration(newest.lag_seconds),
        last_error=_merge_errors([report.last_error for report in reports if report.last_error is not None])
        or previous.last_error,
    )


def _keep(previous: Figures) -> Figures:
    """Keep figures, but for those that are about the last minutes."""
    queue, events = previous.queue, previous.events
    return replace(
        previous,
        queue=queue and queue.model_copy(update={"oldest_age_seconds": None}),
        events=events and events.model_copy(update={"per_second": None}),
    )


def _add_up(counts: Sequence[FileCounts] | Sequence[EventCounts], kind: type[ApiModel]) -> dict[str, int]:
    """Add up the counters of replicas; they have the same names in the report and in the status."""
    return {name: sum(getattr(one, name) for one in counts) for name in kind.model_fields}


def _merge_rates(reports: Sequence[CollectorReport]) -> str | None:
    """Add up rates, as text: floating-point numbers do not belong into the Kubernetes API."""
    rates = [report.activity.events_per_second for report in reports if report.activity is not None]
    return f"{sum(rates):.1f}" if rates else None


def _event_time(report: CollectorReport) -> float:
    return report.last_event_time.timestamp() if report.last_event_time else 0.0


def _merge_queue(reports: Sequence[CollectorReport]) -> QueueStatus | None:
    """Every collector sees the same queue: its counts are taken from the newest look, its age from the oldest find."""
    looks = [report.queue for report in reports if report.queue is not None]
    if not looks:
        return None
    newest = max(looks, key=lambda look: look.observed_at)
    ages = [look.oldest_age_seconds for look in looks if look.oldest_age_seconds is not None]
    return QueueStatus(
        visible=newest.visible,
        in_flight=newest.in_flight,
        delayed=newest.delayed,
        oldest_age_seconds=max(ages, default=None),
        dead_letter_queue_arn=newest.dead_letter_queue_arn,
        max_receive_count=newest.max_receive_count,
        dead_letter_visible=find_dead_letter_depth(looks),
    )


def find_dead_letter_depth(looks: Sequence[QueueFigures]) -> int | None:
    """Return the depth of the dead-letter queue by the newest look that knows it; asking may fail now and then."""
    known = [look for look in looks if look.dead_letter_visible is not None]
    return max(known, key=lambda look: look.observed_at).dead_letter_visible if known else None


def _merge_errors(errors: Sequence[LastError]) -> LastErrorStatus | None:
    """Take the newest error, and count it together with those of other collectors that say the same."""
    newest = max(errors, key=lambda error: error.time, default=None)
    if newest is None:
        return None
    return LastErrorStatus(
        time=newest.time.replace(microsecond=0),
        action=newest.action[:MESSAGE_LIMIT],
        code=newest.code[:MESSAGE_LIMIT],
        resource=newest.resource[:MESSAGE_LIMIT],
        message=newest.message[:MESSAGE_LIMIT],
        count=sum(error.count for error in errors if _identify(error) == _identify(newest)),
    )


def _identify(error: LastError) -> tuple[str, str, str]:
    return error.action, error.code, error.resource
