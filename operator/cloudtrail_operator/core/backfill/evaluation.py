"""What was observed of a backfill becomes its conditions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudtrail_operator.core.backfill.job_state import JobState
from cloudtrail_operator.core.evaluation import parse_reason
from cloudtrail_operator.core.findings import Finding, find_false, find_true
from cloudtrail_operator.core.pods import CollectorPod
from cloudtrail_operator.core.source import SpecProblem
from cloudtrail_spec.backfill import CloudTrailBackfillSpec
from cloudtrail_spec.backfill_status import CloudTrailBackfillStatus
from cloudtrail_spec.backfill_task import BackfillProgress
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.report import LastError

NOTES_LATE = timedelta(seconds=30)
"""A Job may be seen complete before its last worker's note is."""
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403"})
REJECTED = frozenset(
    {
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidIdentityToken",
        "InvalidToken",
        "NoCredentials",
        "SignatureDoesNotMatch",
    }
)


@dataclass(frozen=True, slots=True)
class BackfillObservation:
    """A backfill's Job, pods and notes, at a moment."""

    job: JobState
    pods: tuple[CollectorPod, ...]
    notes: tuple[BackfillProgress, ...]
    at: datetime


def evaluate_backfill(spec: CloudTrailBackfillSpec, seen: BackfillObservation) -> tuple[Finding, ...]:
    """Judge a backfill whose Job is as it should be."""
    if seen.job.failed_at is not None:
        return _find_failure(*_find_cause(seen))
    if seen.job.succeeded_at is not None:
        return _judge_end(spec, seen, seen.job.succeeded_at)
    if spec.suspend:
        return _judge_rest(seen)
    return _judge_run(spec, seen)


def is_end(findings: Sequence[Finding]) -> bool:
    """Say whether the backfill has completed or failed."""
    ends = (ConditionType.COMPLETE, ConditionType.FAILED)
    return any(finding.type in ends and finding.status is ConditionStatus.TRUE for finding in findings)


def repeat_findings(status: CloudTrailBackfillStatus) -> tuple[Finding, ...]:
    """Turn the conditions of a status back into what was found."""
    return tuple(
        Finding(ConditionType(item.type), item.status, parse_reason(item.reason), item.message)
        for item in status.conditions
        if item.type in list(ConditionType)
    )


def evaluate_backfill_problem(problem: SpecProblem, *, suspended: bool) -> tuple[Finding, ...]:
    """Judge a backfill whose spec only a person can mend. What runs already goes on, untouched."""
    message = "; ".join(problem.sentences)
    return (
        find_false(ConditionType.READY, problem.reason, message),
        find_true(ConditionType.STALLED, problem.reason, message),
        *_find_no_end(),
        _find_suspended(suspended=suspended),
    )


def evaluate_backfill_wait(reason: Reason, message: str, *, suspended: bool) -> tuple[Finding, ...]:
    """Judge a backfill that waits for something that is likely to come by itself."""
    return (
        find_false(ConditionType.READY, reason, message),
        find_true(ConditionType.RECONCILING, reason, message),
        *_find_no_end(),
        _find_suspended(suspended=suspended),
    )


def _judge_end(spec: CloudTrailBackfillSpec, seen: BackfillObservation, ended_at: datetime) -> tuple[Finding, ...]:
    """Judge a Job that is complete. Its workers' word counts: a program that does nothing ends well, too."""
    unfinished = spec.shares - sum(note.finished for note in seen.notes)
    if unfinished and seen.at - ended_at < NOTES_LATE:
        return evaluate_backfill_wait(Reason.RUNNING, "the last notes of the workers are awaited", suspended=False)
    if unfinished:
        return _find_failure(
            Reason.WORKER_FAILED,
            f"the pods of {unfinished} of {spec.shares} shares ended without having finished: is collector.image that of"
            " this version, and were the progress ConfigMaps left alone?",
        )
    message = _describe_end(seen.notes)
    return (
        find_true(ConditionType.READY, Reason.COMPLETED, message),
        find_true(ConditionType.COMPLETE, Reason.COMPLETED, message),
        find_false(ConditionType.FAILED, Reason.COMPLETED, message),
        _find_suspended(suspended=False),
    )


def _describe_end(notes: Sequence[BackfillProgress]) -> str:
    read, failed = sum(note.objects.read for note in notes), sum(note.objects.failed for note in notes)
    message = f"all log files of the interval are done: {read:,} were read"
    return f"{message}, {failed:,} could not be" if failed else message


def _judge_rest(seen: BackfillObservation) -> tuple[Finding, ...]:
    message = "the backfill is suspended: no pod works"
    stopping = f"pods that stop: {seen.job.active}"
    return (
        find_true(ConditionType.READY, Reason.SUSPENDED, message),
        *_find_no_end(),
        _find_suspended(suspended=True),
        *((find_true(ConditionType.RECONCILING, Reason.SUSPENDED, stopping),) if seen.job.active else ()),
    )


def _judge_run(spec: CloudTrailBackfillSpec, seen: BackfillObservation) -> tuple[Finding, ...]:
    ends = (*_find_no_end(), _find_suspended(suspended=False))
    troubled = sorted((pod for pod in seen.pods if pod.trouble and not pod.ended), key=lambda pod: pod.name)
    if troubled:
        message = f"pod {troubled[0].name}: {troubled[0].trouble}"
        return (
            find_false(ConditionType.READY, Reason.COLLECTOR_FAILING, message),
            find_true(ConditionType.RECONCILING, Reason.COLLECTOR_FAILING, message),
            *ends,
        )
    if seen.job.ready == 0 and not seen.notes:
        message = "the workers' pods are being started"
        return (
            find_false(ConditionType.READY, Reason.STARTING, message),
            find_true(ConditionType.RECONCILING, Reason.STARTING, message),
            *ends,
        )
    return (find_true(ConditionType.READY, Reason.RUNNING, _describe_run(spec, seen)), *ends)


def _describe_run(spec: CloudTrailBackfillSpec, seen: BackfillObservation) -> str:
    done = sum(note.finished for note in seen.notes)
    message = f"{done} of {spec.shares} shares are done, {seen.job.active} are worked on"
    if not seen.job.failed:
        return message
    reason, cause = _find_cause(seen)
    return f"{message}, {len(seen.job.failed)} were given up ({reason}: {cause})"


def _find_cause(seen: BackfillObservation) -> tuple[Reason, str]:
    """Say why shares were given up: by their workers' word, else by Kubernetes'."""
    said = [note.error for note in seen.notes if note.failed and note.error is not None] or [
        note.error for note in seen.notes if note.share in seen.job.failed and note.error is not None
    ]
    if said:
        newest = max(said, key=lambda error: error.time)
        return _find_reason(newest), describe_error(newest)
    last_words = sorted(pod.last_words for pod in seen.pods if pod.last_words)
    return Reason.WORKER_FAILED, ": ".join(filter(None, (seen.job.words, *last_words[:1])))


def describe_error(error: LastError) -> str:
    """Say what failed, on which resource, and what AWS says."""
    return f"{error.action} on {error.resource}: {error.code}: {error.message}"


def _find_reason(error: LastError) -> Reason:
    """Find our word for AWS's code."""
    code, message = error.code, error.message.lower()
    if error.action.startswith("sts:") or code in REJECTED:
        return Reason.CREDENTIALS_REJECTED
    if error.action.startswith("kms:") or code.startswith("KMS") or (code in DENIED and "kms:" in message):
        return Reason.KMS_ACCESS_DENIED
    if code in DENIED:
        return Reason.ACCESS_DENIED
    return Reason.BUCKET_NOT_FOUND if code == "NoSuchBucket" else Reason.WORKER_FAILED


def _find_failure(reason: Reason, message: str) -> tuple[Finding, ...]:
    return (
        find_false(ConditionType.READY, reason, message),
        find_true(ConditionType.STALLED, reason, message),
        find_false(ConditionType.COMPLETE, reason, message),
        find_true(ConditionType.FAILED, reason, message),
        _find_suspended(suspended=False),
    )


def _find_no_end() -> tuple[Finding, Finding]:
    kinds = (ConditionType.COMPLETE, ConditionType.FAILED)
    complete, failed = (find_false(kind, Reason.NOT_FINISHED, "the backfill is not at its end") for kind in kinds)
    return complete, failed


def _find_suspended(*, suspended: bool) -> Finding:
    if suspended:
        return find_true(ConditionType.SUSPENDED, Reason.SUSPENDED, "spec.suspend is true")
    return find_false(ConditionType.SUSPENDED, Reason.NOT_SUSPENDED, "spec.suspend is false")
