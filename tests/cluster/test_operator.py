"""The operator against an API server, with exactly the chart's permissions. Tests play the kubelet and the collectors."""

import json
import os
import secrets
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from localcluster.apiserver import ApiServer
from support.pods import (
    CollectorStub,
    build_check,
    build_report,
    collector_stub,
    wait_until,
    write_pod_status,
)
from support.site import CHILDREN, CONFIGURATIONS, NAME, WORKLOAD, Manifest, Site
from support.sources import build_source

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def operator_values() -> dict[str, Any]:
    return {"stallSeconds": 3}


def test_source_gets_owned_children_and_nothing_is_written_to_its_metadata(site: Site) -> None:
    site.apply(collector={"replicas": 2})
    site.wait_children()
    source = site.source()
    names = {(item["kind"], item["metadata"]["name"]) for kind in CHILDREN for item in site.list(kind)}
    assert names == {
        ("ServiceAccount", WORKLOAD),
        ("ConfigMap", f"{WORKLOAD}-{site.config_hash()[:10]}"),
        ("ConfigMap", f"{NAME}-aws"),
        ("Service", WORKLOAD),
        ("Deployment", WORKLOAD),
        ("PodDisruptionBudget", WORKLOAD),
    }
    for kind in CHILDREN:
        (owner,) = site.list(kind)[0]["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (source["metadata"]["uid"], True)
    assert "finalizers" not in source["metadata"]
    assert "annotations" not in source["metadata"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"collector": {"replicas": 3}}, "{.spec.replicas}"),
        ({"collector": {"image": "example.com/c:2"}}, "{.spec.template.spec.containers[0].image}"),
        ({"collector": {"logLevel": "Debug"}}, "{.spec.template.spec.containers[0].env}"),
        ({"collector": {"resources": {"limits": {"cpu": "1500m"}}}}, "{.spec.template.spec.containers[0].resources}"),
        ({"collector": {"terminationGracePeriodSeconds": 90}}, "{.spec.template.spec.terminationGracePeriodSeconds}"),
        ({"collector": {"labels": {"team": "sec"}}}, "{.spec.template.metadata.labels}"),
        ({"collector": {"nodeSelector": {"disk": "ssd"}}}, "{.spec.template.spec.nodeSelector}"),
        ({"prefix": "audit/"}, "{.spec.template.spec.volumes}"),
        ({"mode": "Active"}, "{.spec.template.spec.volumes}"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_edit_of_a_field_reaches_the_deployment_and_its_removal_too(site: Site, changes: Manifest, path: str) -> None:
    def read() -> str:
        return site.kubectl("get", f"deployment/{WORKLOAD}", "-o", f"jsonpath={path}")

    site.apply()
    site.wait_children()
    before = read()
    site.apply(**changes)
    wait_until(lambda: read() != before, f"{path} changes")
    site.apply()
    wait_until(lambda: read() == before, f"{path} is as before")


def test_drift_is_repaired_and_deleted_children_come_back(site: Site) -> None:
    site.apply(collector={"replicas": 2})
    site.wait_children()
    config_map = f"configmap/{WORKLOAD}-{site.config_hash()[:10]}"
    site.kubectl("scale", f"deployment/{WORKLOAD}", "--replicas=7")
    site.kubectl("label", f"service/{WORKLOAD}", "cloudtrail-operator.io/source-", "app.kubernetes.io/managed-by-")
    site.kubectl("annotate", f"serviceaccount/{WORKLOAD}", "eks.amazonaws.com/role-arn=arn:other", "--overwrite")
    site.kubectl("delete", config_map, f"pdb/{WORKLOAD}")
    wait_until(lambda: (site.get(f"deployment/{WORKLOAD}") or {})["spec"]["replicas"] == 2, "replicas are back")
    wait_until(lambda: site.list("service"), "the Service has its labels again")
    wait_until(lambda: site.get(config_map) and site.get(f"pdb/{WORKLOAD}"), "what was deleted is back")
    wait_until(
        lambda: (
            (site.get(f"serviceaccount/{WORKLOAD}") or {})["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
            == site.source()["spec"]["roleArn"]
        ),
        "the role is back",
    )


def test_ready_only_after_a_receive_with_the_present_configuration(site: Site, stub: CollectorStub) -> None:
    site.apply()
    site.wait_condition("Ready", "False", "RollingOut")
    assert site.condition("Reconciling")["status"] == "True"
    site.run_collector(stub, lastReceiveAt=None)
    site.wait_condition("Ready", "False", "WaitingForCollectors")
    stub.report = build_report("0" * 64)
    assert "another configuration" in str(
        wait_until(
            lambda: "another" in site.condition("Ready")["message"] and site.condition("Ready")["message"], "it is told"
        )
    )
    stub.report = build_report(site.config_hash())
    site.wait_condition("Ready", "True", "Testing")
    assert site.condition("Reconciling")["status"] == "absent"
    assert site.source()["status"]["mode"] == "Test"


def test_mode_changes_are_rollouts_and_old_configurations_go(site: Site, stub: CollectorStub) -> None:
    site.apply()
    site.wait_children()
    site.run_collector(stub)
    site.wait_condition("Ready", "True", "Testing")
    site.apply(mode="Active")
    site.wait_condition("Ready", "False", "RollingOut")
    site.run_collector(stub, mode="Active")
    site.wait_condition("Ready", "True", "Collecting")
    wait_until(lambda: len(site.list("configmap", CONFIGURATIONS)) == 1, "only one configuration is left")
    site.apply(mode="Paused")
    site.wait_condition("Ready", "True", "Paused")
    assert site.list("pods") == []
    assert site.condition("QueueReachable")["status"] == "Unknown"
    reasons = site.kubectl("get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}").split()
    assert {"ModeTest", "ModeActive", "ModePaused", "RolloutFinished"} <= set(reasons)


def test_denied_access_is_told_stalls_and_clears_by_itself(site: Site, stub: CollectorStub) -> None:
    site.apply()
    site.wait_children()
    words = "sqs:ReceiveMessage on arn:aws:sqs:us-east-1:111122223333:cloudtrail-notifications: not authorized"
    site.run_collector(stub, checks=[build_check("QueueReachable", "False", "AccessDenied", words)], lastReceiveAt=None)
    assert site.wait_condition("Ready", "False", "AccessDenied")["message"] == words
    stalled = site.wait_condition("Stalled", "True", "AccessDenied")
    assert stalled["message"] == words
    assert site.condition("Reconciling")["status"] == "absent"
    stub.report = build_report(site.config_hash())
    site.wait_condition("Ready", "True", "Testing")
    assert site.condition("Stalled")["status"] == "absent"


def test_figures_of_two_collectors_are_merged(site: Site, stub: CollectorStub) -> None:
    site.apply(collector={"replicas": 2})
    pods = wait_until(lambda: len(site.list("pods")) == 2 and site.list("pods"), "there are two pods")
    figures = {"files": {"read": 3}, "events": {"read": 10, "filtered": 4, "emitted": 6}, "lagSeconds": 250}
    event_time = "2026-01-02T03:04:05Z"
    with collector_stub() as second:
        stub.report = build_report(site.config_hash(), **figures, lastEventTime=event_time)
        second.report = build_report(site.config_hash(), **figures | {"lagSeconds": None})
        for pod, collector in zip(pods, (stub, second), strict=True):
            write_pod_status(site.server, pod, collector.address)
        site.wait_condition("Ready", "True", "Testing")
        status = wait_until(lambda: "lag" in site.source()["status"] and site.source()["status"], "there are figures")
    assert status["events"] == {
        "read": 20, "filtered": 8, "repeated": 0, "masked": 0, "emitted": 12, "unrouted": 0, "deadLettered": 0, "failed": 0,
    }  # fmt: skip
    assert (status["files"]["read"], status["lag"], status["lastEventTime"]) == (6, "4m10s", event_time)
    assert (status["replicas"], status["readyReplicas"]) == (2, 2)


def test_nothing_is_written_at_rest(site: Site, stub: CollectorStub) -> None:
    """T-55, T-57: with a poll every half second, for twenty seconds."""
    site.apply(collector={"replicas": 1, "resources": {"limits": {"cpu": "1500m", "memory": "1024Mi"}}})
    site.wait_children()
    site.run_collector(stub, events={"read": 5})
    site.wait_condition("Ready", "True", "Testing")
    wait_until(lambda: "events" in site.source()["status"], "the figures are written")
    versions, writes = site.versions(), site.operator.count_writes()
    assert len(versions) == 6
    time.sleep(20)  # the time itself is what is tested
    assert site.versions() == versions
    assert site.operator.count_writes() == writes


def test_killed_and_restarted_operator_changes_nothing(site: Site, stub: CollectorStub) -> None:
    site.apply()
    site.wait_children()
    site.run_collector(stub)
    site.wait_condition("Ready", "True", "Testing")
    wait_until(lambda: "events" in site.source()["status"], "the figures are written")
    versions = site.versions()
    assert site.operator.process is not None
    os.kill(site.operator.process.pid, signal.SIGKILL)
    site.operator.stop()
    site.operator.start()
    wait_until(lambda: site.operator.count_looks() >= 3, "the new operator has looked")
    assert site.versions() == versions
    assert site.operator.count_writes() == 0


def test_source_is_deleted_without_the_operator_and_leaves_nothing(site: Site) -> None:
    """T-60."""
    site.apply(collector={"replicas": 2})
    site.wait_children()
    site.operator.stop()
    site.kubectl("delete", f"cts/{NAME}", "--timeout=10s")
    wait_until(
        lambda: not [item for kind in (*CHILDREN, "pods") for item in site.list(kind)], "all children are gone", 60
    )


def test_unavailable_feature_stalls_and_leaves_the_workload_alone(site: Site) -> None:
    site.apply()
    site.wait_children()
    before = site.versions()[f"ServiceAccount/{WORKLOAD}"], site.config_hash()
    site.apply(scaling={"min": 0, "max": 2}, prefix="other/")
    stalled = site.wait_condition("Stalled", "True", "FeatureNotAvailable")
    assert "spec.scaling" in stalled["message"]
    assert site.condition("Ready")["status"] == "False"
    assert (site.versions()[f"ServiceAccount/{WORKLOAD}"], site.config_hash()) == before
    site.apply()
    site.wait_condition("Ready", "False", "RollingOut")
    assert site.condition("Stalled")["status"] == "absent"


def test_spec_that_an_older_schema_let_in_stalls_with_every_mistake(server: ApiServer, site: Site) -> None:
    """A cluster whose CRD lacks our rules: the operator must not crash on what it lets in."""
    crd = json.loads(server.kubectl("get", "crd", "cloudtrailsources.cloudtrail-operator.io", "-o", "json").stdout)
    relaxed = json.loads(json.dumps(crd))
    schema = relaxed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    schema["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    relaxed["spec"]["versions"][0].pop("selectableFields")
    relaxed["metadata"] = {"name": crd["metadata"]["name"]}
    server.kubectl("replace", "-f", "-", input=json.dumps(relaxed | {"metadata": crd["metadata"]}))
    try:
        wait_until(
            lambda: server.kubectl(
                "apply", "--server-side", "-f", "-", check=False,
                input=json.dumps(build_source(NAME, site.namespace, bucket="No", region="mars", sinks=None)),
            ).returncode == 0,
            "the API server uses the relaxed schema",
        )  # fmt: skip
        stalled = site.wait_condition("Stalled", "True", "InvalidSpec")
        assert "spec.bucket" in stalled["message"]
        assert "spec.region" in stalled["message"]
        assert site.list("deployment") == []
        site.kubectl("delete", f"cts/{NAME}")
    finally:
        site.operator.install()


def test_pod_that_cannot_start_is_named_with_its_cause(site: Site) -> None:
    site.apply(roleArn=None, credentials={"type": "Secret", "secretRef": {"name": "missing"}})
    pod = site.newest_pod()
    waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "missing" not found'}}
    write_pod_status(site.server, pod, "127.0.0.1", ready=False, state=waiting)
    message = site.wait_condition("Ready", "False", "CollectorFailing")["message"]
    assert pod["metadata"]["name"] in message
    assert 'CreateContainerConfigError: secret "missing" not found' in message


def test_foreign_resource_of_a_childs_name_is_not_taken_over(site: Site) -> None:
    site.kubectl("create", "serviceaccount", WORKLOAD)
    site.apply()
    message = site.wait_condition("Ready", "False", "ReconcileFailed")["message"]
    assert f"ServiceAccount {WORKLOAD} exists already" in message
    assert "ownerReferences" not in (site.get(f"serviceaccount/{WORKLOAD}") or {})["metadata"]
    site.kubectl("delete", f"serviceaccount/{WORKLOAD}")
    site.wait_condition("Ready", "False", "RollingOut", 30)


def test_reconcile_request_is_echoed_and_deleted_status_comes_back(site: Site) -> None:
    site.apply(mode="Paused")
    site.wait_condition("Ready", "True", "Paused")
    site.kubectl("annotate", f"cts/{NAME}", "cloudtrail-operator.io/reconcile-requested-at=now-1")
    wait_until(lambda: site.source()["status"].get("lastHandledReconcileAt") == "now-1", "the request is echoed")
    before = site.condition("Ready")
    site.kubectl(
        "patch", f"cts/{NAME}", "--subresource=status", "--type=json", "-p", '[{"op":"remove","path":"/status"}]'
    )
    site.wait_condition("Ready", "True", "Paused")
    assert site.condition("Ready")["message"] == before["message"]
    assert site.source()["status"]["lastHandledReconcileAt"] == "now-1"


def test_operator_ends_in_order_on_sigterm(site: Site) -> None:
    process = site.operator.process
    assert process is not None
    os.kill(process.pid, signal.SIGTERM)
    wait_until(lambda: process.exit_code is not None, "it ends", 10)
    assert process.exit_code == 0


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_reviewed_manifests_fit_a_restricted_namespace(server: ApiServer, path: Path) -> None:
    """The API server accepts each, strictly, and its Pod Security admission has nothing to warn about."""
    name = f"restricted-{secrets.token_hex(4)}"
    server.kubectl("create", "namespace", name)
    server.kubectl("label", "namespace", name, "pod-security.kubernetes.io/warn=restricted")
    text = path.read_text(encoding="utf-8").replace("namespace: default", f"namespace: {name}")
    applied = server.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", input=text)
    assert applied.stderr == ""
    server.kubectl("delete", "namespace", name, "--wait=false")
