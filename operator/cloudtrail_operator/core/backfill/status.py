"""What was found of a backfill, and the status before it, become the new status."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudtrail_operator.core.backfill.figures import FIGURES, BackfillFigures
from cloudtrail_operator.core.backfill.resource import Backfill
from cloudtrail_operator.core.change import Change, find_change
from cloudtrail_operator.core.findings import Finding, date_findings
from cloudtrail_operator.core.status import StatusTimes
from cloudtrail_spec.backfill_status import CloudTrailBackfillStatus, IntervalStatus
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.interval import Interval


@dataclass(frozen=True, slots=True)
class BackfillVerdict:
    """Everything that a look says about a backfill. None: as before."""

    findings: tuple[Finding, ...]
    figures: BackfillFigures | None = None
    interval: Interval | None = None
    completed_at: datetime | None = None


def build_backfill_status(backfill: Backfill, verdict: BackfillVerdict, times: StatusTimes) -> CloudTrailBackfillStatus:
    """Build the status that describes the backfill's present generation."""
    previous, interval = backfill.status, verdict.interval
    figures = {name: getattr(verdict.figures or previous, name) for name in FIGURES}
    now = times.now.replace(microsecond=0)
    findings = _let_wait_end(backfill, verdict.findings, now, times.stall_after)
    return CloudTrailBackfillStatus(
        observed_generation=backfill.generation,
        interval=IntervalStatus(since=interval.start, until=interval.end) if interval else previous.interval,
        completed_at=verdict.completed_at or previous.completed_at,
        conditions=date_findings(findings, previous.conditions, backfill.generation, now),
        last_handled_reconcile_at=backfill.reconcile_request or previous.last_handled_reconcile_at,
        **figures,
    )


def _let_wait_end(
    backfill: Backfill, findings: tuple[Finding, ...], now: datetime, stall_after: timedelta
) -> tuple[Finding, ...]:
    """Turn a wait for a source that has lasted for long into one that needs a person."""
    ready = next((item for item in findings if item.type is ConditionType.READY), None)
    if ready is None or ready.reason is not Reason.SOURCE_NOT_FOUND:
        return findings
    known = next((item for item in backfill.status.conditions if item.type == ConditionType.READY), None)
    waits = known is not None and known.status is ConditionStatus.FALSE and known.reason == ready.reason
    if known is None or not waits or now - known.last_transition_time < stall_after:
        return findings
    stalled = Finding(ConditionType.STALLED, ConditionStatus.TRUE, ready.reason, ready.message)
    return tuple(stalled if item.type is ConditionType.RECONCILING else item for item in findings)


def backfill_needs_write(
    new: CloudTrailBackfillStatus, previous: CloudTrailBackfillStatus, *, figures_due: bool
) -> bool:
    """Say whether the status has to be written: at once for what matters, at a slow pace for figures and wording."""
    change = find_change(new, previous, FIGURES)
    return change is Change.MAJOR or (change is Change.MINOR and figures_due)
