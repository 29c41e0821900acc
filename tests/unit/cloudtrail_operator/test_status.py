"""Verdicts become statuses: times, generations, stalling, and when to write."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cloudtrail_operator.core.change import Change
from cloudtrail_operator.core.evaluation import evaluate, evaluate_problem
from cloudtrail_operator.core.notices import build_notices
from cloudtrail_operator.core.observation import Collector
from cloudtrail_operator.core.source import SpecProblem
from cloudtrail_operator.core.status import StatusTimes, build_status, compare
from cloudtrail_spec.conditions import Reason
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
    now = START + timedelta(seconds=after)
    found = observe(desired, Collector(build_pod(desired), build_answer(desired, **report)), at=now)
    times = StatusTimes(now, timedelta(seconds=300))
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
    assert compare(first, BLANK) is Change.MAJOR
    stored = CloudTrailSourceStatus.model_validate_json(first.model_dump_json(by_alias=True))
    assert compare(_status(10, stored), stored) is Change.NONE


def test_order_of_conditions_is_no_difference() -> None:
    """The API server keeps them as a map: one that came later stands behind, whatever the order it was written in."""
    first = _status(0)
    stored = first.model_copy(update={"conditions": first.conditions[::-1]})
    assert compare(_status(10, stored), stored) is Change.NONE


def test_figures_wait_for_their_time_and_conditions_do_not() -> None:
    first = _status(0)
    more = _status(10, first, events={"read": 7})
    assert compare(more, first) is Change.MINOR
    assert compare(_status(10, first, checks=[DENIED]), first) is Change.MAJOR


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
    verdict = evaluate_problem(SpecProblem(Reason.INVALID_SPEC, ("spec.bucket: bad",)), first)
    status = build_status(observe_source(2), verdict, first, times)
    assert status.events == first.events
    assert (status.mode, status.config_hash, status.observed_generation) == (first.mode, first.config_hash, 2)


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


def test_people_are_told_when_alarms_begin_and_end() -> None:
    def tell(old: CloudTrailSourceStatus, new: CloudTrailSourceStatus) -> list[tuple[str, bool]]:
        return [(notice.reason, notice.warning) for notice in build_notices(old, new)]

    now = START.isoformat()
    queue = {"observedAt": now, "visible": 1, "inFlight": 0, "delayed": 0}
    quiet = _status(0, queue=queue, lastReceiveAt=now)
    late = _status(10, quiet, lastReceiveAt=now, queue=queue | {"oldestAgeSeconds": 901})
    later = _status(20, late, lastReceiveAt=now, queue=queue | {"oldestAgeSeconds": 999})
    lost = _status(30, later, lastReceiveAt=now, queue=queue | {"deadLetterVisible": 1})
    assert tell(quiet, late) == [("Lagging", True)]
    assert tell(late, later) == []
    assert tell(later, lost) == [("LaggingEnded", False), ("DeadLettering", True)]
    assert tell(lost, quiet) == [("DeadLetteringEnded", False)]


def test_rates_and_ages_wait_for_their_time_too() -> None:
    first = _status(0, activity={"eventsPerSecond": 3})
    slower = _status(10, first, activity={"eventsPerSecond": 2})
    assert compare(slower, first) is Change.MINOR
