"""An observation becomes a verdict: conditions, and what the status says beside them."""

from collections.abc import Sequence
from dataclasses import replace

from cloudtrail_operator.core.checks import ALL_CHECKS, evaluate_checks
from cloudtrail_operator.core.conflicts import evaluate_conflict
from cloudtrail_operator.core.desired import Desired
from cloudtrail_operator.core.findings import MESSAGE_LIMIT, Finding, Verdict, find_false, find_true, find_unknown
from cloudtrail_operator.core.flow import DEFAULT_LIMITS, FLOW_CONDITIONS, FlowLimits, evaluate_flow
from cloudtrail_operator.core.integrity import evaluate_integrity
from cloudtrail_operator.core.merge import merge_reports, take_figures
from cloudtrail_operator.core.observation import Observation
from cloudtrail_operator.core.readiness import Situation, describe_rollout, evaluate_readiness, find_ready_count
from cloudtrail_operator.core.source import SourceKey, SpecProblem
from cloudtrail_spec.conditions import ConditionType, Reason
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.status import CloudTrailSourceStatus


def evaluate(
    desired: Desired, observation: Observation, previous: CloudTrailSourceStatus, limits: FlowLimits = DEFAULT_LIMITS
) -> Verdict:
    """Judge a source whose spec is in order."""
    current = observation.current(desired.template_hash)
    reports = [item.report for item in current if item.report and item.report.config_hash == desired.config_hash]
    paused = desired.mode is Mode.PAUSED
    checks = _advise(evaluate_checks(reports, paused=paused), desired.credentials_advice)
    rollout = describe_rollout(desired, observation)
    findings = [
        evaluate_readiness(Situation(desired, observation, checks)),
        *checks,
        *evaluate_flow(reports, paused=paused, limits=limits, now=observation.at),
        evaluate_conflict(observation.peers, paused=paused),
    ]
    if desired.checks_integrity:
        findings.append(evaluate_integrity(reports, paused=paused, now=observation.at))
    if rollout is not None:
        findings.append(find_true(ConditionType.RECONCILING, Reason.ROLLING_OUT, rollout))
    return Verdict(
        findings=tuple(findings),
        figures=merge_reports(reports, take_figures(previous)),
        replicas=desired.count_wanted(observation.rollout),
        ready_replicas=find_ready_count(current),
        mode=desired.mode if rollout is None else None,
        config_hash=desired.config_hash if rollout is None else None,
    )


def _advise(checks: tuple[Finding, ...], advice: str | None) -> tuple[Finding, ...]:
    """Add what to do to the check that says that there are no credentials."""
    return tuple(
        replace(check, message=f"{check.message}; {advice}"[:MESSAGE_LIMIT])
        if advice and check.type is ConditionType.CREDENTIALS_VALID and check.reason is Reason.CREDENTIALS_REJECTED
        else check
        for check in checks
    )


def evaluate_problem(
    problem: SpecProblem, previous: CloudTrailSourceStatus, peers: Sequence[SourceKey] = ()
) -> Verdict:
    """Judge a source whose spec only a person can mend. What runs already goes on, untouched."""
    message = "; ".join(problem.sentences)
    return Verdict(
        findings=(
            find_false(ConditionType.READY, problem.reason, message),
            find_true(ConditionType.STALLED, problem.reason, message),
            *keep_checks(previous),
            evaluate_conflict(peers, paused=False),
        ),
        figures=take_figures(previous),
    )


def evaluate_denial(sentences: Sequence[str], previous: CloudTrailSourceStatus) -> Verdict:
    """Judge a source that the admin's allow-list bars: it has no workload, and nothing is known of what it names."""
    message = "; ".join(sentences)
    idle = "no collector runs: the source is not allowed"
    kinds = (*ALL_CHECKS, *FLOW_CONDITIONS, ConditionType.QUEUE_CONFLICT)
    return Verdict(
        findings=(
            find_false(ConditionType.READY, Reason.NOT_ALLOWED, message),
            find_true(ConditionType.STALLED, Reason.NOT_ALLOWED, message),
            *(find_unknown(kind, Reason.NOT_ALLOWED, idle) for kind in kinds),
        ),
        figures=take_figures(previous),
        replicas=0,
        ready_replicas=0,
    )


def evaluate_failure(sentence: str, previous: CloudTrailSourceStatus, peers: Sequence[SourceKey] = ()) -> Verdict:
    """Judge a source that could not be reconciled: a retry follows."""
    return Verdict(
        findings=(
            find_false(ConditionType.READY, Reason.RECONCILE_FAILED, sentence),
            *keep_checks(previous),
            evaluate_conflict(peers, paused=False),
        ),
        figures=take_figures(previous),
    )


def evaluate_rejection(sentence: str, previous: CloudTrailSourceStatus, peers: Sequence[SourceKey] = ()) -> Verdict:
    """Judge a source of whose workload Kubernetes does not accept a part. What runs already goes on."""
    return Verdict(
        findings=(
            find_false(ConditionType.READY, Reason.WORKLOAD_REJECTED, sentence),
            find_true(ConditionType.STALLED, Reason.WORKLOAD_REJECTED, sentence),
            *keep_checks(previous),
            evaluate_conflict(peers, paused=False),
        ),
        figures=take_figures(previous),
    )


def keep_checks(previous: CloudTrailSourceStatus) -> tuple[Finding, ...]:
    """Repeat what collectors have said; unknown for a source that is seen for the first time."""
    known = {condition.type: condition for condition in previous.conditions}
    asked = (ConditionType.INTEGRITY_VERIFIED,) if ConditionType.INTEGRITY_VERIFIED in known else ()
    return tuple(
        Finding(kind, known[kind].status, parse_reason(known[kind].reason), known[kind].message)
        if kind in known
        else find_unknown(kind, Reason.NOT_OBSERVED, "no collector has reported on this yet")
        for kind in (*ALL_CHECKS, *FLOW_CONDITIONS, *asked)
    )


def parse_reason(word: str) -> Reason:
    """Turn a reason in a status back; one of another version's means that nothing is known."""
    try:
        return Reason(word)
    except ValueError:
        return Reason.NOT_OBSERVED


def is_under_way(verdict: Verdict) -> bool:
    """Say whether the verdict is about to change: collectors start, stop, or have not reported yet."""
    return any(
        finding.type is ConditionType.READY and finding.reason in (Reason.ROLLING_OUT, Reason.WAITING_FOR_COLLECTORS)
        for finding in verdict.findings
    )


def is_denied(verdict: Verdict) -> bool:
    """Say whether the verdict is that of a source that the allow-list bars."""
    return any(
        finding.type is ConditionType.STALLED and finding.reason is Reason.NOT_ALLOWED for finding in verdict.findings
    )
