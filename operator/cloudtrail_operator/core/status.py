"""A verdict and the status before it become the new status: the only place where conditions get their times."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudtrail_operator.core.change import Change, find_change
from cloudtrail_operator.core.findings import Finding, Verdict, date_findings
from cloudtrail_operator.core.merge import FIGURES
from cloudtrail_operator.core.source import Source
from cloudtrail_operator.core.stalling import find_stall
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.status import CloudTrailSourceStatus, Condition


@dataclass(frozen=True, slots=True)
class StatusTimes:
    """The present, and how long a failure may last before it counts as stalled."""

    now: datetime
    stall_after: timedelta


def build_status(
    source: Source, verdict: Verdict, previous: CloudTrailSourceStatus, times: StatusTimes
) -> CloudTrailSourceStatus:
    """Build the status that describes the source's present generation."""
    return CloudTrailSourceStatus(
        observed_generation=source.generation,
        mode=verdict.mode or previous.mode,
        replicas=previous.replicas if verdict.replicas is None else verdict.replicas,
        ready_replicas=previous.ready_replicas if verdict.ready_replicas is None else verdict.ready_replicas,
        config_hash=verdict.config_hash or previous.config_hash,
        conditions=_build_conditions(source, verdict, previous, times),
        last_handled_reconcile_at=source.reconcile_request or previous.last_handled_reconcile_at,
        **{name: getattr(verdict.figures, name) for name in FIGURES},
    )


def _build_conditions(
    source: Source, verdict: Verdict, previous: CloudTrailSourceStatus, times: StatusTimes
) -> tuple[Condition, ...]:
    now = times.now.replace(microsecond=0)
    findings = list(verdict.findings)
    conditions = date_findings(findings, previous.conditions, source.generation, now)
    stall = find_stall(list(conditions), after=times.stall_after, now=now)
    if stall is None:
        return conditions
    # kstatus takes the first of the two that it meets: both at once would say two things.
    findings = [item for item in findings if item.type is not ConditionType.RECONCILING]
    findings.append(Finding(ConditionType.STALLED, ConditionStatus.TRUE, Reason(stall.reason), stall.message))
    return date_findings(findings, previous.conditions, source.generation, now)


def compare(new: CloudTrailSourceStatus, previous: CloudTrailSourceStatus) -> Change:
    """Compare a new status with the one before."""
    return find_change(new, previous, FIGURES)
