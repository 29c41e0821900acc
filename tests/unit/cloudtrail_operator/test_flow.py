"""Data that does not flow, comes late or is given up: warnings from the collectors' reports."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from cloudtrail_operator.core.findings import Finding
from cloudtrail_operator.core.flow import FLOW_CONDITIONS, FlowLimits, evaluate_flow
from cloudtrail_spec.conditions import ConditionType
from cloudtrail_spec.report import CollectorReport
from support.observations import build_answer, build_wanted

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DESIRED = build_wanted()


def _ago(minutes: float) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat()


def _report(activity: dict[str, Any] | None = None, **changes: Any) -> CollectorReport:
    return build_answer(DESIRED, activity=activity, **{"lastReceiveAt": _ago(0.1)} | changes)


def _queue(**changes: Any) -> dict[str, Any]:
    return {"observedAt": _ago(0.1), "visible": 0, "inFlight": 0, "delayed": 0} | changes


def _judge(kind: ConditionType, *reports: CollectorReport, **limits: Any) -> Finding:
    found = evaluate_flow(reports, paused=False, limits=FlowLimits(**limits), now=NOW)
    assert tuple(finding.type for finding in found) == FLOW_CONDITIONS
    return next(finding for finding in found if finding.type is kind)


def _words(finding: Finding) -> tuple[str, str]:
    return finding.status.value, finding.reason.value


@pytest.mark.parametrize(
    ("activity", "report", "expected"),
    [
        ({"lastObjectAt": _ago(29)}, {}, ("True", "Flowing")),
        ({"lastObjectAt": _ago(31)}, {}, ("Unknown", "QueueEmpty")),
        ({}, {}, ("Unknown", "QueueEmpty")),
        ({"unreadSince": _ago(1), "lastMessageAt": _ago(1)}, {}, ("Unknown", "NotObserved")),
        ({"unreadSince": _ago(31), "lastMessageAt": _ago(1)}, {}, ("False", "NoObjectsRead")),
        ({"unreadSince": _ago(90), "lastMessageAt": _ago(31)}, {}, ("Unknown", "QueueEmpty")),
        ({"unreadSince": _ago(31), "lastMessageAt": _ago(1), "lastObjectAt": _ago(5)}, {}, ("True", "Flowing")),
        ({"lastObjectAt": _ago(31), "lastMessageAt": _ago(31)}, {"state": "Holding"}, ("Unknown", "Holding")),
        ({}, {"lastReceiveAt": _ago(6)}, ("Unknown", "NotObserved")),
        ({}, {"lastReceiveAt": None}, ("Unknown", "NotObserved")),
        (None, {"files": {"read": 5}}, ("Unknown", "NotObserved")),
    ],
    ids=str,
)
def test_data_flows(activity: dict[str, Any] | None, report: dict[str, Any], expected: tuple[str, str]) -> None:
    assert _words(_judge(ConditionType.DATA_FLOWING, _report(activity, **report))) == expected


def test_a_first_message_after_a_quiet_night_is_no_alarm() -> None:
    morning = {"lastObjectAt": _ago(600), "unreadSince": _ago(0), "lastMessageAt": _ago(0)}
    assert _judge(ConditionType.DATA_FLOWING, _report(morning)).status.value == "Unknown"


def test_one_collector_that_reads_is_enough_and_the_message_says_since_when_not() -> None:
    idle = _report({"unreadSince": _ago(45), "lastMessageAt": _ago(1)})
    finding = _judge(ConditionType.DATA_FLOWING, idle, _report({}))
    assert "since 2026-01-01T11:15:00Z" in finding.message
    assert _words(_judge(ConditionType.DATA_FLOWING, idle, _report({"lastObjectAt": _ago(2)}))) == ("True", "Flowing")


@pytest.mark.parametrize(
    ("age", "expected"), [(901, ("True", "Behind")), (900, ("False", "UpToDate")), (None, ("False", "UpToDate"))]
)
def test_lag_is_what_messages_have_waited(age: int | None, expected: tuple[str, str]) -> None:
    young = _report(queue=_queue(oldestAgeSeconds=3))
    old = _report(queue=_queue(**{} if age is None else {"oldestAgeSeconds": age}))
    assert _words(_judge(ConditionType.LAGGING, young, old)) == expected


def test_lag_says_how_long_and_what_is_allowed() -> None:
    finding = _judge(ConditionType.LAGGING, _report(queue=_queue(oldestAgeSeconds=7500)), lag=timedelta(hours=1))
    assert "2h5m" in finding.message
    assert "1h" in finding.message


@pytest.mark.parametrize("report", [{"queue": None}, {"queue": _queue(), "lastReceiveAt": _ago(6)}], ids=str)
def test_lag_is_unknown_while_nobody_receives(report: dict[str, Any]) -> None:
    assert _words(_judge(ConditionType.LAGGING, _report(**report))) == ("Unknown", "NotObserved")


@pytest.mark.parametrize(
    ("activity", "queue", "expected"),
    [
        ({}, None, ("False", "NoDeadLetters")),
        (None, None, ("Unknown", "NotObserved")),
        (None, _queue(deadLetterVisible=0), ("False", "NoDeadLetters")),
        (None, _queue(deadLetterVisible=2), ("True", "DeadLetterQueue")),
        ({"deadLettered": 3}, _queue(), ("True", "DeadLetterSink")),
        ({"lastDeadLetterAt": _ago(60), "lastDeadLetterReason": "NotJson"}, None, ("False", "NoDeadLetters")),
    ],
    ids=str,
)
def test_dead_letters(activity: dict[str, Any] | None, queue: dict[str, Any] | None, expected: tuple[str, str]) -> None:
    assert _words(_judge(ConditionType.DEAD_LETTERING, _report(activity, queue=queue))) == expected


def test_dead_letters_of_all_collectors_are_told_with_the_newest_reason_and_the_newest_look() -> None:
    first = {"deadLettered": 3, "lastDeadLetterAt": _ago(1), "lastDeadLetterReason": "NotJson"}
    second = {"deadLettered": 4, "lastDeadLetterAt": _ago(9), "lastDeadLetterReason": "Corrupt"}
    stale = _queue(observedAt=_ago(2), deadLetterVisible=99)
    reports = [_report(first, queue=stale), _report(second, queue=_queue(deadLetterVisible=5))]
    message = _judge(ConditionType.DEAD_LETTERING, *reports).message
    assert message.startswith("7 events or files")
    assert "the last one for NotJson" in message
    assert "5 messages wait" in message


def test_time_without_a_zone_is_no_answer() -> None:
    with pytest.raises(ValidationError, match="activity"):
        _report({"lastObjectAt": "2026-01-01T11:59:00"})


def test_paused_and_unseen_sources_raise_no_alarm() -> None:
    def words(*, paused: bool) -> list[tuple[str, str]]:
        return [_words(item) for item in evaluate_flow((), paused=paused, limits=FlowLimits(), now=NOW)]

    assert words(paused=True) == [("Unknown", "Paused"), ("False", "Paused"), ("False", "Paused")]
    assert words(paused=False) == [("Unknown", "NotObserved")] * 3
