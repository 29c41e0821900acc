"""What collectors report of digest files: the condition IntegrityVerified, and its events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudtrail_operator.core.evaluation import evaluate, keep_checks
from cloudtrail_operator.core.findings import Finding
from cloudtrail_operator.core.integrity import evaluate_integrity
from cloudtrail_operator.core.notices import build_notices
from cloudtrail_spec.conditions import ConditionType
from cloudtrail_spec.report import CollectorReport
from cloudtrail_spec.status import CloudTrailSourceStatus
from support.observations import build_answer, build_wanted, observe

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
INTEGRITY = {"mode": "Report"}
DESIRED = build_wanted(integrity=INTEGRITY)
KIND = ConditionType.INTEGRITY_VERIFIED


def _ago(minutes: float) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat()


def _problem(reason: str, message: str, minutes: float = 1) -> dict[str, Any]:
    return {"time": _ago(minutes), "reason": reason, "message": message}


def _report(**figures: Any) -> CollectorReport:
    return build_answer(DESIRED, integrity={"mode": "Report"} | figures)


def _judge(*reports: CollectorReport, paused: bool = False) -> Finding:
    return evaluate_integrity(reports, paused=paused, now=NOW)


def _words(finding: Finding) -> tuple[str, str]:
    return finding.status.value, finding.reason.value


ALTERED = _problem("IntegrityBroken", "log_altered: s3://trail/a", 600)
UNREAD = _problem("Unverifiable", "log_unreadable: s3://trail/b")
DENIED = _problem("AccessDenied", "cloudtrail:ListPublicKeys on region us-east-1: AccessDenied")


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        ([], ("Unknown", "NotObserved")),
        ([{}], ("Unknown", "NotObserved")),
        ([{"lastDigestAt": _ago(59)}], ("True", "Succeeded")),
        ([{"unconfirmedSince": _ago(179)}], ("Unknown", "NotObserved")),
        ([{"unconfirmedSince": _ago(181)}], ("False", "DigestsMissing")),
        ([{"lastDigestAt": _ago(300), "unconfirmedSince": _ago(181)}], ("False", "DigestsMissing")),
        # Nothing happened at all: no log file, so that no digest file need name it.
        ([{"lastDigestAt": _ago(600)}], ("True", "Succeeded")),
        # The other replica got the digest file.
        ([{"unconfirmedSince": _ago(600)}, {"lastDigestAt": _ago(30)}], ("True", "Succeeded")),
        ([{"unconfirmedSince": _ago(600)}, {"lastDigestAt": _ago(200)}], ("False", "DigestsMissing")),
        ([{"lastDigestAt": _ago(1), "problem": UNREAD}], ("False", "Unverifiable")),
        ([{"lastDigestAt": _ago(1), "problem": UNREAD}, {"problem": ALTERED}], ("False", "IntegrityBroken")),
        ([{"lastDigestAt": _ago(1), "failure": DENIED}], ("False", "AccessDenied")),
        ([{"failure": DENIED, "problem": ALTERED}], ("False", "IntegrityBroken")),
        ([{"failure": DENIED, "unconfirmedSince": _ago(600)}], ("False", "AccessDenied")),
    ],
    ids=str,
)
def test_integrity_is_judged_over_all_replicas(replicas: list[dict[str, Any]], expected: tuple[str, str]) -> None:
    assert _words(_judge(*(_report(**figures) for figures in replicas))) == expected


@pytest.mark.parametrize(
    ("mode", "queue", "expected"),
    [
        ("Enforce", {"maxReceiveCount": 4}, ("False", "LowMaxReceiveCount")),
        ("Enforce", {"maxReceiveCount": 5, "retentionSeconds": 86_399}, ("False", "ShortRetention")),
        ("Enforce", {"maxReceiveCount": 5, "retentionSeconds": 86_400}, ("True", "Succeeded")),
        ("Enforce", {}, ("True", "Succeeded")),
        ("Report", {"maxReceiveCount": 1, "retentionSeconds": 60}, ("True", "Succeeded")),
    ],
    ids=str,
)
def test_a_queue_in_which_messages_cannot_wait_is_named(
    mode: str, queue: dict[str, Any], expected: tuple[str, str]
) -> None:
    figures = {"observedAt": _ago(1), "visible": 0, "inFlight": 0, "delayed": 0} | queue
    report = build_answer(DESIRED, integrity={"mode": mode, "lastDigestAt": _ago(1)}, queue=figures)
    assert _words(_judge(report)) == expected


def test_the_message_names_the_newest_find() -> None:
    older = _report(problem=ALTERED)
    newer = _report(problem=_problem("IntegrityBroken", "log_missing: s3://trail/c"))
    assert _judge(older, newer).message == _judge(newer, older).message == "log_missing: s3://trail/c"


def test_a_paused_source_is_not_judged() -> None:
    assert _words(_judge(_report(problem=ALTERED), paused=True)) == ("Unknown", "Paused")


@pytest.mark.parametrize("asked", [True, False])
def test_only_a_source_that_asks_has_the_condition(asked: bool) -> None:
    desired = build_wanted(integrity=INTEGRITY) if asked else build_wanted()
    verdict = evaluate(desired, observe(desired), CloudTrailSourceStatus())
    assert (KIND in {finding.type for finding in verdict.findings}) is asked


def _status(status: str, reason: str, message: str) -> CloudTrailSourceStatus:
    condition = {"type": KIND, "status": status, "reason": reason, "message": message, "lastTransitionTime": _ago(5)}
    return CloudTrailSourceStatus.model_validate({"conditions": [condition]})


def test_what_was_said_is_kept_while_nobody_can_ask() -> None:
    kept = {finding.type: finding for finding in keep_checks(_status("False", "IntegrityBroken", "a"))}
    assert _words(kept[KIND]) == ("False", "IntegrityBroken")
    assert KIND not in {finding.type for finding in keep_checks(CloudTrailSourceStatus())}


def test_each_find_is_an_event_and_the_same_one_is_told_once() -> None:
    proven, first, second = (
        _status("True", "Succeeded", "proven"),
        _status("False", "IntegrityBroken", "log_altered: a"),
        _status("False", "IntegrityBroken", "log_missing: b"),
    )
    found = [build_notices(*pair) for pair in [(proven, first), (first, first), (first, second), (second, proven)]]
    assert [[(one.reason, one.note, one.warning) for one in some] for some in found] == [
        [("IntegrityBroken", "log_altered: a", True)],
        [],
        [("IntegrityBroken", "log_missing: b", True)],
        [("IntegrityVerifiedAgain", "recovered: proven", False)],
    ]
