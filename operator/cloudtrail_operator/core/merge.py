"""The answers of a source's collectors become the figures in its status."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloudtrail_spec.base import ApiModel
from cloudtrail_spec.report import CollectorReport, EventCounts, FileCounts, LastError
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
        return previous
    newest = max((r for r in reports if r.last_event_time is not None), key=_event_time, default=None)
    times = [report.last_event_time for report in reports if report.last_event_time is not None]
    known = [time for time in (*times, previous.last_event_time) if time is not None]
    return Figures(
        queue=_merge_queue(reports) or previous.queue,
        files=FileStatus(**_add_up([report.files for report in reports], FileStatus)),
        events=EventStatus(**_add_up([report.events for report in reports], EventStatus)),
        last_event_time=max(known, default=None),
        lag=previous.lag if newest is None or newest.lag_seconds is None else format_duration(newest.lag_seconds),
        last_error=_merge_errors(report.last_error for report in reports) or previous.last_error,
    )


def _add_up(counts: Sequence[FileCounts] | Sequence[EventCounts], kind: type[ApiModel]) -> dict[str, int]:
    """Add up the counters of replicas; they have the same names in the report and in the status."""
    return {name: sum(getattr(one, name) for one in counts) for name in kind.model_fields}


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
    )


def _merge_errors(errors: Iterable[LastError | None]) -> LastErrorStatus | None:
    newest = max((error for error in errors if error is not None), key=lambda error: error.time, default=None)
    if newest is None:
        return None
    return LastErrorStatus(
        time=newest.time.replace(microsecond=0),
        action=newest.action[:MESSAGE_LIMIT],
        code=newest.code[:MESSAGE_LIMIT],
        resource=newest.resource[:MESSAGE_LIMIT],
        message=newest.message[:MESSAGE_LIMIT],
        count=newest.count,
    )


def format_duration(seconds: int) -> str:
    """Render seconds for people: 45s, 4m10s, 2h5m, 3d4h. Two units say enough."""
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    seconds = max(0, seconds)
    first = next((index for index, (_, size) in enumerate(units) if seconds >= size), len(units) - 1)
    amounts = []
    for unit, size in units[first : first + 2]:
        amount, seconds = divmod(seconds, size)
        amounts.append((amount, unit))
    return "".join(f"{amount}{unit}" for amount, unit in amounts if amount or (unit == "s" and len(amounts) == 1))
