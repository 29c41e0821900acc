"""`kubectl cloudtrail …` through the API server: real kubectl, operator and collector; AWS is moto."""

import json
import re
import secrets
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.plugin import modes
from cloudtrail_operator.plugin.errors import ChangedError
from cloudtrail_operator.plugin.kubectl import Kubectl
from cloudtrail_operator.plugin.views import view_source
from localcluster.aws import AwsEndpoint, running_aws
from localcluster.cluster import LocalCluster
from localcluster.corpus import generate_log_files
from localcluster.process import free_port
from localcluster.trail import Trail, create_trail, wait_until
from support.backfills import build_backfill
from support.plugin_shell import PluginShell
from support.pod_server import Answer, find_reachable_address, place_pod, serving
from support.sources import build_source

# A real API server connects to no pod on loopback.
REACHABLE = {"cloudtrail-operator.io/reachable": "true"}
SELECTOR = {"app.kubernetes.io/name": "cloudtrail-collector", "cloudtrail-operator.io/source": "org-trail"}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    with running_aws("moto", tmp_path_factory.mktemp("aws")) as endpoint:
        yield endpoint


@pytest.fixture
def shell(operator: LocalCluster, tmp_path: Path) -> PluginShell:
    return PluginShell(tmp_path, operator.kubeconfig)


def _apply(cluster: LocalCluster, namespace: str, name: str = "org-trail", **changes: Any) -> None:
    """Apply a source that stays paused: what the plugin does to it needs no collector."""
    labels = changes.pop("labels", {})
    source = build_source(name, namespace, **{"mode": "Paused"} | changes)
    source["metadata"]["labels"] = labels
    cluster.apply(source)


def _read_mode(cluster: LocalCluster, namespace: str, name: str = "org-trail") -> str:
    return str(cluster.get(f"cts/{name}", namespace=namespace)["spec"]["mode"])


def test_source_is_activated_watched_sampled_and_paused(
    operator: LocalCluster, aws: AwsEndpoint, namespace: str, shell: PluginShell
) -> None:
    trail = create_trail(operator, aws, namespace=namespace, name="trail", storage_name=namespace)
    mask = [{"name": "addresses", "field": "sourceIPAddress", "replacement": "hidden"}]
    trail.apply("Paused", mask=mask, collector={"annotations": REACHABLE, "terminationGracePeriodSeconds": 5})
    here = f"--namespace={namespace}"
    said = shell.refused("sample", "trail", here)
    assert said == f"{namespace}/trail is paused: no collector runs. `kubectl cloudtrail test trail` starts them\n"

    said = shell.ok("activate", "trail", here, "--wait", "--timeout", "60s")
    assert said.splitlines() == [
        f"{namespace}/trail: Paused → Active: events are delivered; messages are deleted when their events are accepted",
        f"{namespace}/trail: ready, Collecting",
    ]
    assert shell.ok("activate", "trail", here) == f"{namespace}/trail: is in mode Active already\n"

    files = list(generate_log_files(3, seed=41, events_per_file=5))
    trail.upload(files)
    wait_until("every event to be delivered", lambda: len(trail.read_events()) == sum(len(f.event_ids) for f in files))
    _check_samples(shell, here, trail)
    wait_until("the status to tell of it", lambda: trail.read_emitted() == len(trail.read_events()))
    _check_status(shell, here, trail)
    _check_events(shell, here, trail)

    said = shell.ok("pause", "trail", here, "--wait", "--timeout=60s")
    assert said.splitlines()[-1] == f"{namespace}/trail: ready, Paused"


def _check_samples(shell: PluginShell, here: str, trail: Trail) -> None:
    delivered = {event["eventID"]: event for event in trail.read_events()}
    records = [json.loads(line) for line in shell.ok("sample", "trail", here, "--count", "7").splitlines()]
    assert len(records) == 7
    assert all(delivered[record["eventID"]] == record for record in records), "samples are as they were delivered"
    assert {record["sourceIPAddress"] for record in records} == {"hidden"}
    times = [record["eventTime"] for record in records]
    assert times == sorted(event["eventTime"] for event in delivered.values())[-7:]
    table = shell.ok("sample", "trail", here, "-o", "table").splitlines()
    assert table[0].split() == ["TIME", "EVENT", "BY", "FROM", "REGION", "ERROR"]
    assert len(table) == 11
    assert "hidden" in table[1]


def _check_status(shell: PluginShell, here: str, trail: Trail) -> None:
    (pod,) = trail.list_pod_names()
    page = shell.ok("status", "trail", here)
    assert "Ready       True, Collecting\n" in page
    assert "ok BucketReadable True, Succeeded" in page
    assert f"  {pod}  yes    Running  0         local" in page
    count = len(trail.read_events())
    assert f"events    {count} read, {count} delivered, {count} masked" in page
    document = json.loads(shell.ok("status", "trail", here, "-o", "json"))
    assert (document["ready"], document["mode"], document["events"]["emitted"]) == ("True", "Active", count)
    assert [item["name"] for item in document["pods"]] == [pod]
    assert document["problems"] == []
    rows = [line.split() for line in shell.ok("status", "-A").splitlines()]
    assert [trail.namespace, "trail", "Active", "True,", "Collecting", "1/1"] in [row[:6] for row in rows]


def _check_events(shell: PluginShell, here: str, trail: Trail) -> None:
    (pod,) = trail.list_pod_names()
    regarding = {"apiVersion": "v1", "kind": "Pod", "name": pod, "namespace": trail.namespace}
    metadata = {"name": f"{pod}.1", "namespace": trail.namespace}
    event = {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": regarding}
    trail.cluster.apply(event | {"type": "Normal", "reason": "Pulled", "message": "as a kubelet would say"})
    wait_until("the operator to tell of the mode", lambda: "ModeActive" in shell.ok("events", "trail", here))
    told = json.loads(shell.ok("events", "trail", here, "-o", "json"))
    places = {(event["object"], event["reason"]) for event in told}
    assert {("CloudTrailSource/trail", "ModeActive"), (f"Pod/{pod}", "Pulled")} <= places
    assert [event["time"] for event in told] == sorted(event["time"] for event in told)
    assert "as a kubelet would say" in shell.ok("status", "trail", here)


def _serve(records: list[dict[str, Any]]) -> Answer:
    """Answer GET /samples as a collector does, and nothing else."""

    def answer(target: str, _headers: Mapping[str, str]) -> tuple[int, str]:
        path, _, limit = target.partition("?limit=")
        lines = [json.dumps(record) for record in records][-int(limit or 100) :]
        return (200, "".join(f"{line}\n" for line in lines)) if path == "/samples" else (404, "")

    return answer


def test_samples_of_several_pods_are_merged_and_a_silent_pod_is_named(
    operator: LocalCluster, namespace: str, shell: PluginShell
) -> None:
    here, address = f"--namespace={namespace}", find_reachable_address()
    _apply(operator, namespace)

    def place(name: str, port: int) -> None:
        place_pod(operator.api_server, namespace, name, address, port, SELECTOR)

    first, second = (
        [{"eventTime": f"2026-11-21T10:00:{n:02}Z", "eventID": n} for n in range(m, 40, 2)] for m in (0, 1)
    )
    with serving(address, _serve(first)) as one, serving(address, _serve(second)) as other:
        place("one", one)
        place("other", other)
        lines = shell.ok("sample", "org-trail", here).splitlines()
        assert [json.loads(line)["eventID"] for line in lines] == list(range(30, 40))
        _check_following(shell, here, second)
    with serving(address, _serve(first)) as third:
        place("third", third)
        result = shell.run("sample", "org-trail", here, "-c", "2")
    assert result.returncode == 1
    assert [json.loads(line)["eventID"] for line in result.stdout.splitlines()] == [36, 38]
    assert sorted(line.split(":")[0] for line in result.stderr.splitlines()) == ["one", "other"]
    assert "error trying to reach service" in result.stderr


def _check_following(shell: PluginShell, here: str, served: list[dict[str, Any]]) -> None:
    """What comes is printed, once, until Ctrl-C."""
    with shell.running("sample", "org-trail", here, "--follow", "-c", "1") as (process, output):
        wait_until("the newest to be printed", lambda: output.read_text().splitlines() == [json.dumps(served[-1])])
        served.append({"eventTime": "2026-11-21T10:01:00Z", "eventID": 99})
        wait_until("what is new to be printed", lambda: json.dumps(served[-1]) in output.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert [json.loads(line)["eventID"] for line in output.read_text().splitlines()] == [39, 99]


def test_watched_status_is_shown_again_and_again(operator: LocalCluster, namespace: str, shell: PluginShell) -> None:
    _apply(operator, namespace)
    with shell.running("status", "org-trail", "-n", namespace, "-w") as (process, output):
        wait_until("a page", lambda: "Mode        Paused" in output.read_text())
        _apply(operator, namespace, mode="Test")
        wait_until("a page with the change", lambda: "Mode        Test" in output.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130


def test_change_is_made_only_to_what_was_seen(
    operator: LocalCluster, namespace: str, shell: PluginShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else changes the mode between reading and writing: their value is looked at before it is replaced."""
    _apply(operator, namespace)
    for name, value in shell.environment.items():
        monkeypatch.setenv(name, value)
    stale = operator.get("cts/org-trail", namespace=namespace)
    operator.kubectl("patch", "cts/org-trail", "-n", namespace, "--type=merge", "-p", '{"spec":{"mode":"Test"}}')
    kubectl = Kubectl()
    with pytest.raises(ChangedError):
        modes._patch(kubectl, view_source(stale), "Active", dry_run=False)
    assert _read_mode(operator, namespace) == "Test"
    modes._change(kubectl, stale, "Active", dry_run=False)
    assert _read_mode(operator, namespace) == "Active"


def test_modes_of_many_sources_are_set_at_once(operator: LocalCluster, namespace: str, shell: PluginShell) -> None:
    here = f"--namespace={namespace}"
    for name, team in (("a", "red"), ("b", "red"), ("c", "blue")):
        _apply(operator, namespace, name, mode="Test", labels={"team": team})
    before = operator.get("cts/a", namespace=namespace)["metadata"]["generation"]
    said = shell.ok("pause", "--all", here, "--dry-run")
    assert said.count("(dry run: nothing was changed)") == 3
    assert operator.get("cts/a", namespace=namespace)["metadata"]["generation"] == before
    assert [line.split(":")[0] for line in shell.ok("pause", "-l", "team=red", here).splitlines()] == [
        f"{namespace}/a", f"{namespace}/b",
    ]  # fmt: skip
    assert [_read_mode(operator, namespace, name) for name in "abc"] == ["Paused", "Paused", "Test"]
    said = shell.ok("pause", "--all", here)
    assert f"{namespace}/a: is in mode Paused already" in said
    assert _read_mode(operator, namespace, "c") == "Paused"
    said = shell.refused("test", "a", "nobody", here, code=2)
    assert said == f"there is no source nobody in namespace {namespace}\n"
    assert _read_mode(operator, namespace, "a") == "Paused", "a misspelt name changes nothing"
    assert "one of the three" in shell.refused("pause", here, code=2)
    assert "no source matches team=green" in shell.refused("pause", "-l", "team=green", here, code=2)
    managers = operator.kubectl("get", "cts/a", "-n", namespace, "--show-managed-fields", "-o", "json").stdout
    assert "kubectl-cloudtrail" in {item["manager"] for item in json.loads(managers)["metadata"]["managedFields"]}


def test_gitops_tool_that_will_undo_a_change_is_named(
    operator: LocalCluster, namespace: str, shell: PluginShell
) -> None:
    marks = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    _apply(operator, namespace, mode="Test", labels=marks)
    result = shell.run("pause", "org-trail", "-n", namespace)
    assert result.returncode == 0
    assert result.stderr == (
        f"warning: {namespace}/org-trail is managed by Flux (Kustomization flux-system/apps), which sets what Git says at"
        " its next sync: change spec.mode in Git, too\n"
    )


def test_mistakes_are_explained(operator: LocalCluster, namespace: str, shell: PluginShell, tmp_path: Path) -> None:
    name = f"trail-of-{namespace}"  # other tests may leave sources with usual names behind
    _apply(operator, namespace, name)
    said = shell.refused("status", f"{name}x", "-n", namespace, code=2)
    assert said == f"there is no source {name}x in namespace {namespace}; did you mean {name} (-n {namespace})?\n"
    said = shell.refused("status", name, "-n", "default", code=2)
    assert (
        said
        == f"there is no source {name} in namespace default; there is one in namespace {namespace} (-n {namespace})\n"
    )
    said = shell.refused("status", "--context=prod", code=2)
    contexts = yaml.safe_load(operator.kubeconfig.read_text(encoding="utf-8"))["contexts"]
    assert said == f"the kubeconfig has no context prod; there are: {contexts[0]['name']}\n"
    assert shell.run("status", "-n", "default").stderr == "no sources in this namespace (-A shows all)\n"
    nowhere, port = tmp_path / "nowhere", free_port()
    nowhere.write_text(
        yaml.safe_dump(_build_kubeconfig("nowhere", {"server": f"https://127.0.0.1:{port}"}, {"token": "x"}))
    )
    said = shell.refused("status", "--kubeconfig", str(nowhere))
    assert said.startswith(f"no cluster answers: The connection to the server 127.0.0.1:{port} was refused")
    assert len(said.splitlines()) == 1


def _build_kubeconfig(name: str, cluster: dict[str, Any], user: dict[str, Any], **context: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **context}}],
        "current-context": name,
    }


@pytest.fixture
def reader(operator: LocalCluster, namespace: str, tmp_path: Path) -> Path:
    """A kubeconfig of somebody who may read sources of the namespace, and nothing else."""
    name = f"reader-{secrets.token_hex(4)}"
    rule = {"apiGroups": ["cloudtrail-operator.io"], "resources": ["cloudtrailsources"], "verbs": ["get", "list"]}
    operator.kubectl("create", "serviceaccount", name, "-n", namespace)
    operator.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": name, "namespace": namespace},
            "rules": [rule],
        }
    )
    subject = f"--serviceaccount={namespace}:{name}"
    operator.kubectl("create", "rolebinding", name, "-n", namespace, f"--role={name}", subject)
    token = operator.kubectl("create", "token", name, "-n", namespace).stdout.strip()
    admin = yaml.safe_load(operator.kubeconfig.read_text(encoding="utf-8"))
    path = tmp_path / "reader.kubeconfig"
    document = _build_kubeconfig("reader", admin["clusters"][0]["cluster"], {"token": token}, namespace=namespace)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_missing_permission_is_named_and_the_rest_is_shown(
    operator: LocalCluster, namespace: str, shell: PluginShell, reader: Path
) -> None:
    """The context's own namespace is used; the reader's kubeconfig is one of two in KUBECONFIG."""
    _apply(operator, namespace, mode="Test")
    shell.kubeconfig = f"{operator.kubeconfig}:{reader}"
    page = shell.ok("status", "org-trail", "--context", "reader")
    assert f"Source      {namespace}/org-trail\n" in page
    assert "may not list pods in namespace" in page
    assert "may not list events in namespace" in page
    assert "may not list cloudtrailbackfills (cloudtrail-operator.io)" in " ".join(page.split())
    said = shell.refused("sample", "org-trail", "--context=reader")
    assert f"may not list pods in namespace {namespace}: ask for a Role with the verb list on pods" in said
    said = shell.refused("pause", "org-trail", "--context=reader")
    assert "may not patch cloudtrailsources (cloudtrail-operator.io)" in said
    assert _read_mode(operator, namespace) == "Test"
    said = shell.refused("status", "-A", "--context=reader")
    assert "may not list cloudtrailsources (cloudtrail-operator.io) in all namespaces" in said


def test_page_of_a_source_has_its_backfills(operator: LocalCluster, namespace: str, shell: PluginShell) -> None:
    _apply(operator, namespace)
    assert "Backfills" not in shell.ok("status", "org-trail", "-n", namespace)
    operator.apply(build_backfill("incident-42", namespace, interval="2d", suspend=True))
    operator.kubectl("wait", "ctb/incident-42", "-n", namespace, "--for=condition=Suspended", "--timeout=60s")
    page = shell.ok("status", "org-trail", "-n", namespace)
    assert re.search(r"\n\nBackfills\n  BACKFILL .*\n  incident-42  2d +True, Suspended ", page)


def test_aws_commands_take_the_source_from_the_cluster_or_from_a_file(
    operator: LocalCluster, namespace: str, shell: PluginShell, tmp_path: Path
) -> None:
    _apply(operator, namespace)
    path = tmp_path / "source.yaml"
    path.write_text(yaml.safe_dump(build_source("org-trail", namespace)), encoding="utf-8")
    issuer = "https://oidc.example.com/id/1"
    for words in (["policy", "--mode=Test"], ["trust", "--issuer", issuer]):
        command, *options = words
        printed = shell.ok(command, "org-trail", *options, "-n", namespace)
        assert printed == shell.ok(command, "-f", str(path), *options)
        assert json.loads(printed)["Version"] == "2012-10-17"
    assert f"{namespace}:org-trail-collector" in printed
    assert "there is no source nobody" in shell.refused("policy", "nobody", "-n", namespace, code=2)
    usage = shell.refused("policy", code=2)
    assert usage.startswith("usage: kubectl cloudtrail policy ")
    assert "required: -f/--file" in usage


def test_kubectl_completes_commands_and_names(operator: LocalCluster, namespace: str, shell: PluginShell) -> None:
    for name in ("org-trail", "other"):
        _apply(operator, namespace, name)

    def complete(*words: str) -> list[str]:
        return [line for line in shell.kubectl("__complete", "cloudtrail", *words).stdout.splitlines() if line]

    assert complete("s")[:-1] == ["status", "sample"]
    assert complete("sample", "-n", namespace, "o")[:-1] == ["org-trail", "other"]
    assert complete("pause", "-n", namespace, "other", "")[:-1] == ["org-trail"]
    assert complete("sample", "other", "-n", namespace, "")[:-1] == []
