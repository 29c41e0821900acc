"""The checks that collectors report become one finding for each thing that they depend on."""

from collections.abc import Sequence

from cloudtrail_operator.core.findings import MESSAGE_LIMIT, Finding, find_unknown
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.report import Check, CollectorReport

DEPENDENCIES = (
    ConditionType.CREDENTIALS_VALID,
    ConditionType.QUEUE_REACHABLE,
    ConditionType.BUCKET_READABLE,
    ConditionType.SINKS_ACCEPTING,
)
"""In the order in which one explains the next: without credentials no queue is reachable. Ready needs all of them."""

WARNINGS = (
    ConditionType.NOTIFICATIONS_ACCEPTED,
    ConditionType.TEST_MODE_SAFE,
    ConditionType.NO_FEEDBACK_LOOP,
    ConditionType.NO_SETUP_PROBLEM,
)
"""What a person should look at while collecting goes on."""

ALL_CHECKS = (*DEPENDENCIES, *WARNINGS)

_SEVERITY = {ConditionStatus.FALSE: 0, ConditionStatus.TRUE: 1, ConditionStatus.UNKNOWN: 2}


def evaluate_checks(reports: Sequence[CollectorReport], paused: bool) -> tuple[Finding, ...]:
    """Find for each type the worst that any collector says. One that has not looked yet does not outweigh another."""
    return tuple(_evaluate_check(kind, reports, paused) for kind in ALL_CHECKS)


def _evaluate_check(kind: ConditionType, reports: Sequence[CollectorReport], paused: bool) -> Finding:
    if paused:
        return find_unknown(kind, Reason.PAUSED, "no collector runs while the source is paused")
    checks = [check for report in reports for check in report.checks if check.type is kind]
    worst = min(checks, key=_severity, default=None)
    if worst is None:
        return find_unknown(kind, Reason.NOT_OBSERVED, "no collector has reported on this yet")
    return Finding(kind, worst.status, worst.reason, worst.message[:MESSAGE_LIMIT])


def _severity(check: Check) -> tuple[int, str, str]:
    """Order checks; among equals by their text, so that the answer does not depend on who answered first."""
    return _SEVERITY[check.status], check.reason, check.message


def find_failed(findings: Sequence[Finding]) -> Finding | None:
    """Return the first dependency that failed: the one that explains the others."""
    failed = {finding.type: finding for finding in findings if finding.status is ConditionStatus.FALSE}
    return next((failed[kind] for kind in DEPENDENCIES if kind in failed), None)
