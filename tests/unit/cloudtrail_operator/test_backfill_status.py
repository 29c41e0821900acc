"""What the workers noted, and what Kubernetes says of the Job, become the status of a backfill."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from cloudtrail_operator.core.backfill.evaluation import (
    NOTES_LATE,
    BackfillObservation,
    evaluate_backfill,
    evaluate_backfill_wait,
)
from cloudtrail_operator.core.backfill.figures import BackfillFigures, build_figures, parse_progress
from cloudtrail_operator.core.backfill.job_state import JobState, parse_indexes, parse_job
from cloudtrail_operator.core.backfill.notices import build_backfill_notices
from cloudtrail_operator.core.backfill.resource import Backfill
from cloudtrail_operator.core.backfill.status import BackfillVerdict, backfill_needs_write, build_backfill_status
from cloudtrail_operator.core.findings import Finding
from cloudtrail_operator.core.status import StatusTimes
from cloudtrail_spec.backfill_status import CloudTrailBackfillStatus
from cloudtrail_spec.backfill_task import BackfillProgress
from cloudtrail_spec.conditions import Reason
from support.backfill_states import START, make_end, make_note, observe_backfill, parse_work_spec, see
from support.gitops_tools import ask_argo, compute_kstatus

DENIED = {
    "time": START,
    "action": "s3:ListBucket",
    "code": "AccessDenied",
    "resource": "arn:aws:s3:::acme",
    "message": "not authorized",
    "count": 3,
}


def _conditions(findings: tuple[Finding, ...]) -> dict[str, str]:
    return {finding.type.value: f"{finding.status.value} {finding.reason.value}" for finding in findings}


def _judge(seen: BackfillObservation, **spec: Any) -> dict[str, str]:
    return _conditions(evaluate_backfill(parse_work_spec(shares=2, **spec), seen))


# name: (what was observed, what the spec has, what kstatus says, what Argo CD says)
SITUATIONS: dict[str, tuple[BackfillObservation, dict[str, Any], str, str]] = {
    "begins": (see(), {}, "InProgress", "Progressing"),
    "works": (see(make_note(minutes=1), active=1, ready=1), {}, "Current", "Healthy"),
    "is being suspended": (see(active=1), {"suspend": True}, "InProgress", "Healthy"),
    "rests": (see(), {"suspend": True}, "Current", "Healthy"),
    "is complete": (see(make_end(0), make_end(1), succeeded_at=START), {}, "Current", "Healthy"),
    "has failed": (see(failed_at=START), {}, "Failed", "Degraded"),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_gitops_tools_read_the_status_as_meant(name: str) -> None:
    """ST-07, ST-21: a backfill that works is Current, so that nobody waits for hours."""
    seen, spec, kstatus, argo = SITUATIONS[name]
    status = _report(observe_backfill(), evaluate_backfill(parse_work_spec(shares=2, **spec), seen), 0)
    dumped = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    resource = {"metadata": {"name": "x", "generation": 1}, "status": dumped}
    assert (compute_kstatus(resource), ask_argo(resource)[0]) == (kstatus, argo)


def test_backfill_that_begins_is_on_its_way() -> None:
    assert _judge(see()) == {
        "Ready": "False Starting",
        "Reconciling": "True Starting",
        "Complete": "False NotFinished",
        "Failed": "False NotFinished",
        "Suspended": "False NotSuspended",
    }


def test_backfill_that_works_is_ready_so_that_nobody_waits_for_hours() -> None:
    """ST-07: Ready=True without Reconciling and Stalled is Current."""
    found = _judge(see(make_note(minutes=1), active=1, ready=1))
    assert found["Ready"] == "True Running"
    assert not found.keys() & {"Reconciling", "Stalled"}


def test_suspended_backfill_is_ready_when_its_pods_are_gone() -> None:
    """ST-09."""
    assert _judge(see(active=1), suspend=True)["Reconciling"] == "True Suspended"
    found = _judge(see(), suspend=True)
    assert (found["Ready"], found["Suspended"]) == ("True Suspended", "True Suspended")
    assert "Reconciling" not in found


def test_complete_needs_the_word_of_every_worker() -> None:
    ended: dict[str, Any] = {"succeeded_at": START, "completed": frozenset({0, 1})}
    done = _judge(see(make_end(0), make_end(1), **ended))
    assert (done["Ready"], done["Complete"], done["Failed"]) == ("True Completed",) * 2 + ("False Completed",)
    assert _judge(see(make_end(0), **ended))["Reconciling"] == "True Running"
    late = _judge(see(make_end(0), seconds=NOTES_LATE.total_seconds(), **ended))
    assert (late["Failed"], late["Stalled"]) == ("True WorkerFailed", "True WorkerFailed")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({}, "AccessDenied"),
        ({"code": "NoSuchBucket"}, "BucketNotFound"),
        ({"action": "kms:Decrypt"}, "KmsAccessDenied"),
        ({"message": "... is not authorized to perform: kms:Decrypt on ..."}, "KmsAccessDenied"),
        ({"action": "sts:AssumeRoleWithWebIdentity"}, "CredentialsRejected"),
        ({"code": "ExpiredToken"}, "CredentialsRejected"),
        ({"code": "SlowDown"}, "WorkerFailed"),
    ],
    ids=str,
)
def test_failed_backfill_says_which_action_was_refused_on_what(error: dict[str, str], reason: str) -> None:
    """ST-08: what only a person can help is Stalled."""
    note = make_note(minutes=1, error=DENIED | error, failed=True)
    findings = evaluate_backfill(parse_work_spec(), see(note, failed_at=START, failed=frozenset({0})))
    found = _conditions(findings)
    assert found["Ready"] == f"False {reason}"
    assert found["Stalled"] == found["Failed"] == f"True {reason}"
    said = DENIED | error
    assert findings[0].message == f"{said['action']} on {said['resource']}: {said['code']}: {said['message']}"


def test_failure_without_a_workers_word_has_that_of_kubernetes() -> None:
    findings = evaluate_backfill(parse_work_spec(), see(failed_at=START, words="FailedIndexes: Job has failed indexes"))
    assert findings[0].message == "FailedIndexes: Job has failed indexes"
    assert findings[0].reason is Reason.WORKER_FAILED


def test_given_up_share_is_told_while_the_others_go_on() -> None:
    note = make_note(minutes=1, error=DENIED, failed=True)
    (ready, *_) = evaluate_backfill(parse_work_spec(), see(note, active=1, ready=1, failed=frozenset({0})))
    assert ready.reason is Reason.RUNNING
    assert "1 were given up (AccessDenied: s3:ListBucket on arn:aws:s3:::acme" in ready.message


def test_job_is_read_as_kubernetes_writes_it() -> None:
    status = {
        "active": 1,
        "ready": 1,
        "completedIndexes": "0,2-4",
        "failedIndexes": "7",
        "conditions": [
            {"type": "Suspended", "status": "False", "lastTransitionTime": "2026-03-20T12:00:00Z"},
            {
                "type": "Failed",
                "status": "True",
                "reason": "FailedIndexes",
                "message": "Job has failed indexes",
                "lastTransitionTime": "2026-03-20T12:00:00Z",
            },
        ],
    }
    job = parse_job({"status": status})
    assert (sorted(job.completed), sorted(job.failed), job.active) == ([0, 2, 3, 4], [7], 1)
    assert job.words == "FailedIndexes: Job has failed indexes"
    assert job.failed_at == datetime.fromisoformat("2026-03-20T12:00:00Z")
    assert parse_job(None) == JobState()
    assert parse_indexes("") == frozenset()


def _figures(*notes: BackfillProgress, at_work: bool = True, **job: Any) -> BackfillFigures:
    return build_figures(notes, JobState(**job), shares=4, parallelism=2, at_work=at_work)


def test_figures_add_up_the_shares() -> None:
    first = make_end(
        0,
        unitsPlanned=10,
        unitsDone=10,
        unitsEmpty=3,
        objects={"listed": 100, "done": 100, "read": 99, "failed": 1},
        events={"read": 6000, "emitted": 5000, "filtered": 1000},
        bytes=2**40,
        requests={"s3:ListBucket": 1000, "s3:GetObject": 10_000},
    )
    second = make_note(
        1, minutes=10, unitsPlanned=10, unitsDone=5, objects={"listed": 60, "done": 50, "read": 50},
        events={"read": 3000, "emitted": 3000}, bytes=1, requests={"s3:GetObject": 5000}, error=DENIED,
    )  # fmt: skip
    figures = _figures(first, second, active=1)
    assert figures.progress == "37%"
    assert figures.shares is not None
    assert (figures.shares.total, figures.shares.active, figures.shares.done) == (4, 1, 1)
    assert figures.units is not None
    assert (figures.units.planned, figures.units.done, figures.units.empty) == (20, 15, 3)
    assert figures.objects is not None
    assert (figures.objects.listed, figures.objects.read, figures.objects.failed) == (160, 149, 1)
    assert figures.events is not None
    assert (figures.events.read, figures.events.emitted, figures.events.per_second) == (9000, 8000, "5.0")
    assert figures.bytes == 2**40 + 1
    assert figures.cost is not None
    assert figures.cost.usd == "0.0110", "1,000 lists at 5 USD and 15,000 GETs at 0.40 USD for a million"
    assert figures.last_error is not None
    assert figures.last_error.code == "AccessDenied"
    assert figures.started_at == START


def test_end_is_estimated_from_the_time_that_shares_took() -> None:
    """A share took ten minutes, another is half done after ten more: 1.5 in 20; 2.5 are left for two at a time."""
    second = make_note(1, minutes=10, unitsPlanned=10, unitsDone=5)
    figures = _figures(make_end(0, minutes=10), second)
    left = timedelta(minutes=2.5 * 20 / 1.5 / 2)
    assert figures.estimated_end == (START + timedelta(minutes=10) + left).replace(microsecond=0)


@pytest.mark.parametrize("notes", [(), (make_note(minutes=0),), (make_note(minutes=5, unitsPlanned=9),)], ids=len)
def test_nothing_is_estimated_from_nothing(notes: tuple[BackfillProgress, ...]) -> None:
    assert _figures(*notes).estimated_end is None
    assert _figures(*notes).progress == "0%"


def test_rest_has_no_rate_and_no_end() -> None:
    figures = _figures(make_note(minutes=10, unitsPlanned=2, unitsDone=1, events={"read": 9}), at_work=False)
    assert figures.estimated_end is None
    assert figures.events is not None
    assert figures.events.per_second is None


def test_share_that_looks_for_late_files_is_nearly_done() -> None:
    last = make_note(minutes=5, position={"number": 1}, unitsPlanned=1)
    assert build_figures([last], JobState(), shares=1, parallelism=1, at_work=True).progress == "99%"


@pytest.mark.parametrize("data", [None, {}, {"progress": ""}, {"progress": "{"}, {"progress": '{"share": 1}'}], ids=str)
def test_empty_and_broken_notes_count_as_none(data: dict[str, str] | None) -> None:
    assert parse_progress({"data": data} if data is not None else {}) is None


def test_unknown_fields_of_a_newer_worker_are_ignored() -> None:
    note = make_note(minutes=1).model_copy()
    text = note.model_dump_json(by_alias=True)[:-1] + ', "more": 1}'
    assert parse_progress({"data": {"progress": text}}) == note


def _report(
    backfill: Backfill, findings: tuple[Finding, ...], after: float, **figures: Any
) -> CloudTrailBackfillStatus:
    verdict = BackfillVerdict(findings, figures=BackfillFigures(**figures) if figures else None)
    times = StatusTimes(START + timedelta(seconds=after), timedelta(seconds=300))
    return build_backfill_status(backfill, verdict, times)


def _again(status: CloudTrailBackfillStatus) -> Backfill:
    return observe_backfill(status.model_dump(mode="json", by_alias=True, exclude_none=True))


def test_missing_source_is_waited_for_and_then_needs_a_person() -> None:
    waiting = evaluate_backfill_wait(Reason.SOURCE_NOT_FOUND, "there is no source", suspended=False)
    first = _report(observe_backfill(), waiting, 0)
    kinds = {item.type: item.last_transition_time for item in first.conditions}
    assert "Reconciling" in kinds
    assert "Stalled" not in kinds
    later = _report(_again(first), waiting, 301)
    assert {"Stalled", "Reconciling"} & {item.type for item in later.conditions} == {"Stalled"}
    assert not backfill_needs_write(_report(_again(later), waiting, 400), later, figures_due=True)


def test_unchanged_backfill_needs_no_write_and_figures_wait_for_their_time() -> None:
    findings = evaluate_backfill(parse_work_spec(), see(make_note(minutes=1), ready=1))
    first = _report(observe_backfill(), findings, 0, bytes=1)
    assert not backfill_needs_write(_report(_again(first), findings, 50, bytes=1), first, figures_due=True)
    more = _report(_again(first), findings, 50, bytes=2)
    assert not backfill_needs_write(more, first, figures_due=False)
    assert backfill_needs_write(more, first, figures_due=True)
    ended = evaluate_backfill(parse_work_spec(shares=1, parallelism=1), see(make_end(0), succeeded_at=START))
    assert backfill_needs_write(_report(_again(first), ended, 50, bytes=1), first, figures_due=False)


def test_figures_are_kept_when_a_look_brings_none() -> None:
    findings = evaluate_backfill(parse_work_spec(), see(make_note(minutes=1), ready=1))
    first = _report(observe_backfill(), findings, 0, bytes=7)
    assert _report(_again(first), findings, 10).bytes == 7


def test_end_and_rest_are_noticed_once() -> None:
    spec = parse_work_spec(shares=1, parallelism=1)
    running = _report(observe_backfill(), evaluate_backfill(spec, see(make_note(minutes=1), ready=1)), 0)
    resting = _report(
        _again(running), evaluate_backfill(parse_work_spec(shares=1, parallelism=1, suspend=True), see()), 1
    )
    ended = _report(_again(running), evaluate_backfill(spec, see(make_end(0), succeeded_at=START)), 2)
    failed = _report(_again(running), evaluate_backfill(spec, see(failed_at=START, words="x")), 3)
    told = [build_backfill_notices(*pair) for pair in ((running, resting), (resting, running), (running, ended))]
    assert [[notice.reason for notice in notices] for notices in told] == [["Suspended"], ["Resumed"], ["Completed"]]
    (notice,) = build_backfill_notices(running, failed)
    assert (notice.reason, notice.warning) == ("Failed", True)
    assert build_backfill_notices(ended, ended) == ()
