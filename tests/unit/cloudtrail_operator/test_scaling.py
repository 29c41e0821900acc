"""Autoscaling: what is built for each autoscaler, who owns the replicas, and what that means for readiness."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.core.desired import Desired
from cloudtrail_operator.core.evaluation import evaluate, evaluate_problem
from cloudtrail_operator.core.findings import Verdict
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import FIELD_MANAGER, HANDOVER_MANAGER, Manifest
from cloudtrail_operator.core.observation import Collector, Observation
from cloudtrail_operator.core.plan import is_up_to_date
from cloudtrail_operator.core.scaling import Autoscaler, build_handover, choose_handover, find_scaling_problem
from cloudtrail_operator.reconcile.store import Store
from cloudtrail_spec.conditions import ConditionType
from cloudtrail_spec.source import CloudTrailSourceSpec, Scaling
from cloudtrail_spec.status import CloudTrailSourceStatus
from support.observations import build_answer, build_pod, build_rollout, build_wanted, observe
from support.sources import build_spec

ADAPTER = Path(__file__).parents[3] / "docs" / "autoscaling-prometheus-adapter.yaml"
SCALING = {"min": 2, "max": 5}
AUTOSCALER_KINDS = {"HorizontalPodAutoscaler", "ScaledObject", "TriggerAuthentication"}
CHAINED = "arn:aws:iam::444455556666:role/reader"
BLANK = CloudTrailSourceStatus()


def _manifest(desired: Desired, kind: str) -> Manifest:
    (found,) = [manifest for manifest in desired.manifests if manifest["kind"] == kind]
    return found


def _kinds(desired: Desired) -> set[str]:
    return {manifest["kind"] for manifest in desired.manifests}


def _trigger(**changes: Any) -> Manifest:
    scaled = _manifest(build_wanted(Autoscaler.KEDA, **changes), "ScaledObject")
    trigger: Manifest = scaled["spec"]["triggers"][0]
    return trigger


def _identity(**changes: Any) -> Manifest:
    found = _manifest(build_wanted(Autoscaler.KEDA, scaling={"max": 2}, **changes), "TriggerAuthentication")
    identity: Manifest = found["spec"]
    return identity


def test_one_autoscaler_at_a_time_and_none_without_scaling() -> None:
    assert _kinds(build_wanted(scaling=SCALING)) & AUTOSCALER_KINDS == {"HorizontalPodAutoscaler"}
    keda = build_wanted(Autoscaler.KEDA, scaling=SCALING)
    assert _kinds(keda) & AUTOSCALER_KINDS == {"ScaledObject", "TriggerAuthentication"}
    assert not _kinds(build_wanted(Autoscaler.KEDA, collector={"replicas": 3})) & AUTOSCALER_KINDS


@pytest.mark.parametrize("autoscaler", Autoscaler)
def test_t57_replicas_are_nobodys_business_but_the_autoscalers(autoscaler: Autoscaler) -> None:
    """T-57: what is applied says nothing of replicas, and any number of them is up to date."""
    deployment = _manifest(build_wanted(autoscaler, scaling=SCALING), "Deployment")
    assert "replicas" not in deployment["spec"]
    scaled = deployment | {"spec": deployment["spec"] | {"replicas": 5}}
    assert is_up_to_date(scaled, deployment)


def test_without_scaling_other_replicas_are_drift() -> None:
    deployment = _manifest(build_wanted(collector={"replicas": 2}), "Deployment")
    scaled = deployment | {"spec": deployment["spec"] | {"replicas": 5}}
    assert not is_up_to_date(scaled, deployment)


@pytest.mark.parametrize("autoscaler", Autoscaler)
def test_paused_wins_over_scaling(autoscaler: Autoscaler) -> None:
    desired = build_wanted(autoscaler, mode="Paused", scaling=SCALING)
    assert _manifest(desired, "Deployment")["spec"]["replicas"] == 0
    assert not _kinds(desired) & (AUTOSCALER_KINDS | {"PodDisruptionBudget"})


@pytest.mark.parametrize(("most", "expected"), [(1, False), (2, True)])
def test_node_drains_are_bounded_where_several_collectors_may_run(most: int, *, expected: bool) -> None:
    assert ("PodDisruptionBudget" in _kinds(build_wanted(scaling={"max": most}))) is expected


def test_scaling_on_or_off_does_not_replace_pods() -> None:
    assert build_wanted(scaling=SCALING).template_hash == build_wanted().template_hash


@pytest.mark.parametrize(
    ("changes", "url", "endpoint"),
    [
        ({}, "https://sqs.us-east-1.amazonaws.com/111122223333/cloudtrail-notifications", None),
        (
            {"queueArn": "arn:aws-cn:sqs:cn-north-1:111122223333:q", "region": "cn-north-1"},
            "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q",
            None,
        ),
        (
            {"endpointUrl": "http://aws.example:4566/"},
            "http://aws.example:4566/111122223333/cloudtrail-notifications",
            "http://aws.example:4566/",
        ),
        (
            {"endpointUrl": "http://aws.example:4566", "endpoints": {"sqs": "https://vpce.example"}},
            "https://vpce.example/111122223333/cloudtrail-notifications",
            "https://vpce.example",
        ),
    ],
    ids=["partition", "China", "endpoint", "endpoint of SQS"],
)
def test_keda_is_told_where_the_queue_is(changes: Manifest, url: str, endpoint: str | None) -> None:
    metadata = _trigger(scaling=SCALING, **changes)["metadata"]
    assert (metadata["queueURL"], metadata.get("awsEndpoint")) == (url, endpoint)


def test_keda_counts_what_is_in_flight_and_asks_sqs_itself_only() -> None:
    """T-37: messages in work count for the scale; a collector that works on some does not look idle."""
    trigger = _trigger(scaling=SCALING | {"targetMessages": 700})
    assert trigger["metadata"]["scaleOnInFlight"] == "true"
    assert trigger["metadata"]["queueLength"] == "700"
    assert trigger["useCachedMetrics"] is True


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"podIdentity": {"provider": "aws", "identityOwner": "workload"}}),
        (
            {"roleArn": None, "credentials": {"type": "PodIdentity"}},
            {"podIdentity": {"provider": "aws", "identityOwner": "keda"}},
        ),
        ({"assumeRole": {"roleArn": CHAINED}}, {"podIdentity": {"provider": "aws", "roleArn": CHAINED}}),
        (
            {"assumeRole": {"roleArn": CHAINED, "externalId": "acme-1"}},
            {"podIdentity": {"provider": "aws", "roleArn": CHAINED, "externalID": "acme-1"}},
        ),
        (
            {"roleArn": None, "credentials": {"type": "Secret", "secretRef": {"name": "keys"}}},
            {
                "secretTargetRef": [
                    {"parameter": "awsAccessKeyID", "name": "keys", "key": "AWS_ACCESS_KEY_ID"},
                    {"parameter": "awsSecretAccessKey", "name": "keys", "key": "AWS_SECRET_ACCESS_KEY"},
                    {"parameter": "awsSessionToken", "name": "keys", "key": "AWS_SESSION_TOKEN"},
                ]
            },
        ),
    ],
    ids=["IRSA", "PodIdentity", "chained", "chained with external id", "Secret"],
)
def test_keda_is_told_who_it_is(changes: Manifest, expected: Manifest) -> None:
    assert _identity(**changes) == expected


def test_scale_in_waits_for_two_deliveries_with_both_autoscalers() -> None:
    pod_autoscaler = _manifest(build_wanted(scaling=SCALING), "HorizontalPodAutoscaler")["spec"]
    scaled_object = _manifest(build_wanted(Autoscaler.KEDA, scaling=SCALING), "ScaledObject")["spec"]
    behavior = pod_autoscaler["behavior"]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 600
    assert scaled_object["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == behavior
    assert scaled_object["fallback"] == {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicasIfHigher"}


@pytest.mark.parametrize(
    ("changes", "autoscaler", "words"),
    [
        ({"scaling": {"min": 0, "max": 2}}, Autoscaler.HPA, "needs KEDA"),
        ({"scaling": {"min": 0, "max": 2}}, Autoscaler.KEDA, None),
        ({"scaling": {"min": 1, "max": 2}}, Autoscaler.HPA, None),
        ({"mode": "Paused", "scaling": {"min": 0, "max": 2}}, Autoscaler.HPA, None),
        ({}, Autoscaler.HPA, None),
    ],
    ids=str,
)
def test_scaling_to_zero_needs_keda(changes: Manifest, autoscaler: Autoscaler, words: str | None) -> None:
    problem = find_scaling_problem(CloudTrailSourceSpec.model_validate(build_spec(**changes)), autoscaler)
    if words is None:
        assert problem is None
        return
    assert problem is not None
    stalled = _find(evaluate_problem(problem, BLANK), ConditionType.STALLED)
    assert stalled[:2] == ("True", "FeatureNotAvailable")
    assert words in stalled[2]


def _deployment(replicas: int, *entries: Manifest) -> Manifest:
    metadata = {"name": "x", "namespace": "n", "managedFields": list(entries)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}}


def _entry(manager: str, field: str, operation: str = "Apply") -> Manifest:
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {f"f:{field}": {}}}}


OURS = _entry(FIELD_MANAGER, "replicas")


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (None, None),
        (_deployment(5, OURS), 5),
        (_deployment(1, OURS), 2),
        (_deployment(0, OURS), 2),
        (_deployment(9, OURS), 9),
        (
            _deployment(4, _entry(FIELD_MANAGER, "template"), _entry(HANDOVER_MANAGER, "replicas")),
            None,
        ),
        (_deployment(4, _entry("kubectl", "replicas", "Update")), None),
        (_deployment(4, _entry(FIELD_MANAGER, "replicas", "Update")), None),
    ],
    ids=["new", "running", "below min", "was paused", "above max", "handed over", "scaled by hand", "another way"],
)
def test_what_is_ours_is_handed_over_and_never_below_the_minimum(live: Manifest | None, expected: int | None) -> None:
    assert choose_handover(live, Scaling(min=2, max=5)) == expected


def test_from_paused_to_scaling_to_zero_begins_with_one() -> None:
    assert choose_handover(_deployment(0, OURS), Scaling(min=0, max=5)) == 1


def test_handover_says_nothing_but_replicas() -> None:
    deployment = _manifest(build_wanted(scaling=SCALING), "Deployment")
    assert build_handover(deployment, 4) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "org-trail-collector", "namespace": "default"},
        "spec": {"replicas": 4},
    }


def _find(verdict: Verdict, kind: ConditionType) -> tuple[str, str, str]:
    (finding,) = [item for item in verdict.findings if item.type is kind]
    return finding.status.value, finding.reason.value, finding.message


def _observe(desired: Desired, count: int, **rollout: int) -> Observation:
    collectors = [Collector(build_pod(desired, f"pod-{number}"), build_answer(desired)) for number in range(count)]
    numbers = dict.fromkeys(("wanted", "total", "updated", "available", "ready"), count) | rollout
    return Observation(build_rollout(desired, **numbers), tuple(collectors), observe(desired).at)


def test_ready_counts_what_the_autoscaler_wants() -> None:
    desired = build_wanted(mode="Active", scaling=SCALING)
    verdict = evaluate(desired, _observe(desired, 4), BLANK)
    assert _find(verdict, ConditionType.READY) == ("True", "Collecting", "4 collectors in mode Active")
    assert (verdict.replicas, verdict.ready_replicas) == (4, 4)
    growing = evaluate(desired, _observe(desired, 4, wanted=5), BLANK)
    assert _find(growing, ConditionType.READY) == ("False", "RollingOut", "4 of 5 collectors are up and ready")


def test_scaled_to_zero_by_keda_is_ready() -> None:
    desired = build_wanted(Autoscaler.KEDA, mode="Active", scaling={"min": 0, "max": 5})
    verdict = evaluate(desired, _observe(desired, 0), BLANK)
    assert _find(verdict, ConditionType.READY)[:2] == ("True", "ScaledToZero")
    assert verdict.mode == "Active"


def test_scaled_to_zero_by_hand_is_told() -> None:
    desired = build_wanted(mode="Active", scaling=SCALING)
    status, reason, message = _find(evaluate(desired, _observe(desired, 0), BLANK), ConditionType.READY)
    assert (status, reason) == ("False", "ScaledToZero")
    assert "scale it to 1 or more" in message


@pytest.mark.parametrize("kind", [Kind.POD_AUTOSCALER, Kind.SCALED_OBJECT])
def test_what_an_autoscaler_tells_of_itself_is_no_news(kind: Kind) -> None:
    """It does so every few seconds, for every source."""
    store = Store()
    assert store.put(kind, _autoscaler(1, most=5))
    assert not store.put(kind, _autoscaler(2, most=5, status={"currentReplicas": 3}))
    assert store.put(kind, _autoscaler(3, most=6))
    assert not store.put(kind, _autoscaler(2, most=5))


def _autoscaler(version: int, *, most: int, **rest: Any) -> Manifest:
    labels = {"cloudtrail-operator.io/source": "trail"}
    metadata = {"name": "x", "namespace": "n", "uid": "u", "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata, "spec": {"maxReplicas": most}, **rest}


def test_adapter_of_the_docs_serves_the_metric_that_is_asked_for() -> None:
    (rule,) = yaml.safe_load(ADAPTER.read_text(encoding="utf-8"))["rules"]["external"]
    (metric,) = _manifest(build_wanted(scaling=SCALING), "HorizontalPodAutoscaler")["spec"]["metrics"]
    asked = metric["external"]["metric"]
    assert rule["seriesQuery"].startswith(f"{asked['name']}{{")
    assert all(f'{label}!=""' in rule["seriesQuery"] for label in asked["selector"]["matchLabels"])
    assert rule["resources"]["overrides"] == {"namespace": {"resource": "namespace"}}
