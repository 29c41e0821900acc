"""Observations become conditions."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cloudtrail_operator.core.desired import Desired
from cloudtrail_operator.core.evaluation import evaluate, evaluate_failure, evaluate_problem
from cloudtrail_operator.core.findings import Verdict
from cloudtrail_operator.core.observation import Collector, Observation
from cloudtrail_operator.core.source import SpecProblem, parse_spec
from cloudtrail_spec.status import CloudTrailSourceStatus
from support.observations import build_answer, build_pod, build_rollout, build_wanted, observe
from support.pods import build_check
from support.sources import build_spec

DENIED = build_check("QueueReachable", "False", "AccessDenied", "sqs:ReceiveMessage on arn:aws:sqs:…: denied")
UNREADABLE = build_check("BucketReadable", "False", "KmsAccessDenied", "kms:Decrypt on arn:aws:kms:…: denied")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BLANK = CloudTrailSourceStatus()


def _ready(verdict: Verdict) -> tuple[str, str]:
    (finding,) = [item for item in verdict.findings if item.type == "Ready"]
    return finding.status.value, finding.reason.value


def _find(verdict: Verdict, kind: str) -> tuple[str, str] | None:
    return next(((item.status.value, item.reason.value) for item in verdict.findings if item.type == kind), None)


def _one(desired: Desired, pod: dict[str, Any] | None = None, **report: Any) -> Observation:
    return observe(desired, Collector(build_pod(desired, **pod or {}), build_answer(desired, **report)))


def test_collector_that_is_well_makes_the_source_ready() -> None:
    desired = build_wanted(mode="Active")
    verdict = evaluate(desired, observe(desired), BLANK)
    assert _ready(verdict) == ("True", "Collecting")
    assert _find(verdict, "Reconciling") is None
    assert (verdict.replicas, verdict.ready_replicas, verdict.config_hash) == (1, 1, desired.config_hash)


def test_test_mode_has_a_reason_of_its_own_also_while_it_holds() -> None:
    desired = build_wanted()
    assert _ready(evaluate(desired, _one(desired, state="Holding"), BLANK)) == ("True", "Testing")


def test_first_visit_has_every_condition() -> None:
    verdict = evaluate(build_wanted(), Observation(build_rollout(build_wanted(), seen=False), (), NOW), BLANK)
    kinds = {finding.type.value for finding in verdict.findings}
    assert kinds == {
        "Ready",
        "Reconciling",
        "CredentialsValid",
        "QueueReachable",
        "BucketReadable",
        "SinksAccepting",
        "NotificationsAccepted",
        "TestModeSafe",
        "NoFeedbackLoop",
        "NoSetupProblem",
        "DataFlowing",
        "Lagging",
        "DeadLettering",
        "QueueConflict",
    }


@pytest.mark.parametrize(
    ("pod", "report", "expected"),
    [
        ({}, {"lastReceiveAt": None}, "WaitingForCollectors"),
        ({}, {"configHash": "0" * 64}, "WaitingForCollectors"),
        ({}, {"checks": [DENIED]}, "AccessDenied"),
        ({}, {"checks": [UNREADABLE, DENIED]}, "AccessDenied"),
        ({}, {"checks": [UNREADABLE]}, "KmsAccessDenied"),
        ({"trouble": "CrashLoopBackOff: exit code 2"}, {"checks": [DENIED]}, "CollectorFailing"),
        ({"going": True}, {}, "RollingOut"),
    ],
)
def test_what_is_wrong_is_the_reason(pod: dict[str, Any], report: dict[str, Any], expected: str) -> None:
    desired = build_wanted()
    assert _ready(evaluate(desired, _one(desired, pod, **report), BLANK)) == ("False", expected)


@pytest.mark.parametrize(
    "rollout",
    [
        {"seen": False},
        {"wanted": 2},
        {"updated": 0},
        {"available": 0},
        {"ready": 0},
        {"total": 2},
        {"template_hash": "x"},
    ],
    ids=str,
)
def test_unfinished_rollout_is_not_ready(rollout: dict[str, Any]) -> None:
    desired = build_wanted()
    verdict = evaluate(desired, observe(desired, **rollout), BLANK)
    assert _ready(verdict) == ("False", "RollingOut")
    assert _find(verdict, "Reconciling") == ("True", "RollingOut")
    assert verdict.config_hash is None


def test_every_collector_must_have_answered() -> None:
    desired = build_wanted(collector={"replicas": 2})
    pods = [build_pod(desired, f"pod-{number}") for number in (1, 2)]
    silent = observe(desired, Collector(pods[0], build_answer(desired)), Collector(pods[1], None))
    assert _ready(evaluate(desired, silent, BLANK)) == ("False", "WaitingForCollectors")
    both = observe(desired, *(Collector(pod, build_answer(desired)) for pod in pods))
    assert _ready(evaluate(desired, both, BLANK)) == ("True", "Testing")


def test_reports_of_another_configuration_do_not_count() -> None:
    desired = build_wanted()
    verdict = evaluate(desired, _one(desired, configHash="0" * 64, checks=[DENIED]), BLANK)
    assert _find(verdict, "QueueReachable") == ("Unknown", "NotObserved")


def test_one_failed_check_outweighs_a_good_one_and_a_good_one_outweighs_ignorance() -> None:
    desired = build_wanted(collector={"replicas": 2})
    pods = [build_pod(desired, f"pod-{number}") for number in (1, 2)]

    def judge(first: str, second: str) -> tuple[str, str] | None:
        answers = [build_answer(desired, checks=[build_check("QueueReachable", word)]) for word in (first, second)]
        found = observe(desired, *(Collector(pod, answer) for pod, answer in zip(pods, answers, strict=True)))
        return _find(evaluate(desired, found, BLANK), "QueueReachable")

    assert judge("True", "False") == judge("False", "Unknown") == ("False", "Succeeded")
    assert judge("Unknown", "True") == ("True", "Succeeded")


def test_paused_is_ready_when_the_last_pod_is_gone() -> None:
    desired = build_wanted(mode="Paused")
    draining = Observation(build_rollout(desired), (Collector(build_pod(desired, going=True), None),), NOW)
    assert _ready(evaluate(desired, draining, BLANK)) == ("False", "RollingOut")
    verdict = evaluate(desired, Observation(build_rollout(desired), (), NOW), BLANK)
    assert _ready(verdict) == ("True", "Paused")
    assert _find(verdict, "CredentialsValid") == ("Unknown", "Paused")


def test_pod_that_kubernetes_keeps_for_the_record_is_no_collector() -> None:
    desired = build_wanted()
    evicted = Collector(build_pod(desired, "evicted", ready=False, ended=True), None)
    well = Collector(build_pod(desired), build_answer(desired))
    assert _ready(evaluate(desired, observe(desired, evicted, well), BLANK)) == ("True", "Testing")


def test_problem_names_every_mistake_and_stalls() -> None:
    problem = parse_spec(build_spec(region="mars", bucket="No"))
    assert isinstance(problem, SpecProblem)
    verdict = evaluate_problem(problem, BLANK)
    assert _ready(verdict) == ("False", "InvalidSpec")
    assert _find(verdict, "Stalled") == ("True", "InvalidSpec")
    message = verdict.findings[0].message
    assert "spec.region" in message
    assert "spec.bucket" in message


def test_failure_is_not_ready_and_keeps_what_was_known() -> None:
    assert _ready(evaluate_failure("Kubernetes answered 403", BLANK)) == ("False", "ReconcileFailed")
