"""What GitOps tools and kubectl make of a status, for every situation that the operator's own functions produce."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.core.evaluation import evaluate, evaluate_failure, evaluate_problem
from cloudtrail_operator.core.findings import Verdict
from cloudtrail_operator.core.observation import Collector, Observation
from cloudtrail_operator.core.source import SourceKey, SpecProblem
from cloudtrail_operator.core.stalling import LASTING_REASONS
from cloudtrail_operator.core.status import StatusTimes, build_status
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.source import CloudTrailSourceSpec
from cloudtrail_spec.status import CloudTrailSourceStatus
from support.gitops_tools import ask_argo, compute_kstatus
from support.observations import build_answer, build_pod, build_wanted, observe, observe_source
from support.pods import build_check

GITOPS = Path(__file__).parents[3] / "docs" / "gitops"
START = datetime(2026, 1, 1, tzinfo=UTC)
STALL = timedelta(seconds=300)
BLANK = CloudTrailSourceStatus()
ACTIVE, PAUSED = build_wanted(mode="Active"), build_wanted(mode="Paused")

Manifest = dict[str, Any]


def _judge(report: Manifest | None = None, pod: Manifest | None = None, **observed: Any) -> Verdict:
    """Judge a source in mode Active."""
    collector = Collector(build_pod(ACTIVE, **pod or {}), build_answer(ACTIVE, **report or {}))
    return evaluate(ACTIVE, observe(ACTIVE, collector, **{"at": START} | observed), BLANK)


def _refuse(reason: Reason | str, kind: str = "QueueReachable") -> Manifest:
    return {"checks": [build_check(kind, "False", reason, "sqs:ReceiveMessage on arn:…: no")]}


def _pause(*collectors: Collector) -> Verdict:
    rollout = observe(PAUSED).rollout
    return evaluate(PAUSED, Observation(rollout, collectors, START), BLANK)


QUEUE = {"observedAt": START.isoformat(), "visible": 9, "inFlight": 0, "delayed": 0}
ALARMS = {
    "lastReceiveAt": START.isoformat(),
    "queue": QUEUE | {"oldestAgeSeconds": 9000, "deadLetterVisible": 3},
    "activity": {
        "unreadSince": (START - timedelta(hours=1)).isoformat(),
        "lastMessageAt": START.isoformat(),
        "deadLettered": 7,
    },
}
BROKEN = SpecProblem(Reason.INVALID_SPEC, ("spec.bucket: bad",))

# name: (how it comes about, how long it lasts in seconds, what kstatus says, what Argo CD says)
SITUATIONS: dict[str, tuple[Callable[[], Verdict], float, str, str]] = {
    "fresh": (lambda: evaluate(ACTIVE, observe(ACTIVE, seen=False), BLANK), 0, "InProgress", "Progressing"),
    "rolling out": (lambda: _judge(updated=0), 0, "InProgress", "Progressing"),
    "no receive yet": (lambda: _judge({"lastReceiveAt": None}), 0, "InProgress", "Progressing"),
    "ready": (_judge, 0, "Current", "Healthy"),
    "ready with alarms": (lambda: _judge(ALARMS, peers=(SourceKey("a", "b"),)), 0, "Current", "Healthy"),
    "draining before a pause": (
        lambda: _pause(Collector(build_pod(PAUSED, going=True), None)), 0, "InProgress", "Progressing"
    ),
    "paused": (_pause, 0, "Current", "Healthy"),
    "just denied": (lambda: _judge(_refuse("AccessDenied")), 0, "InProgress", "Progressing"),
    "denied while rolling out": (lambda: _judge(_refuse("AccessDenied"), total=2), 0, "InProgress", "Progressing"),
    "denied for long": (lambda: _judge(_refuse("AccessDenied")), 600, "Failed", "Degraded"),
    "denied for long while rolling out": (
        lambda: _judge(_refuse("AccessDenied"), total=2), 600, "Failed", "Degraded"
    ),
    "throttled for long": (lambda: _judge(_refuse("Throttled")), 600, "InProgress", "Degraded"),
    "sink fails": (lambda: _judge(_refuse("SinkRejected", "SinksAccepting")), 0, "InProgress", "Degraded"),
    "pod cannot start": (lambda: _judge(pod={"trouble": "ImagePullBackOff"}, ready=0), 0, "InProgress", "Degraded"),
    "broken spec": (lambda: evaluate_problem(BROKEN, BLANK), 0, "Failed", "Degraded"),
    "Kubernetes refuses": (lambda: evaluate_failure("Kubernetes answered 403", BLANK), 0, "InProgress", "Progressing"),
}  # fmt: skip


def _build(name: str, generation: int = 1) -> Manifest:
    """Build a source whose status says what the situation is; `generation` is what the spec has reached meanwhile."""
    make, lasts, _, _ = SITUATIONS[name]
    status = build_status(observe_source(1), make(), BLANK, StatusTimes(START, STALL))
    status = build_status(observe_source(1), make(), status, StatusTimes(START + timedelta(seconds=lasts), STALL))
    dumped = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"metadata": {"name": "trail", "generation": generation}, "status": dumped}


@pytest.mark.parametrize("name", SITUATIONS)
def test_kstatus_reads_the_status_as_meant(name: str) -> None:
    """ST-07."""
    source = _build(name)
    assert compute_kstatus(source) == SITUATIONS[name][2]
    assert compute_kstatus(_build(name, generation=2)) == "InProgress"
    assert compute_kstatus({**source, "metadata": {"deletionTimestamp": "…"}}) == "Terminating"
    types = [item["type"] for item in source["status"]["conditions"] if item["status"] == "True"]
    assert not {"Reconciling", "Stalled"} <= set(types)
    assert len(types) == len(set(types))


@pytest.mark.parametrize("name", SITUATIONS)
def test_argo_reads_the_status_as_meant(name: str) -> None:
    """ST-21."""
    source = _build(name)
    health, message = ask_argo(source)
    assert health == SITUATIONS[name][3]
    told = [f"{item['reason']}: {item['message']}" for item in source["status"]["conditions"]]
    assert message in told
    assert ask_argo(_build(name, generation=2))[0] == "Progressing"


@pytest.mark.parametrize("status", [None, {"observedGeneration": -1}, {"observedGeneration": 1}], ids=str)
def test_argo_waits_for_a_source_that_nobody_has_looked_at(status: Manifest | None) -> None:
    source = {"metadata": {"generation": 1}} | ({} if status is None else {"status": status})
    assert ask_argo(source)[0] == "Progressing"


@pytest.mark.parametrize("reason", sorted(LASTING_REASONS))
def test_argo_waits_for_whatever_will_stall(reason: Reason) -> None:
    status = build_status(observe_source(1), _judge(_refuse(reason)), BLANK, StatusTimes(START, STALL))
    dumped = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert ask_argo({"metadata": {"generation": 1}, "status": dumped})[0] == "Progressing"


def test_health_check_knows_only_reasons_that_exist() -> None:
    script = (GITOPS / "argocd-health.lua").read_text(encoding="utf-8")
    named = set(re.findall(r"^  (\w+) = true,$", script, re.MULTILINE))
    assert named == LASTING_REASONS | {Reason.ROLLING_OUT, Reason.WAITING_FOR_COLLECTORS, Reason.RECONCILE_FAILED}


def test_examples_are_valid_and_need_no_substitution() -> None:
    """ST-42."""
    documents = [
        document
        for path in sorted(GITOPS.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]
    kinds = [document["kind"] for document in documents]
    assert {"Application", "Kustomization", "HelmRelease", "CloudTrailSource"} <= set(kinds)
    for document in documents:
        assert "${" not in yaml.safe_dump(document)
        if document["kind"] == "CloudTrailSource":
            CloudTrailSourceSpec.model_validate(document["spec"])
