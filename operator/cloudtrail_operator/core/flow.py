"""What the collectors report of the last minutes becomes warnings: no data, late data, lost data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudtrail_operator.core.durations import format_duration
from cloudtrail_operator.core.findings import Finding, find_false, find_true, find_unknown
from cloudtrail_operator.core.merge import find_dead_letter_depth
from cloudtrail_spec.conditions import ConditionType, Reason
from cloudtrail_spec.report import Activity, CollectorReport, CollectorState

FLOW_CONDITIONS = (ConditionType.DATA_FLOWING, ConditionType.LAGGING, ConditionType.DEAD_LETTERING)
FLOW_WINDOW = timedelta(minutes=30)
"""How long no object may be read. A message that failed comes back within half of it."""
SILENCE = timedelta(minutes=5)
"""How long after its last receive a collector's word about the queue counts."""


@dataclass(frozen=True, slots=True)
class FlowLimits:
    """When data counts as late."""

    lag: timedelta = timedelta(minutes=15)


DEFAULT_LIMITS = FlowLimits()


def evaluate_flow(
    reports: Sequence[CollectorReport], *, paused: bool, limits: FlowLimits, now: datetime
) -> tuple[Finding, ...]:
    """Find what is to be known of the flow of data; always all three."""
    if paused:
        message = "no collector runs while the source is paused"
        return (
            find_unknown(ConditionType.DATA_FLOWING, Reason.PAUSED, message),
            find_false(ConditionType.LAGGING, Reason.PAUSED, message),
            find_false(ConditionType.DEAD_LETTERING, Reason.PAUSED, message),
        )
    return _judge_flow(reports, now), _judge_lag(reports, limits, now), _judge_dead_letters(reports)


def _judge_flow(reports: Sequence[CollectorReport], now: datetime) -> Finding:
    kind = ConditionType.DATA_FLOWING
    activities = [report.activity for report in reports if report.activity is not None]
    if not activities:
        return find_unknown(kind, Reason.NOT_OBSERVED, _describe_ignorance(reports))
    if any(_is_recent(item.last_object_at, now, FLOW_WINDOW) for item in activities):
        return find_true(kind, Reason.FLOWING, "objects are read")
    waits = [item.unread_since for item in activities if _gives_in_vain(item, now)]
    oldest = min((since for since in waits if since is not None), default=None)
    if oldest is not None:
        message = f"the queue gives messages, but no object was read to its end since {_render_time(oldest)}"
        return find_false(kind, Reason.NO_OBJECTS_READ, message)
    return find_unknown(kind, *_explain_silence(reports, activities, now))


def _explain_silence(
    reports: Sequence[CollectorReport], activities: Sequence[Activity], now: datetime
) -> tuple[Reason, str]:
    """Say why there is neither an object nor reason to expect one."""
    if any(report.state is CollectorState.HOLDING for report in reports):
        return Reason.HOLDING, "the test holds test.maxMessages messages and receives no more"
    if any(_is_recent(item.last_message_at, now, FLOW_WINDOW) for item in activities):
        return Reason.NOT_OBSERVED, "the queue gives messages; no object was read yet"
    if not _find_heard(reports, now):
        return Reason.NOT_OBSERVED, "no collector has received lately"
    return Reason.QUEUE_EMPTY, "the queue gives no messages"


def _gives_in_vain(activity: Activity, now: datetime) -> bool:
    """Say whether a collector has got messages all through the window and read no object."""
    since = activity.unread_since
    return since is not None and now - since >= FLOW_WINDOW and _is_recent(activity.last_message_at, now, FLOW_WINDOW)


def _judge_lag(reports: Sequence[CollectorReport], limits: FlowLimits, now: datetime) -> Finding:
    kind = ConditionType.LAGGING
    looks = [report.queue for report in _find_heard(reports, now) if report.queue is not None]
    if not looks:
        message = "no collector has received lately" if reports else _describe_ignorance(reports)
        return find_unknown(kind, Reason.NOT_OBSERVED, message)
    age = max((look.oldest_age_seconds or 0 for look in looks), default=0)
    allowed = format_duration(int(limits.lag.total_seconds()))
    if age > limits.lag.total_seconds():
        message = (
            f"messages waited in the queue for {format_duration(age)} before they were received; more than {allowed}"
        )
        return find_true(kind, Reason.BEHIND, message)
    return find_false(kind, Reason.UP_TO_DATE, f"messages wait in the queue for less than {allowed}")


def _judge_dead_letters(reports: Sequence[CollectorReport]) -> Finding:
    kind = ConditionType.DEAD_LETTERING
    activities = [report.activity for report in reports if report.activity is not None]
    waiting = find_dead_letter_depth([report.queue for report in reports if report.queue is not None])
    if waiting is None and not activities:
        return find_unknown(kind, Reason.NOT_OBSERVED, _describe_ignorance(reports))
    lost = _describe_lost(activities)
    held = f"{waiting} messages wait in the queue's dead-letter queue" if waiting else None
    sentence = "; ".join(part for part in (lost, held) if part)
    if sentence:
        return find_true(kind, Reason.DEAD_LETTER_SINK if lost else Reason.DEAD_LETTER_QUEUE, sentence)
    return find_false(kind, Reason.NO_DEAD_LETTERS, "nothing went to deadLetterSink lately")


def _describe_lost(activities: Sequence[Activity]) -> str | None:
    count = sum(item.dead_lettered for item in activities)
    if not count:
        return None
    newest = max((item for item in activities if item.last_dead_letter_at), key=_dead_letter_time, default=None)
    reason = "" if newest is None else f", the last one for {newest.last_dead_letter_reason}"
    return f"{count} events or files went to deadLetterSink within 15 minutes{reason}"


def _dead_letter_time(activity: Activity) -> float:
    return activity.last_dead_letter_at.timestamp() if activity.last_dead_letter_at else 0.0


def _find_heard(reports: Sequence[CollectorReport], now: datetime) -> list[CollectorReport]:
    """Find the reports of collectors that can say what is in the queue."""
    return [report for report in reports if _is_recent(report.last_receive_at, now, SILENCE)]


def _describe_ignorance(reports: Sequence[CollectorReport]) -> str:
    return "the collectors are too old to report on this" if reports else "no collector has reported on this yet"


def _is_recent(moment: datetime | None, now: datetime, window: timedelta) -> bool:
    return moment is not None and now - moment < window


def _render_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
