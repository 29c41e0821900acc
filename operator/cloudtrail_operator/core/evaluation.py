"""An observation becomes a verdict: conditions, and what the status says beside them."""

from cloudtrail_operator.core.checks import ALL_CHECKS, evaluate_checks
from cloudtrail_operator.core.desired import Desired
from cloudtrail_operator.core.findings import Finding, Verdict, find_false, find_true
from cloudtrail_operator.core.merge import merge_reports, take_figures
from cloudtrail_operator.core.observation import Observation
from cloudtrail_operator.core.readiness import Situation, describe_rollout, evaluate_readiness, find_ready_count
from cloudtrail_operator.core.source import SpecProblem
from cloudtrail_spec.conditions import ConditionType, Reason
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.status import CloudTrailSourceStatus


def evaluate(desired: Desired, observation: Observation, previous: CloudTrailSourceStatus) -> Verdict:
    """Judge a source whose spec is in order."""
    current = observation.current(desired.template_hash)
    reports = [item.report for item in current if item.report and item.report.config_hash == desired.config_hash]
    checks = evaluate_checks(reports, paused=desired.mode is Mode.PAUSED)
    rollout = describe_rollout(desired, observation)
    findings = [evaluate_readiness(Situation(desired, observation, checks)), *checks]
    if rollout is not None:
        findings.append(find_true(ConditionType.RECONCILING, Reason.ROLLING_OUT, rollout))
    return Verdict(
        findings=tuple(findings),
        figures=merge_reports(reports, take_figures(previous)),
        replicas=desired.replicas,
        ready_replicas=find_ready_count(current),
        mode=desired.mode if rollout is None else None,
        config_hash=desired.config_hash if rollout is None else None,
    )


def evaluate_problem(problem: SpecProblem, previous: CloudTrailSourceStatus) -> Verdict:
    """Judge a source whose spec only a person can mend. What runs already goes on, untouched."""
    reason = Reason.FEATURE_NOT_AVAILABLE if problem.unavailable else Reason.INVALID_SPEC
    message = "; ".join(problem.sentences)
    return Verdict(
        findings=(
            find_false(ConditionType.READY, reason, message),
            find_true(ConditionType.STALLED, reason, message),
            *keep_checks(previous),
        ),
        figures=take_figures(previous),
    )


def evaluate_failure(sentence: str, previous: CloudTrailSourceStatus) -> Verdict:
    """Judge a source that could not be reconciled: a retry follows."""
    return Verdict(
        findings=(find_false(ConditionType.READY, Reason.RECONCILE_FAILED, sentence), *keep_checks(previous)),
        figures=take_figures(previous),
    )


def keep_checks(previous: CloudTrailSourceStatus) -> tuple[Finding, ...]:
    """Repeat what was known of AWS and the sinks; unknown for a source that is seen for the first time."""
    known = {condition.type: condition for condition in previous.conditions}
    fresh = {finding.type: finding for finding in evaluate_checks((), paused=False)}
    return tuple(
        Finding(kind, known[kind].status, parse_reason(known[kind].reason), known[kind].message)
        if kind in known
        else fresh[kind]
        for kind in ALL_CHECKS
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
