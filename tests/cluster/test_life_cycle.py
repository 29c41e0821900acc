"""A source from its creation to its end: every edit, every interruption, every way to go. No test plays a collector unless
it says so: what is held are the children, the status, and that nothing is written once all is as it should be.
"""

import asyncio
import json
import os
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench_operator.api import Api
from localcluster.apiserver import ApiServer
from support.api_proxy import ApiProxy, Seen
from support.field_edits import CONFIG, EDITS, Edit, dig
from support.operator_process import NAMESPACE as OPERATOR_NAMESPACE
from support.operator_process import OperatorProcess
from support.pods import CollectorStub, build_check, build_report, wait_until
from support.site import CHILDREN, CONFIGURATIONS, NAME, OURS, WORKLOAD, Manifest, Site
from support.sources import build_source, build_spec

OLDER_CRD = Path(__file__).parents[1] / "golden" / "crd" / "a0d1d83.yaml"
QUIET_SECONDS = 2  # four looks
MANY = 1000
WAIT_EVERY = 10


@pytest.fixture
def namespace(server: ApiServer) -> Iterator[str]:
    name = f"test-{secrets.token_hex(4)}"
    server.kubectl("create", "namespace", name)
    yield name
    server.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def operator_values() -> dict[str, Any]:
    return {"stallSeconds": 3}


def _apply_spec(site: Site, spec: Manifest, name: str = NAME) -> None:
    manifest = build_source(name, site.namespace) | {"spec": spec}
    site.server.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifest))


def _is_seen(site: Site, name: str = NAME) -> bool:
    """Say whether the operator has told of the present generation."""
    source = site.get(f"cts/{name}")
    return source is not None and source["status"]["observedGeneration"] == source["metadata"]["generation"]


def _read_config(site: Site) -> Manifest | None:
    """Read the configuration that the Deployment's pods are to load."""
    volumes = dig(site.get(f"deployment/{WORKLOAD}"), "spec.template.spec.volumes") or []
    name = next((volume["configMap"]["name"] for volume in volumes if volume["name"] == "config"), None)
    found = site.get(f"configmap/{name}") if name else None
    return None if found is None else json.loads(found["data"]["config.json"])


def _has_arrived(site: Site, edit: Edit) -> bool:
    """Say whether an edit is where it belongs, and the status tells of it."""
    source = site.source()
    if source["status"]["observedGeneration"] != source["metadata"]["generation"]:
        return False
    ready = next(item for item in source["status"]["conditions"] if item["type"] == "Ready")
    reason = "Paused" if source["spec"]["mode"] == "Paused" else "RollingOut"
    place = _read_config(site) if edit.kind == CONFIG else site.get(f"{edit.kind}/{WORKLOAD}")
    return ready["reason"] == reason and edit.has_arrived(place)


@pytest.mark.timeout(600)
def test_every_field_can_be_edited_and_ends_where_it_belongs(site: Site) -> None:
    """T-58: and in the end there are as many children as in the beginning."""
    _apply_spec(site, build_spec(mode="Paused"))
    site.wait_condition("Ready", "True", "Paused")
    before = _count_children(site)
    for edit in EDITS:
        _apply_spec(site, edit.build_spec())
        wait_until(partial(_has_arrived, site, edit), f"{edit.field} ends in {edit.kind} at {edit.where}", 60)
    _apply_spec(site, build_spec(mode="Paused"))
    site.wait_condition("Ready", "True", "Paused")
    wait_until(lambda: _count_children(site) == before, "the children are as in the beginning")


def _count_children(site: Site) -> dict[str, int]:
    counts = {kind: len(site.list(kind)) for kind in (*CHILDREN, "hpa")}
    return counts | {"pods": len(site.list("pods"))}


@pytest.mark.timeout(600)
def test_many_edits_leave_no_more_children_than_one(site: Site) -> None:
    """T-58: a thousand edits, of which every tenth is waited for."""
    _apply_spec(site, build_spec(mode="Paused"))
    site.wait_condition("Ready", "True", "Paused")
    before, writes = _count_children(site), site.operator.count_writes()
    most = asyncio.run(_edit_many(site))
    wait_until(lambda: dig(_read_config(site), "prefix") == f"edit-{MANY}/", "the last edit has arrived", 60)
    wait_until(lambda: _count_children(site) == before, "there are as many children as before", 60)
    assert most == 1  # ConfigMap, whenever a rollout was over
    assert site.operator.count_writes() - writes > 2 * MANY / WAIT_EVERY
    # The Deployment's own history: the present one and revisionHistoryLimit.
    wait_until(lambda: len(site.list("replicasets")) <= 3, "old ReplicaSets are gone", 60)


async def _edit_many(site: Site) -> int:
    """Edit the source many times, without a process for each; return how many ConfigMaps there were at most."""
    path = f"/apis/cloudtrail-operator.io/v1alpha1/namespaces/{site.namespace}/cloudtrailsources/{NAME}"
    most = 0
    async with Api(site.server.kubeconfig) as api:
        for number in range(1, MANY + 1):
            source = build_source(NAME, site.namespace, mode="Paused", prefix=f"edit-{number}/")
            generation = (await api.apply(path, source, "kubectl"))["metadata"]["generation"]
            if number % WAIT_EVERY:
                continue
            await _wait_rolled_out(api, path, generation)
            maps = f"/api/v1/namespaces/{site.namespace}/configmaps"
            most = max(most, len((await api.send("GET", maps, None, labelSelector=CONFIGURATIONS))["items"]))
    return most


async def _wait_rolled_out(api: Api, path: str, generation: int) -> None:
    for _ in range(3000):
        status = (await api.send("GET", path, None))["status"]
        is_ready = any(item["type"] == "Ready" and item["status"] == "True" for item in status["conditions"])
        if is_ready and status["observedGeneration"] >= generation:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"generation {generation} is not rolled out")


def test_access_breaks_and_is_mended(site: Site, stub: CollectorStub) -> None:
    site.apply()
    site.wait_children()
    site.run_collector(stub)
    site.wait_condition("Ready", "True", "Testing")
    denied = build_check("QueueReachable", "False", "AccessDenied", "sqs:ReceiveMessage: not authorized")
    for _ in range(2):
        stub.report = build_report(site.config_hash(), checks=[denied])
        site.wait_condition("Stalled", "True", "AccessDenied")
        assert site.condition("Ready")["status"] == "False"
        stub.report = build_report(site.config_hash())
        site.wait_condition("Ready", "True", "Testing")
        assert site.condition("Stalled")["status"] == "absent"


def test_deleted_status_comes_back_the_same(site: Site, stub: CollectorStub) -> None:
    """ST-15: with figures and conditions that only a collector can tell."""
    site.apply()
    site.wait_children()
    figures = {"events": {"read": 10, "emitted": 10}, "lagSeconds": 250, "lastEventTime": "2026-01-02T03:04:05Z"}
    site.run_collector(stub, **figures)
    site.wait_condition("Ready", "True", "Testing")
    wait_until(lambda: "events" in site.source()["status"], "there are figures")
    before = site.source()["status"]
    site.kubectl(
        "patch", f"cts/{NAME}", "--subresource=status", "--type=json", "-p", '[{"op":"remove","path":"/status"}]'
    )
    wait_until(lambda: _without_times(site.source()["status"]) == _without_times(before), "the status is the same")


def _without_times(status: Manifest) -> Manifest:
    conditions = (
        [{name: value for name, value in item.items() if name != "lastTransitionTime"} for item in status["conditions"]]
        if "conditions" in status
        else []
    )
    return status | {"conditions": conditions}


class Interrupted:
    """An operator behind a proxy that kills it at a given write."""

    def __init__(self, server: ApiServer, namespace: str, directory: Path, proxy: ApiProxy) -> None:
        operator = OperatorProcess(server, directory, [namespace], server_url=proxy.url)
        operator.install()
        self.proxy, self.site = proxy, Site(server, namespace, operator)
        self.deaths = 0

    def arm(self, arm: Callable[[int, Callable[[Seen], None]], None], number: int) -> None:
        """Kill the operator at the n-th write from now."""
        self.deaths = 0
        arm(number, self._kill)

    def converge(self, spec: Manifest, name: str) -> None:
        """Apply a spec; raise the operator again whenever it dies; wait until nothing is left to do, and nothing is done."""
        _apply_spec(self.site, spec, name)
        wait_until(lambda: not self._revive() and self._rests(spec, name), f"{name} is as it should be", 120)

    def _kill(self, _seen: Seen) -> None:
        assert self.site.operator.process is not None
        self.deaths += 1
        os.kill(self.site.operator.process.pid, signal.SIGKILL)

    def _revive(self) -> bool:
        """Start the operator again if it is dead; say whether it was."""
        process = self.site.operator.process
        if process is not None and process.exit_code is None:
            return False
        self.site.operator.stop()
        # A moment that takes the seconds after which the dead one's lease runs out.
        self.site.server.kubectl("delete", "lease", "-n", OPERATOR_NAMESPACE, "--all")
        self.site.operator.start()
        return True

    def _rests(self, spec: Manifest, name: str) -> bool:
        """Say whether the children are complete, the status tells so, and nothing more is written for a while."""
        writes = self.proxy.count_writes()
        wanted = Counter(["Deployment", "Service", "ServiceAccount", "ConfigMap", "ConfigMap"])
        if spec["mode"] != "Paused":
            wanted["PodDisruptionBudget"] = 1
        if Counter(child["kind"] for child in _list_children(self.site, name)) != wanted:
            return False
        if not _is_seen(self.site, name) or _reason(self.site, name) not in ("Paused", "RollingOut"):
            return False
        time.sleep(QUIET_SECONDS)  # the time itself is what is looked at
        return self.proxy.count_writes() == writes


def _list_children(site: Site, name: str) -> list[Manifest]:
    """List a source's children of all kinds at once, in the order of CHILDREN."""
    return site.list(",".join(CHILDREN), f"{OURS},cloudtrail-operator.io/source={name}")


def _reason(site: Site, name: str) -> str | None:
    conditions = site.get(f"cts/{name}") or {}
    return next(
        (item["reason"] for item in dig(conditions, "status.conditions") or [] if item["type"] == "Ready"), None
    )


def _describe_end(site: Site, name: str) -> str:
    """Describe a source's children and conditions, without what differs from source to source."""
    described: list[Any] = [
        {part: item.get(part) for part in ("spec", "data")} | {"name": item["metadata"]["name"]}
        for item in _list_children(site, name)
    ]
    conditions = (site.get(f"cts/{name}") or {})["status"]["conditions"]
    described += [[item["type"], item["status"], item["reason"], item["message"]] for item in conditions]
    for manifest in described:
        if isinstance(manifest, dict) and manifest["spec"]:
            for own in ("clusterIP", "clusterIPs"):
                manifest["spec"].pop(own, None)
            template = manifest["spec"].get("template")
            if template:
                template["metadata"]["annotations"].pop("cloudtrail-operator.io/template-hash")
    return json.dumps(described, sort_keys=True).replace(name, "<name>")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("when", ["before", "after"])
def test_operator_killed_at_every_write_ends_in_the_same_state(
    server: ApiServer, namespace: str, tmp_path: Path, when: str
) -> None:
    """The n-th write is lost before it reaches the API server, or its answer is; the operator is killed; for every n."""
    created, edited = build_spec(collector={"replicas": 2}), build_spec(mode="Paused", collector={"replicas": 2})
    ends: dict[str, str] = {}
    with ApiProxy(server) as proxy:
        interrupted = Interrupted(server, namespace, tmp_path, proxy)
        site = interrupted.site
        site.operator.start()
        try:
            for number in range(1, 100):
                name = f"s-{number:02}"
                interrupted.arm(proxy.before_write if when == "before" else proxy.after_write, number)
                interrupted.converge(created, name)
                interrupted.converge(edited, name)
                proxy.heal()
                ends[name] = _describe_end(site, name)
                if not interrupted.deaths:
                    break
                site.kubectl("delete", f"cts/{name}")
        finally:
            site.operator.stop()
    assert len(ends) > 8  # children, statuses and Events of a creation and of an edit
    assert len(set(ends.values())) == 1


@pytest.mark.parametrize("is_running", [True, False], ids=["operator running", "operator absent"])
def test_namespace_can_be_deleted(server: ApiServer, namespace: str, tmp_path: Path, is_running: bool) -> None:
    """T-60: nothing holds the namespace up, and a running operator makes nothing anew in it."""
    operator = OperatorProcess(server, tmp_path, [])
    operator.install()
    operator.start()
    site = Site(server, namespace, operator)
    try:
        site.apply(collector={"replicas": 2})
        site.wait_children()
        if not is_running:
            operator.stop()
        server.kubectl("delete", "namespace", namespace, "--wait=false")
        wait_until(lambda: not server.kubectl("get", "ns", namespace, "--ignore-not-found").stdout, "it is gone", 60)
        if is_running:
            server.kubectl("create", "namespace", f"{namespace}-2")
            other = Site(server, f"{namespace}-2", operator)
            other.apply()
            other.wait_children()  # it is at work as before
            server.kubectl("delete", "namespace", other.namespace, "--wait=false")
    finally:
        operator.stop()


def test_source_made_anew_under_its_name_waits_for_the_old_children(site: Site) -> None:
    """The old Deployment is held by somebody's finalizer: it is neither taken over nor forgotten."""
    site.apply()
    site.wait_children()
    old = site.source()["metadata"]["uid"]
    hold = '{"metadata":{"finalizers":["example.com/hold"]}}'
    site.kubectl("patch", f"deployment/{WORKLOAD}", "--type=merge", "-p", hold)
    site.kubectl("delete", f"cts/{NAME}")
    site.apply(prefix="second/")
    assert site.source()["metadata"]["uid"] != old
    wait_until(lambda: "being deleted" in site.condition("Ready")["message"], "it is told")
    site.kubectl("patch", f"deployment/{WORKLOAD}", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    site.wait_condition("Ready", "False", "RollingOut", 60)
    wait_until(lambda: _owners(site) == {site.source()["metadata"]["uid"]}, "all children are the new source's", 60)
    assert dig(_read_config(site), "prefix") == "second/"


def _owners(site: Site) -> set[str]:
    return {item["metadata"]["ownerReferences"][0]["uid"] for kind in CHILDREN for item in site.list(kind)}


def test_crd_upgrade_keeps_sources_and_their_statuses(server: ApiServer, namespace: str, tmp_path: Path) -> None:
    """T-64: a source made under an older CRD, with children and a status, stays what it is under today's."""
    operator = OperatorProcess(server, tmp_path, [namespace])
    operator.install()
    site = Site(server, namespace, operator)
    try:
        server.kubectl("replace", "-f", str(OLDER_CRD))
        wait_until(lambda: not _knows_all_fields(server), "the API server uses the older schema")
        operator.start()
        site.apply(mode="Paused")
        before = site.wait_condition("Ready", "True", "Paused")
        deployment = site.get(f"deployment/{WORKLOAD}")
        operator.install()
        wait_until(lambda: _knows_all_fields(server), "the API server uses today's schema")
        operator.stop()
        operator.start()
        looks = operator.count_looks()
        site.kubectl("annotate", f"cts/{NAME}", "cloudtrail-operator.io/reconcile-requested-at=now")
        wait_until(lambda: site.source()["status"].get("lastHandledReconcileAt") == "now", "it has been looked at")
        assert operator.count_looks() > looks
        assert site.condition("Ready") == before
        assert site.get(f"deployment/{WORKLOAD}") == deployment
        site.apply(mode="Paused", raw={"jsonStrings": True})
        wait_until(lambda: dig(_read_config(site), "raw.jsonStrings"), "fields of today's CRD work")
    finally:
        operator.stop()
        operator.install()


def _knows_all_fields(server: ApiServer) -> bool:
    """Say whether the API server takes a field that the older CRD does not have."""
    source = json.dumps(build_source("probe", "default", raw={"metadata": True}))
    tried = server.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", input=source, check=False)
    return tried.returncode == 0


@pytest.mark.timeout(120)
def test_configuration_that_no_config_map_can_hold_is_refused_in_words(site: Site) -> None:
    """T-58."""
    site.apply(mode="Paused")
    site.wait_condition("Ready", "True", "Paused")
    before = site.config_hash()
    values = [f"{number:04}" + "x" * 240 for number in range(60)]
    rules = [
        {
            "name": f"rule-{number}",
            "action": "Drop",
            "fieldSelectors": [{"field": f"requestParameters.f{field}", "equals": values} for field in range(8)],
        }
        for number in range(10)
    ]
    site.apply(mode="Paused", filters=rules)
    message = site.wait_condition("Stalled", "True", "InvalidSpec")["message"]
    assert "1,048,576" in message
    assert site.config_hash() == before
    site.apply(mode="Paused")
    site.wait_condition("Ready", "True", "Paused")
