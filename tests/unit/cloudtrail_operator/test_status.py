"""Verdicts become statuses: times, generations, stalling, and when to write."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudtrail_operator.core.evaluation import evaluate, evaluate_problem
from cloudtrail_operator.core.notices import build_notices
from cloudtrail_operator.core.observation import Collector
from cloudtrail_operator.core.source import SpecProblem
from cloudtrail_operator.core.status import StatusTimes, build_status, needs_write
from cloudtrail_spec.status import CloudTrailSourceStatus, Condition
from support.observations import build_answer, build_pod, build_wanted, observe, observe_source
from support.pods import build_check

START = datetime(2026, 1, 1, tzinfo=UTC)
BLANK = CloudTrailSourceStatus()
DENIED = build_check("QueueReachable", "False", "AccessDenied", "sqs:ReceiveMessage on arn:…: denied")


def _status(
    after: float, previous: CloudTrailSourceStatus = BLANK, *, generation: int = 1, **report: Any
) -> CloudTrailSourceStatus:
    """Judge a source some seconds after the start."""
    desired = build_wanted()
    found = observe(desired, Collector(build_pod(desired), build_answer(desired, **report)))
    times = StatusTimes(START + timedelta(seconds=after), timedelta(seconds=300))
    return build_status(observe_source(generation), evaluate(desired, found, previous), previous, times)


def _find(status: CloudTrailSourceStatus, kind: str) -> Condition | None:
    return next((condition for condition in status.conditions if condition.type == kind), None)


def test_transition_time_changes_on_flips_only() -> None:
    first = _status(0)
    second = _status(10, first, generation=2)
    assert [item.last_transition_time for item in second.conditions] == [START] * len(second.conditions)
    assert {item.observed_generation for item in second.conditions} == {second.observed_generation} == {2}
    broken = _find(_status(20, second, checks=[DENIED]), "Ready")
    assert broken is not None
    assert broken.last_transition_time == START + timedelta(seconds=20)


def test_unchanged_source_needs_no_write() -> None:
    first = _status(0)
    assert needs_write(first, BLANK, figures_due=False)
    stored = CloudTrailSourceStatus.model_validate_json(first.model_dump_json(by_alias=True))
    assert not needs_write(_status(10, stored), stored, figures_due=True)


def test_figures_wait_for_their_time_and_conditions_do_not() -> None:
    first = _status(0)
    more = _status(10, first, events={"read": 7})
    assert not needs_write(more, first, figures_due=False)
    assert needs_write(more, first, figures_due=True)
    assert needs_write(_status(10, first, checks=[DENIED]), first, figures_due=False)


def test_lasting_denial_stalls_and_clears_by_itself() -> None:
    early = _status(0, checks=[DENIED])
    assert _find(early, "Stalled") is None
    assert _find(_status(299, early, checks=[DENIED]), "Stalled") is None
    late = _status(300, early, checks=[DENIED])
    stalled, ready = _find(late, "Stalled"), _find(late, "Ready")
    assert stalled is not None
    assert ready is not None
    assert (stalled.status, stalled.reason, stalled.message) == ("True", ready.reason, ready.message)
    assert _find(late, "Reconciling") is None
    assert _find(_status(310, late), "Stalled") is None


def test_throttling_never_stalls() -> None:
    slow = build_check("QueueReachable", "False", "Throttled", "slow down")
    assert _find(_status(10_000, _status(0, checks=[slow]), checks=[slow]), "Stalled") is None


def test_broken_spec_keeps_the_figures() -> None:
    first = _status(0, events={"read": 7})
    times = StatusTimes(START, timedelta(seconds=300))
    verdict = evaluate_problem(SpecProblem(unavailable=False, sentences=("spec.bucket: bad",)), first)
    status = build_status(observe_source(2), verdict, first, times)
    assert status.events == first.events
    assert (status.mode, status.config_hash, status.observed_generation) == (first.mode, first.config_hash, 2)


def _kstatus(manifest: dict[str, Any]) -> str:
    """Apply kstatus' rules to a source, in their order."""
    status = manifest["status"]
    if status["observedGeneration"] != manifest["metadata"]["generation"]:
        return "InProgress"
    for condition in status["conditions"]:
        if (condition["type"], condition["status"]) == ("Reconciling", "True"):
            return "InProgress"
        if (condition["type"], condition["status"]) == ("Stalled", "True"):
            return "Failed"
    ready = next(item for item in status["conditions"] if item["type"] == "Ready")
    return "Current" if ready["status"] == "True" else "InProgress"


@pytest.mark.parametrize(
    ("after", "report", "expected"),
    [(0, {}, "Current"), (0, {"checks": [DENIED]}, "InProgress"), (600, {"checks": [DENIED]}, "Failed")],
)
def test_kstatus_reads_the_status_as_meant(after: float, report: dict[str, Any], expected: str) -> None:
    status = _status(after, _status(0, **report), **report)
    dumped = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert _kstatus({"metadata": {"generation": 1}, "status": dumped}) == expected
    assert _kstatus({"metadata": {"generation": 2}, "status": dumped}) == "InProgress"


def test_people_are_told_of_changes_once() -> None:
    first = _status(0)
    assert {notice.reason for notice in build_notices(BLANK, first)} == {"ModeTest"}
    assert build_notices(first, _status(10, first)) == ()
    lost = _status(20, first, checks=[DENIED])
    (notice,) = build_notices(first, lost)
    assert (notice.reason, notice.warning) == ("AccessDenied", True)
    regained = _status(30, lost)
    assert [notice.reason for notice in build_notices(lost, regained)] == ["QueueReachableAgain"]
    assert [notice.reason for notice in build_notices(lost, _status(400, lost, checks=[DENIED]))] == ["Stalled"]
