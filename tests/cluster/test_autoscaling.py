"""Autoscaling against an API server, with exactly the chart's permissions. Tests play the autoscaler and the kubelet."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcluster.apiserver import ApiServer
from localcluster.assets import find_kubectl
from support.keda import installed_keda
from support.pods import CollectorStub, build_report, wait_until, write_pod_status
from support.site import NAME, WORKLOAD, Manifest, Site
from support.sources import build_source

GOLDEN = Path(__file__).parents[1] / "golden" / "keda"
SCALING = {"min": 1, "max": 5}
HPA, SCALED_OBJECT, TRIGGER_AUTHENTICATION = (
    f"{resource}/{WORKLOAD}"
    for resource in ("horizontalpodautoscaler", "scaledobjects.keda.sh", "triggerauthentications.keda.sh")
)
DISCOVERED_WITHIN = 75.0  # the operator asks every 30 s, and lists again after that
NOTHING_HAPPENS = 5  # looks of the operator at the source, after which nothing is still to come


@pytest.fixture
def keda(server: ApiServer) -> Iterator[None]:
    """KEDA's kinds, from before the operator starts until after it has stopped."""
    with installed_keda(server):
        yield


def _read(site: Site, resource: str) -> Manifest:
    """Read a resource's spec; empty when it is not there."""
    spec: Manifest = (site.get(resource) or {"spec": {}})["spec"]
    return spec


def _read_replicas(site: Site) -> int | None:
    return _read(site, f"deployment/{WORKLOAD}").get("replicas")


def _find_owners(site: Site) -> list[str]:
    """Find the field managers that own the Deployment's replicas."""
    text = site.kubectl("get", f"deployment/{WORKLOAD}", "-o", "json", "--show-managed-fields")
    entries = json.loads(text)["metadata"]["managedFields"]
    return sorted(entry["manager"] for entry in entries if "f:replicas" in entry["fieldsV1"].get("f:spec", {}))


def _scale(site: Site, replicas: int) -> None:
    """Scale as an autoscaler does: by the subresource."""
    site.kubectl("scale", f"deployment/{WORKLOAD}", f"--replicas={replicas}")


def _wait_replicas(site: Site, replicas: int) -> None:
    wait_until(lambda: _read_replicas(site) == replicas, f"replicas are {replicas}")


def _wait_seen(site: Site, replicas: int) -> None:
    """Wait until the operator has seen so many replicas, and looked at them several times since."""
    wait_until(lambda: site.source()["status"].get("replicas") == replicas, f"the status says {replicas}")
    looks = site.operator.count_looks()
    wait_until(lambda: site.operator.count_looks() >= looks + NOTHING_HAPPENS, "the operator looks again and again")


@contextmanager
def _watched_replicas(site: Site) -> Iterator[list[int]]:
    """Note every number of replicas that the Deployment is ever set to; complete when the block is left."""
    what = ["-n", site.namespace, "get", f"deployment/{WORKLOAD}", "--watch", r'-o=jsonpath={.spec.replicas}{"\n"}']
    seen: list[int] = []
    command = [str(find_kubectl()), "--kubeconfig", str(site.server.kubeconfig), *what]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        seen.append(int(watch.stdout.readline()))
        yield seen
        watch.terminate()
        seen += [int(line) for line in watch.stdout]


def test_t57_reapplying_keeps_what_the_autoscaler_decided(site: Site) -> None:
    """T-57: edits of the source reach the Deployment, whose replicas stay; the source itself is never written to."""
    site.apply(scaling=SCALING)
    wait_until(lambda: site.get(HPA), "there is a HorizontalPodAutoscaler")
    assert _read_replicas(site) == 1
    _scale(site, 5)
    _wait_seen(site, 5)
    assert _read_replicas(site) == 5
    before = site.config_hash()
    site.apply(scaling=SCALING, prefix="audit/")
    wait_until(lambda: site.config_hash() != before, "the edit reaches the Deployment")
    assert _read_replicas(site) == 5
    assert "cloudtrail-operator" not in _find_owners(site)


def test_t57_the_diff_of_argo_is_empty(site: Site, server: ApiServer) -> None:
    """T-57: what Git has, applied server-side without writing it, gives what is there."""
    site.apply(scaling=SCALING)
    wait_until(lambda: site.get(HPA), "there is a HorizontalPodAutoscaler")
    _scale(site, 3)
    _wait_seen(site, 3)
    manifest = json.dumps(build_source(NAME, site.namespace, scaling=SCALING))
    options = (
        "--server-side",
        "--dry-run=server",
        "--field-manager=argocd-controller",
        "--force-conflicts",
        "-o",
        "json",
    )
    predicted = json.loads(server.kubectl("apply", *options, "-f", "-", input=manifest).stdout)
    live = site.source()
    assert predicted["spec"] == live["spec"]
    assert {"annotations", "finalizers"}.isdisjoint(live["metadata"])
    assert live["metadata"]["generation"] == 1


def test_nothing_is_written_while_nothing_changes(site: Site, stub: CollectorStub) -> None:
    site.apply(scaling=SCALING)
    wait_until(lambda: site.get(HPA), "there is a HorizontalPodAutoscaler")
    site.run_collector(stub)
    site.wait_condition("Ready", "True", "Testing")
    looks, writes = site.operator.count_looks(), site.operator.count_writes()
    wait_until(lambda: site.operator.count_looks() >= looks + NOTHING_HAPPENS, "the operator looks again and again")
    assert site.operator.count_writes() == writes


def test_switching_on_keeps_the_replicas_and_switching_off_takes_them_back(site: Site) -> None:
    site.apply(collector={"replicas": 5})
    _wait_replicas(site, 5)
    with _watched_replicas(site) as seen:
        site.apply(scaling=SCALING)
        wait_until(lambda: site.get(HPA), "there is a HorizontalPodAutoscaler")
        _scale(site, 3)
        _wait_seen(site, 3)
    assert set(seen) == {5, 3}
    assert "cloudtrail-operator" not in _find_owners(site)

    site.apply(collector={"replicas": 2})
    _wait_replicas(site, 2)
    wait_until(lambda: site.get(HPA) is None, "the HorizontalPodAutoscaler is gone")
    assert _find_owners(site) == ["cloudtrail-operator"]
    _scale(site, 7)
    _wait_replicas(site, 2)


def test_paused_wins_and_leaving_it_begins_with_the_minimum(site: Site) -> None:
    scaling = {"min": 2, "max": 5}
    site.apply(scaling=scaling)
    wait_until(lambda: site.get(HPA), "there is a HorizontalPodAutoscaler")
    _scale(site, 4)
    _wait_replicas(site, 4)
    site.apply(scaling=scaling, mode="Paused")
    _wait_replicas(site, 0)
    assert site.get(HPA) is None
    site.wait_condition("Ready", "True", "Paused")
    wait_until(lambda: site.get(f"pdb/{WORKLOAD}") is None, "the disruption budget is gone")
    _scale(site, 3)
    _wait_replicas(site, 0)

    with _watched_replicas(site) as seen:
        site.apply(scaling=scaling)
        wait_until(lambda: site.get(HPA), "there is a HorizontalPodAutoscaler")
    assert seen[-1] == 2
    assert set(seen) == {0, 2}


def test_ready_counts_what_the_autoscaler_wants(site: Site, stub: CollectorStub, server: ApiServer) -> None:
    site.apply(scaling=SCALING, mode="Active")
    wait_until(lambda: site.get(HPA), "there is a HorizontalPodAutoscaler")
    site.run_collector(stub, mode="Active", queue=_build_look(visible=7, inFlight=5))
    site.wait_condition("Ready", "True", "Collecting")
    _scale(site, 2)
    site.wait_condition("Ready", "False", "RollingOut")
    pods = wait_until(lambda: len(found := site.list("pods")) == 2 and found, "there are two pods")
    for pod in pods:
        write_pod_status(server, pod, stub.address)
    assert site.wait_condition("Ready", "True", "Collecting")["message"] == "2 collectors in mode Active"
    labels = f'namespace="{site.namespace}",source="{NAME}"'
    wait_until(
        lambda: site.operator.read_metric("cloudtrail_source_queue_messages").get(labels) == 12,
        "the metric says what waits and what is in work",
    )
    _scale(site, 0)
    assert "scale it to 1 or more" in site.wait_condition("Ready", "False", "ScaledToZero")["message"]


def _build_look(**counts: int) -> Manifest:
    observed_at = build_report("")["startedAt"]
    return {"observedAt": observed_at, "visible": 0, "inFlight": 0, "delayed": 0} | counts


def test_scaling_to_zero_without_keda_stalls(site: Site) -> None:
    site.apply(scaling={"min": 0, "max": 5})
    assert "needs KEDA" in site.wait_condition("Stalled", "True", "FeatureNotAvailable")["message"]
    assert site.get(f"deployment/{WORKLOAD}") is None


@pytest.mark.usefixtures("keda")
def test_keda_scales_where_it_is_installed(site: Site) -> None:
    scaling = {"min": 0, "max": 5, "targetMessages": 200}
    site.apply(scaling=scaling, mode="Active")
    scaled_object = wait_until(lambda: site.get(SCALED_OBJECT), "there is a ScaledObject")
    assert site.get(HPA) is None
    assert site.get(TRIGGER_AUTHENTICATION) is not None
    assert scaled_object["spec"]["scaleTargetRef"]["name"] == WORKLOAD
    assert scaled_object["metadata"]["ownerReferences"][0]["uid"] == site.source()["metadata"]["uid"]
    _scale(site, 0)
    site.wait_condition("Ready", "True", "ScaledToZero")

    site.kubectl("patch", SCALED_OBJECT, "--type=merge", "-p", '{"spec": {"maxReplicaCount": 50}}')
    wait_until(lambda: _read(site, SCALED_OBJECT)["maxReplicaCount"] == 5, "the drift is repaired")
    site.kubectl("delete", TRIGGER_AUTHENTICATION)
    wait_until(lambda: site.get(TRIGGER_AUTHENTICATION), "what was deleted is back")

    site.apply(scaling=scaling, mode="Paused")
    wait_until(lambda: not (site.get(SCALED_OBJECT) or site.get(TRIGGER_AUTHENTICATION)), "KEDA is out of the way")
    site.wait_condition("Ready", "True", "Paused")
    site.apply(scaling=scaling, mode="Active")
    wait_until(lambda: site.get(SCALED_OBJECT), "there is a ScaledObject again")
    assert _read_replicas(site) == 1


def test_keda_may_come_and_go(site: Site, server: ApiServer) -> None:
    """The autoscaler changes in the same process; replicas stay, and a source that needs KEDA is told that it left."""
    site.apply(scaling=SCALING)
    wait_until(lambda: site.get(HPA), "there is a HorizontalPodAutoscaler")
    _scale(site, 4)
    _wait_replicas(site, 4)
    process = site.operator.process
    with installed_keda(server):
        wait_until(lambda: site.get(SCALED_OBJECT), "there is a ScaledObject", DISCOVERED_WITHIN)
        wait_until(lambda: site.get(HPA) is None, "the HorizontalPodAutoscaler is gone")
        assert _read_replicas(site) == 4
        site.kubectl("delete", TRIGGER_AUTHENTICATION)
        wait_until(lambda: site.get(TRIGGER_AUTHENTICATION), "what was deleted is back")
        site.apply(scaling={"min": 0, "max": 5})
        wait_until(lambda: _read(site, SCALED_OBJECT)["minReplicaCount"] == 0, "the edit is applied")
    site.wait_condition("Stalled", "True", "FeatureNotAvailable", DISCOVERED_WITHIN)
    site.apply(scaling=SCALING)
    wait_until(lambda: site.get(HPA), "there is a HorizontalPodAutoscaler again")
    assert _read_replicas(site) == 4
    assert process is not None
    assert process is site.operator.process
    assert process.exit_code is None


@pytest.mark.usefixtures("keda")
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_reviewed_manifests_are_accepted(server: ApiServer, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    server.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", input=text)
