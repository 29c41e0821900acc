"""What clients may rely on, asserted literally: the real API server and the embedded one are held to the same words."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.conformance.harness import (
    DATA,
    GROUP,
    Cluster,
    claims_of,
    config_map,
    deployment,
    listed,
    make_ready,
    pod,
    pods_of,
    poll,
    watch_events,
    widget,
)
from localcluster.apiserver import ApiServer

NOT_CHECKED = "some validation rules were not checked because the object was invalid"


@pytest.fixture(scope="module")
def widgets(api_server: ApiServer) -> Iterator[ApiServer]:
    api_server.kubectl("apply", "-f", str(DATA / "widgets.yaml"))
    api_server.wait_kind("widgets", GROUP)
    yield api_server
    api_server.kubectl("delete", "crd", f"widgets.{GROUP}", "--ignore-not-found")


@pytest.fixture
def cluster(widgets: ApiServer, namespace: str) -> Cluster:
    return Cluster(widgets, namespace)


REFUSED_SPECS = [
    ({"size": "abc"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"', True),
    ({"size": 200}, "spec.size: Invalid value: 200: spec.size in body should be less than or equal to 100", False),
    ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1", False),
    ({"size": ...}, "spec.size: Required value", True),
    ({"color": "green"}, 'spec.color: Unsupported value: "green": supported values: "red", "blue", "none"', True),
    ({"size": 9, "limit": 7}, "spec: Invalid value: size must not exceed limit", False),
    ({"color": "none"}, "spec: Invalid value: failed rule: self.color != 'none'", False),
    ({"name": "A1"}, "spec.name: Invalid value: \"A1\": spec.name in body should match '^[a-z]+$'", False),
    ({"name": "a"}, 'spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long', False),
    ({"name": "abcdefg"}, "spec.name: Too long: may not be more than 5 bytes", True),
    ({"tags": ["a", "a"]}, 'spec.tags[1]: Duplicate value: "a"', False),
    ({"tags": []}, "spec.tags: Invalid value: 0: spec.tags in body should have at least 1 items", False),
    ({"tags": ["a", "b", "c", "d"]}, "spec.tags: Too many: 4: must have at most 3 items", True),
    ({"sinks": [{"name": "a"}, {"name": "a"}]}, 'spec.sinks[1]: Duplicate value: {"name":"a"}', False),
    ({"sinks": [{"name": "a", "out": {}}]}, "spec.sinks[0].out in body should have at least 1 properties", False),
    (
        {"sinks": [{"name": "a", "out": {"a": "", "b": ""}}]},
        "spec.sinks[0].out: Too many: 2: must have at most 1 item",
        True,
    ),
    ({"sinks": [{"url": "http://x"}]}, "spec.sinks[0].name: Required value", True),
    ({"ratio": 1}, "spec.ratio: Invalid value: 1: spec.ratio in body should be less than 1", False),
    ({"labels": {"a": "", "b": "", "c": ""}}, "spec.labels: Too many: 3: must have at most 2 items", True),
    ({"port": [1]}, "spec.port in body must be of type integer,string", True),
]


@pytest.mark.parametrize(("spec", "message", "blocks_rules"), REFUSED_SPECS, ids=lambda value: str(value)[:40])
def test_schema_violation_names_the_field_and_the_rule(
    cluster: Cluster, spec: dict[str, Any], message: str, blocks_rules: bool
) -> None:
    body = widget(**spec)
    body["spec"] = {key: value for key, value in body["spec"].items() if value is not ...}
    refusal = cluster.refused("create", "-f", "-", stdin=json.dumps(body))
    assert 'The Widget "w" is invalid' in refusal
    assert message in refusal
    assert (NOT_CHECKED in refusal) == blocks_rules


def test_name_that_the_schema_restricts_is_refused(cluster: Cluster) -> None:
    refusal = cluster.refused("create", "-f", "-", stdin=json.dumps(widget("a" * 21)))
    assert "metadata.name: Too long: may not be more than 20 bytes" in refusal


def test_defaults_pruning_and_strictness(cluster: Cluster) -> None:
    body = json.dumps(widget(unknown=1, free={"anything": [1]}, sinks=[{"name": "a", "bad": 1}]))
    strict = cluster.refused("create", "-f", "-", stdin=body)
    assert 'strict decoding error: unknown field "spec.sinks[0].bad", unknown field "spec.unknown"' in strict
    warned = cluster.run("create", "--validate=warn", "-f", "-", stdin=body)
    assert warned.returncode == 0
    assert 'Warning: unknown field "spec.unknown"' in warned.stderr
    made = cluster.get("widget", "w")
    assert made["spec"] == {"size": 1, "color": "red", "free": {"anything": [1]}, "sinks": [{"name": "a"}]}
    assert made["status"] == {"observedGeneration": -1}
    assert made["metadata"]["generation"] == 1


def test_transition_rule_compares_with_the_stored_object(cluster: Cluster) -> None:
    cluster.apply(widget(bucket="one"))
    refusal = cluster.refused("patch", "widget", "w", "--type=merge", "-p", '{"spec":{"bucket":"two"}}')
    assert 'spec.bucket: Invalid value: "two": bucket is immutable' in refusal
    assert "patched" in cluster.ok("patch", "widget", "w", "--type=merge", "-p", '{"spec":{"size":2}}')


def test_status_and_spec_do_not_write_each_other(cluster: Cluster) -> None:
    cluster.apply(widget())
    cluster.ok("patch", "widget", "w", "--type=merge", "-p", '{"status":{"phase":"Main"}}')
    assert "phase" not in cluster.get("widget", "w")["status"]
    both = '{"status":{"phase":"Sub"},"spec":{"size":50}}'
    cluster.ok("patch", "widget", "w", "--subresource=status", "--type=merge", "-p", both)
    after = cluster.get("widget", "w")
    assert after["status"]["phase"] == "Sub"
    assert after["spec"]["size"] == 1
    assert after["metadata"]["generation"] == 1
    cluster.ok("label", "widget", "w", "a=b")
    assert cluster.get("widget", "w")["metadata"]["generation"] == 1
    cluster.ok("patch", "widget", "w", "--type=json", "-p", '[{"op":"replace","path":"/spec/size","value":3}]')
    assert cluster.get("widget", "w")["metadata"]["generation"] == 2


def test_write_that_changes_nothing_keeps_the_version(cluster: Cluster) -> None:
    cluster.apply(widget())
    assert "unchanged" in cluster.apply(widget())
    cluster.ssa(widget(), "m")
    before = cluster.get("widget", "w")["metadata"]["resourceVersion"]
    assert "no change" in cluster.ok("patch", "widget", "w", "--type=merge", "-p", '{"spec":{"size":1}}')
    assert cluster.ssa(widget(), "m").returncode == 0
    assert cluster.get("widget", "w")["metadata"]["resourceVersion"] == before


def test_crds_take_strategic_patches_and_custom_resources_do_not(cluster: Cluster) -> None:
    """Helm 3 upgrades CRDs so."""
    before = cluster.get("crd", f"widgets.{GROUP}")
    label = cluster.namespace
    patch = {
        "metadata": {"labels": {label: "x"}},
        "spec": {"names": {"shortNames": before["spec"]["names"]["shortNames"]}},
    }
    cluster.ok("patch", "crd", f"widgets.{GROUP}", "--type=strategic", "-p", json.dumps(patch))
    after = cluster.get("crd", f"widgets.{GROUP}")
    assert after["metadata"]["labels"][label] == "x"
    assert after["spec"] == before["spec"]
    cluster.apply(widget("w"))
    refusal = cluster.refused("patch", "widget", "w", "--type=strategic", "-p", '{"spec":{"size":2}}')
    assert "application/strategic-merge-patch+json is not supported" in refusal or "unknown format" in refusal


def test_stale_version_is_a_conflict(cluster: Cluster) -> None:
    cluster.apply(widget())
    old = cluster.get("widget", "w")
    cluster.ok("label", "widget", "w", "a=b")
    refusal = cluster.refused("replace", "-f", "-", stdin=json.dumps(old))
    wanted = f'Operation cannot be fulfilled on widgets.{GROUP} "w": the object has been modified'
    assert wanted in refusal
    operations = [{"op": "test", "path": "/metadata/resourceVersion", "value": old["metadata"]["resourceVersion"]}]
    patch = json.dumps([*operations, {"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}])
    assert "error in our request" in cluster.refused("patch", "widget", "w", "--type=json", "-p", patch)


def test_missing_namespace_name_and_kind(cluster: Cluster) -> None:
    body = json.dumps({**config_map("c"), "metadata": {"name": "c", "namespace": "no-such-namespace"}})
    refusal = cluster.server.kubectl("create", "-f", "-", input=body, check=False).stderr
    assert 'namespaces "no-such-namespace" not found' in refusal
    assert 'configmaps "nope" not found' in cluster.refused("get", "cm", "nope")
    assert "ensure CRDs are installed first" in cluster.refused(
        "apply", "-f", "-", stdin=json.dumps({**widget(), "apiVersion": "nowhere.example.com/v1"})
    )
    cluster.apply(config_map("c"))
    assert 'configmaps "c" already exists' in cluster.refused("create", "-f", "-", stdin=json.dumps(config_map("c")))
    assert "a lowercase RFC 1123 subdomain" in cluster.refused(
        "create", "-f", "-", stdin=json.dumps(config_map("No_Way"))
    )


def test_generated_names_and_pages(cluster: Cluster) -> None:
    for _ in range(3):
        body = {**config_map("x"), "metadata": {"generateName": "gen-", "labels": {"made": "here"}}}
        assert cluster.ok("create", "-f", "-", stdin=json.dumps(body)).startswith("configmap/gen-")
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps?labelSelector=made%3Dhere&limit=2"
    first = json.loads(cluster.raw(path))
    second = json.loads(cluster.raw(f"{path}&continue={first['metadata']['continue']}"))
    assert [len(first["items"]), len(second["items"])] == [2, 1]
    assert not second["metadata"].get("continue")


SELECTIONS = [
    (["-l", "tier=front"], {"a"}),
    (["-l", "tier!=front"], {"b", "c"}),
    (["-l", "tier in (front, back)"], {"a", "b"}),
    (["-l", "tier notin (front)"], {"b", "c"}),
    (["-l", "tier"], {"a", "b"}),
    (["-l", "!tier"], {"c"}),
    (["-l", "tier,extra=1"], {"b"}),
    (["--field-selector", "metadata.name=b"], {"b"}),
    (["--field-selector", "metadata.name!=b"], {"a", "c"}),
    (["--field-selector", "spec.color=blue"], {"c"}),
]


def test_label_and_field_selectors(cluster: Cluster) -> None:
    labels: dict[str, dict[str, str]] = {"a": {"tier": "front"}, "b": {"tier": "back", "extra": "1"}, "c": {}}
    bodies = [widget(name, color="blue" if name == "c" else "red") for name in labels]
    for body in bodies:
        body["metadata"]["labels"] = labels[body["metadata"]["name"]]
    cluster.apply(*bodies)
    for args, names in SELECTIONS:
        found = cluster.ok("get", "widgets", "-o", "name", *args).split()
        assert {name.partition("/")[2] for name in found} == names, args
    refusal = cluster.refused("get", "widgets", "--field-selector", "spec.size=1")
    assert "field label not supported: spec.size" in refusal


def test_printer_columns(cluster: Cluster) -> None:
    cluster.apply(widget(size=4))
    status = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    cluster.ok("patch", "widget", "w", "--subresource=status", "--type=merge", "-p", status)
    header, row = cluster.ok("get", "wd").splitlines()
    assert header.split() == ["NAME", "SIZE", "READY", "AGE"]
    assert row.split()[:3] == ["w", "4", "True"]
    header, row = cluster.ok("get", "conformance", "-o", "wide").splitlines()
    assert header.split() == ["NAME", "SIZE", "COLOR", "READY", "AGE"]
    assert row.split()[:4] == ["w", "4", "red", "True"]


def test_dry_run_and_diff_change_nothing(cluster: Cluster) -> None:
    assert "created (server dry run)" in cluster.apply(widget(), args=("--dry-run=server",))
    cluster.gone("widget", "w")
    cluster.apply(widget())
    assert cluster.run("diff", "-f", "-", stdin=json.dumps(widget())).returncode == 0
    changed = cluster.run("diff", "-f", "-", stdin=json.dumps(widget(size=7)))
    assert changed.returncode == 1
    assert "+  size: 7" in changed.stdout
    assert cluster.get("widget", "w")["spec"]["size"] == 1


def test_explain_knows_custom_and_built_in_kinds(cluster: Cluster) -> None:
    assert "How large." in cluster.ok("explain", "widget.spec.size")
    assert "FIELD: replicas <integer>" in cluster.ok("explain", "deployment.spec.replicas")
    assert "unknown field" in cluster.refused(
        "apply", "-f", "-", stdin=json.dumps({**config_map("c"), "datta": {"a": "b"}})
    )


def test_finalizers_hold_and_release(cluster: Cluster) -> None:
    body = widget()
    body["metadata"]["finalizers"] = ["example.com/hold"]
    cluster.apply(body)
    cluster.ok("delete", "widget", "w", "--wait=false")
    marked = cluster.get("widget", "w")
    assert marked["metadata"]["deletionTimestamp"]
    added = '{"metadata":{"finalizers":["example.com/hold","example.com/more"]}}'
    refusal = cluster.refused("patch", "widget", "w", "--type=merge", "-p", added)
    assert "no new finalizers can be added if the object is being deleted" in refusal
    cluster.ok("patch", "widget", "w", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    cluster.gone("widget", "w")


def test_delete_all_of_a_kind(cluster: Cluster) -> None:
    cluster.apply(widget("a"), widget("b"))
    cluster.server.kubectl("delete", "--raw", f"/apis/{GROUP}/v1/namespaces/{cluster.namespace}/widgets")
    assert cluster.ok("get", "widgets", "-o", "name") == ""


def test_watch_from_a_version_sees_each_change_once(cluster: Cluster) -> None:
    path = f"/apis/{GROUP}/v1/namespaces/{cluster.namespace}/widgets"
    start = json.loads(cluster.raw(path))["metadata"]["resourceVersion"]
    cluster.apply(widget())
    cluster.ok("label", "widget", "w", "tier=front")
    cluster.ok("label", "widget", "w", "tier-")
    cluster.ok("delete", "widget", "w")
    query = f"{path}?watch=true&timeoutSeconds=1&resourceVersion={start}"
    seen = watch_events(cluster, query)
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))
    selected = watch_events(cluster, f"{query}&labelSelector=tier%3Dfront")
    assert [event["type"] for event in selected] == ["ADDED", "DELETED"]
    # What stops to match is shown as it last matched, under the version of the change.
    assert selected[1]["object"]["metadata"]["labels"] == {"tier": "front"}
    assert int(selected[1]["object"]["metadata"]["resourceVersion"]) == versions[2]
    named = watch_events(cluster, f"{query}&fieldSelector=metadata.name%3Dother")
    assert named == []


def test_watch_with_initial_events_marks_their_end(cluster: Cluster) -> None:
    cluster.apply(widget("a"), widget("b"))
    base = f"/apis/{GROUP}/v1/namespaces/{cluster.namespace}/widgets?watch=true&timeoutSeconds=1"
    path = f"{base}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    seen = watch_events(cluster, path)
    assert [event["type"] for event in seen[:3]] == ["ADDED", "ADDED", "BOOKMARK"]
    assert seen[2]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_watch_from_a_forgotten_version_is_expired(cluster: Cluster) -> None:
    if cluster.server.kind != "embedded":
        return  # The real server forgets after minutes; nothing short makes it answer this.
    cluster.apply(config_map("c"))
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    start = json.loads(cluster.raw(path))["metadata"]["resourceVersion"]
    for _ in range(2):
        bodies = [config_map(f"c{number}", labels={"churn": "yes"}) for number in range(300)]
        cluster.ok("create", "-f", "-", stdin=json.dumps(listed(*bodies)))
        cluster.server.kubectl("delete", "--raw", f"{path}?labelSelector=churn%3Dyes")
    (event,) = watch_events(cluster, f"{path}?watch=true&timeoutSeconds=1&resourceVersion={start}")
    assert event["type"] == "ERROR"
    assert event["object"]["code"] == 410
    assert event["object"]["reason"] == "Expired"


def test_kubectl_watches_rows(cluster: Cluster) -> None:
    cluster.apply(widget())
    result = cluster.run("get", "widgets", "-w", "--request-timeout=2s")
    header, *rows = result.stdout.splitlines()
    assert header.split()[:2] == ["NAME", "SIZE"]
    assert [row.split()[0] for row in rows] == ["w"]


def test_apply_conflicts_over_a_field_and_force_takes_it(cluster: Cluster) -> None:
    assert cluster.ssa(widget(size=2, color="blue"), "first").returncode == 0
    refused = cluster.ssa(widget(size=3), "second")
    assert refused.returncode == 1
    assert 'Apply failed with 1 conflict: conflict with "first": .spec.size' in refused.stderr
    assert cluster.ssa(widget(size=3), "second", "--force-conflicts").returncode == 0
    assert cluster.ssa({**widget(), "spec": {"color": "blue"}}, "first").returncode == 0
    assert cluster.get("widget", "w")["spec"] == {"size": 3, "color": "blue"}
    assert cluster.ssa({**widget(), "spec": {"size": 3}}, "first").returncode == 0
    assert cluster.get("widget", "w")["spec"]["color"] == "red"


def test_apply_removes_an_object_with_the_defaults_in_it(cluster: Cluster) -> None:
    assert cluster.ssa(widget(bounds={"max": 3}), "first").returncode == 0
    assert cluster.get("widget", "w")["spec"]["bounds"] == {"min": 1, "max": 3}
    assert cluster.ssa(widget(), "first").returncode == 0
    assert "bounds" not in cluster.get("widget", "w")["spec"]


def test_apply_removes_the_last_label_and_leaves_the_object(cluster: Cluster) -> None:
    assert cluster.ssa(config_map("c", labels={"team": "security"}), "first").returncode == 0
    assert cluster.ssa(config_map("c"), "first").returncode == 0
    assert "labels" not in cluster.get("configmap", "c")["metadata"]


def test_apply_merges_lists_by_key(cluster: Cluster) -> None:
    assert cluster.ssa(widget(sinks=[{"name": "a", "url": "http://a"}], tags=["x"]), "first").returncode == 0
    assert cluster.ssa(widget(sinks=[{"name": "b", "url": "http://b"}], tags=["y"]), "second").returncode == 0
    spec = cluster.get("widget", "w")["spec"]
    assert [sink["name"] for sink in spec["sinks"]] == ["a", "b"]
    assert spec["tags"] == ["x", "y"]
    contested = cluster.ssa(widget(sinks=[{"name": "a", "url": "http://other"}]), "second")
    assert 'conflict with "first": .spec.sinks[name="a"].url' in contested.stderr
    assert cluster.ssa(widget(), "first").returncode == 0
    spec = cluster.get("widget", "w")["spec"]
    assert [sink["name"] for sink in spec["sinks"]] == ["b"]
    assert spec["tags"] == ["y"]


def test_apply_after_update_conflicts_with_the_updater(cluster: Cluster) -> None:
    cluster.ssa(widget(size=2), "first")
    patch = '{"spec":{"size":9}}'
    cluster.ok("patch", "widget", "w", "--type=merge", "--field-manager=person", "-p", patch)
    refused = cluster.ssa(widget(size=2), "first")
    assert f'conflict with "person" using {GROUP}/v1: .spec.size' in refused.stderr
    managers = {entry["manager"]: entry for entry in cluster.get("widget", "w")["metadata"]["managedFields"]}
    assert managers["person"]["fieldsV1"] == {"f:spec": {"f:size": {}}}
    assert managers["person"]["operation"] == "Update"


def test_apply_to_a_deployment_shares_containers_and_environment(cluster: Cluster) -> None:
    assert cluster.ssa(deployment(), "first").returncode == 0
    extra = deployment()
    container = {"name": "main", "env": [{"name": "B", "value": "2"}], "ports": [{"containerPort": 80, "name": "http"}]}
    extra["spec"] = {"template": {"spec": {"containers": [container]}}}
    assert cluster.ssa(extra, "second").returncode == 0
    (main,) = cluster.get("deploy", "web")["spec"]["template"]["spec"]["containers"]
    assert {item["name"]: item["value"] for item in main["env"]} == {"A": "1", "B": "2"}
    assert main["ports"] == [{"containerPort": 80, "name": "http", "protocol": "TCP"}]
    assert main["image"] == "img:1"
    before = cluster.get("deploy", "web")["metadata"]["generation"]
    assert cluster.ssa(deployment(), "first").returncode == 0
    assert cluster.get("deploy", "web")["metadata"]["generation"] == before
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "img:2"}]}}}}
    cluster.ok("patch", "deploy", "web", "-p", json.dumps(patch))
    (main,) = cluster.get("deploy", "web")["spec"]["template"]["spec"]["containers"]
    assert (main["image"], len(main["env"])) == ("img:2", 2)


def test_secret_string_data_is_encoded(cluster: Cluster) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "x"}}
    cluster.apply(body)
    made = cluster.get("secret", "s")
    assert made["data"] == {"p": base64.b64encode(b"x").decode()}
    assert made["type"] == "Opaque"
    assert "stringData" not in made


def test_immutable_config_map(cluster: Cluster) -> None:
    cluster.apply({**config_map("c"), "immutable": True})
    refusal = cluster.refused("patch", "cm", "c", "-p", '{"data":{"a":"2"}}')
    assert "field is immutable when `immutable` is set" in refusal


def test_owned_objects_go_with_their_owner(cluster: Cluster) -> None:
    cluster.apply(widget("owner"))
    uid = cluster.get("widget", "owner")["metadata"]["uid"]
    reference = {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "name": "owner", "uid": uid}
    cluster.apply(config_map("owned", ownerReferences=[reference]), config_map("free"))
    cluster.ok("delete", "widget", "owner")
    cluster.gone("cm", "owned")
    assert cluster.get("cm", "free")["data"] == {"a": "1"}


@pytest.mark.parametrize("cascade", ["orphan", "foreground"])
def test_cascade_on_request(cluster: Cluster, cascade: str) -> None:
    cluster.apply(widget("owner"))
    uid = cluster.get("widget", "owner")["metadata"]["uid"]
    reference = {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "name": "owner", "uid": uid, "blockOwnerDeletion": True}
    cluster.apply(config_map("owned", ownerReferences=[reference]))
    cluster.ok("delete", "widget", "owner", f"--cascade={cascade}", "--wait=false")
    poll(lambda: cluster.run("get", "widget", "owner").returncode != 0, seconds=60)
    if cascade == "orphan":
        assert "ownerReferences" not in cluster.get("cm", "owned")["metadata"]
    else:
        cluster.gone("cm", "owned")


def test_namespace_is_emptied_and_removed(cluster: Cluster) -> None:
    name = f"{cluster.namespace}-gone"
    cluster.server.kubectl("create", "ns", name)
    cluster.server.kubectl("-n", name, "apply", "-f", "-", input=json.dumps(config_map("c")))
    cluster.server.kubectl("delete", "ns", name, "--timeout=50s")
    assert cluster.server.kubectl("get", "ns", name, check=False).returncode == 1


def make_all_ready(cluster: Cluster, image: str, count: int) -> None:
    """Play the node until all pods of a rollout run the image and are ready."""

    def settled() -> bool:
        pods = pods_of(cluster)
        for item in pods:
            if (item["status"].get("phase")) != "Running":
                make_ready(cluster, item["metadata"]["name"])
        images = [item["spec"]["containers"][0]["image"] for item in pods if item["status"].get("phase") == "Running"]
        return images == [image] * count

    poll(settled, seconds=40)


def test_rollout_follows_the_readiness_of_pods(cluster: Cluster) -> None:
    cluster.apply(deployment())
    poll(lambda: len(pods_of(cluster)) == 2)
    assert cluster.run("rollout", "status", "deploy/web", "--timeout=1s").returncode == 1
    make_all_ready(cluster, "img:1", 2)
    assert "successfully rolled out" in cluster.ok("rollout", "status", "deploy/web", "--timeout=20s")
    cluster.ok("wait", "--for=condition=Available", "deploy/web", "--timeout=20s")
    cluster.ok("set", "image", "deploy/web", "main=img:2")
    make_all_ready(cluster, "img:2", 2)
    assert "successfully rolled out" in cluster.ok("rollout", "status", "deploy/web", "--timeout=20s")
    status = cluster.get("deploy", "web")["status"]
    counted = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
    assert [status[key] for key in counted] == [2, 2, 2, 2, 2]
    reasons = {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}
    assert reasons == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    replicasets = cluster.get("rs", "-l", "app=web")["items"]
    assert sorted(rs["spec"]["replicas"] for rs in replicasets) == [0, 2]
    assert {rs["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for rs in replicasets} == {"1", "2"}
    cluster.ok("scale", "deploy/web", "--replicas=0")
    poll(lambda: not pods_of(cluster))
    assert cluster.get("deploy", "web", "--subresource=scale")["spec"] == {}


def test_recreate_stops_the_old_before_it_starts_the_new(cluster: Cluster) -> None:
    cluster.apply(deployment(replicas=1, type="Recreate"))
    (first,) = poll(lambda: pods_of(cluster))
    held = '{"metadata":{"finalizers":["example.com/hold"]}}'
    cluster.ok("patch", "pod", first["metadata"]["name"], "--type=merge", "-p", held)
    make_all_ready(cluster, "img:1", 1)
    cluster.ok("set", "image", "deploy/web", "main=img:2")
    name = first["metadata"]["name"]
    poll(lambda: cluster.get("pod", name)["metadata"].get("deletionTimestamp"))
    assert pods_of(cluster) == []
    cluster.ok("patch", "pod", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    (second,) = poll(lambda: pods_of(cluster))
    assert second["spec"]["containers"][0]["image"] == "img:2"


def test_deleted_and_failed_pods_are_replaced(cluster: Cluster) -> None:
    cluster.apply(deployment(replicas=1))
    (first,) = poll(lambda: pods_of(cluster))
    cluster.ok("delete", "pod", first["metadata"]["name"])
    (second,) = poll(lambda: pods_of(cluster))
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    failed = '{"status":{"phase":"Failed"}}'
    cluster.ok("patch", "pod", second["metadata"]["name"], "--subresource=status", "--type=merge", "-p", failed)
    poll(lambda: any(item["status"]["phase"] == "Pending" for item in pods_of(cluster)))


def test_selector_of_a_deployment_is_checked(cluster: Cluster) -> None:
    wrong = deployment()
    wrong["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    refusal = cluster.refused("create", "-f", "-", stdin=json.dumps(wrong))
    assert "`selector` does not match template `labels`" in refusal


def test_pod_is_bound_once_and_deleted_gracefully(cluster: Cluster) -> None:
    cluster.apply(pod())
    account = cluster.get("pod", "p")["spec"]
    assert account["serviceAccountName"] == "default"
    assert [mount["mountPath"] for mount in account["containers"][0]["volumeMounts"]] == [
        "/var/run/secrets/kubernetes.io/serviceaccount"
    ]
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/p/binding"
    target = {"apiVersion": "v1", "kind": "Node", "name": "nowhere"}
    binding = json.dumps({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": target})
    cluster.server.kubectl("create", "--raw", path, "-f", "-", input=binding)
    bound = cluster.get("pod", "p")
    assert bound["spec"]["nodeName"] == "nowhere"
    assert [(c["type"], c["status"]) for c in bound["status"]["conditions"]] == [("PodScheduled", "True")]
    again = cluster.server.kubectl("create", "--raw", path, "-f", "-", input=binding, check=False)
    assert 'pod p is already assigned to node "nowhere"' in again.stderr
    cluster.ok("delete", "pod", "p", "--wait=false", "--grace-period=7")
    marked = cluster.get("pod", "p")["metadata"]
    assert marked["deletionGracePeriodSeconds"] == 7
    cluster.ok("delete", "pod", "p", "--grace-period=0", "--force")
    cluster.gone("pod", "p")


def test_pod_with_an_unknown_service_account_is_forbidden(cluster: Cluster) -> None:
    body = pod()
    body["spec"]["serviceAccountName"] = "nobody"
    refusal = cluster.refused("create", "-f", "-", stdin=json.dumps(body))
    assert f'error looking up service account {cluster.namespace}/nobody: serviceaccount "nobody" not found' in refusal


def test_service_account_token_is_a_user_with_exactly_its_rules(cluster: Cluster, tmp_path: Path) -> None:
    cluster.ok("create", "serviceaccount", "worker")
    cluster.ok("create", "role", "reader", "--verb=get", "--resource=configmaps", "--resource-name=allowed")
    cluster.ok("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={cluster.namespace}:worker")
    cluster.apply(config_map("allowed"), config_map("other"))
    token = cluster.ok("create", "token", "worker", "--audience=sts.example.com").strip()
    claims = claims_of(token)
    user = f"system:serviceaccount:{cluster.namespace}:worker"
    assert (claims["sub"], claims["aud"]) == (user, ["sts.example.com"])
    assert claims["exp"] > time.time()
    token = cluster.ok("create", "token", "worker").strip()
    own = tmp_path / "worker.kubeconfig"
    config = json.loads(cluster.server.kubectl("config", "view", "--raw", "--minify", "-o", "json").stdout)
    config["users"][0]["user"] = {"token": token}
    own.write_text(json.dumps(config))
    worker = Cluster(ApiServer(cluster.server.kind, cluster.server.version, own), cluster.namespace)
    assert worker.get("cm", "allowed")["data"] == {"a": "1"}
    where = f'in API group "" in the namespace "{cluster.namespace}"'
    assert f'configmaps "other" is forbidden: User "{user}" cannot get resource "configmaps" {where}' in worker.refused(
        "get", "cm", "other"
    )
    assert f'configmaps is forbidden: User "{user}" cannot list resource "configmaps" {where}' in worker.refused(
        "get", "cm"
    )
    assert worker.run("auth", "can-i", "get", "cm/allowed").stdout == "yes\n"
    assert worker.run("auth", "can-i", "get", "cm/other").stdout == "no\n"
    assert cluster.run("auth", "can-i", "list", "pods", "--as", user).stdout == "no\n"
    assert "cannot list resource" in worker.refused("get", "ns")
    config["users"][0]["user"] = {"token": token + "x"}
    own.write_text(json.dumps(config))
    assert "Unauthorized" in worker.refused("get", "cm", "allowed")


def test_events_of_an_object_are_described(cluster: Cluster) -> None:
    cluster.apply(widget())
    involved = {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "name": "w", "namespace": cluster.namespace}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "w-", "namespace": cluster.namespace},
        "involvedObject": {**involved, "uid": cluster.get("widget", "w")["metadata"]["uid"]},
        "reason": "Tested",
        "message": "it was tested",
        "type": "Normal",
        "count": 1,
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }
    cluster.ok("create", "-f", "-", stdin=json.dumps(event))
    assert "it was tested" in cluster.ok("describe", "widget", "w")
    assert "it was tested" in cluster.ok("events", "--for", "widget/w")
    found = cluster.get("events.events.k8s.io")["items"]
    assert [item["note"] for item in found] == ["it was tested"]


def test_kopf_runs_without_an_error(cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "kopf.log"
    environment = {**os.environ, "KUBECONFIG": str(cluster.server.kubeconfig)}
    command = [sys.executable, "-m", "kopf", "run", str(DATA / "kopf_operator.py"), "-n", cluster.namespace]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _drive_kopf(cluster)
        finally:
            process.terminate()
            process.wait(20)
    said = log.read_text()
    assert "deleted w" in said
    assert [line for line in said.splitlines() if "ERROR" in line or "Traceback" in line] == []


def _drive_kopf(cluster: Cluster) -> None:
    def phase() -> dict[str, Any]:
        status: dict[str, Any] = cluster.get("widget", "w").get("status") or {}
        return status

    cluster.apply(widget(size=1))
    poll(lambda: phase().get("phase") == "size 1", seconds=40)
    cluster.apply(widget(size=2))
    poll(lambda: phase().get("phase") == "size 2", seconds=40)
    poll(lambda: phase().get("size", 0) >= 2, seconds=40)
    cluster.ok("delete", "widget", "w", "--timeout=30s")
