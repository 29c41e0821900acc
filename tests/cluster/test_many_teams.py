"""Teams in namespaces of their own: what each may use, what each may change about its pods, and what the operator may do."""

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localcluster.apiserver import ApiServer
from support.api_proxy import ApiProxy
from support.operator_process import NAMESPACE, RELEASE, OperatorProcess
from support.pods import CollectorStub, wait_until
from support.site import CHILDREN, WORKLOAD, Manifest, Site
from support.sources import BUCKET, QUEUE_ARN

ROLE_OF_A = "arn:aws:iam::111122223333:role/team-a-collector"
ROLE_OF_B = "arn:aws:iam::111122223333:role/team-b-collector"
OTHER_QUEUE = "arn:aws:sqs:us-east-1:111122223333:team-b"

Start = Callable[..., list[Site]]


@pytest.fixture
def namespaces(server: ApiServer) -> Iterator[list[str]]:
    """Two namespaces: team A's and team B's."""
    names = [f"team-{letter}-{secrets.token_hex(3)}" for letter in "ab"]
    for name in names:
        server.kubectl("create", "namespace", name)
    yield names
    server.kubectl("delete", "namespace", *names, "--wait=false")


@pytest.fixture
def start(server: ApiServer, namespaces: list[str], tmp_path: Path) -> Iterator[Start]:
    """Start the operator with more values of the chart, in place of one that runs; return a site for each team."""
    running: list[OperatorProcess] = []

    def begin(**values: Any) -> list[Site]:
        while running:
            running.pop().stop()
        operator = OperatorProcess(server, tmp_path, namespaces, **values)
        operator.install()
        operator.start()
        running.append(operator)
        return [Site(server, namespace, operator) for namespace in namespaces]

    yield begin
    while running:
        running.pop().stop()


def _allow(namespaces: list[str]) -> list[Manifest]:
    """Rules: each team has a role of its own, and team A the queue and the bucket."""
    team_a, team_b = namespaces
    return [
        {"name": "a", "namespaces": [team_a], "roleArns": [ROLE_OF_A], "queueArns": [QUEUE_ARN], "buckets": [BUCKET]},
        {"name": "b", "namespaces": [team_b], "roleArns": [ROLE_OF_B], "queueArns": [OTHER_QUEUE]},
    ]


def _list_children(site: Site) -> list[str]:
    return [f"{item['kind']}/{item['metadata']['name']}" for kind in (*CHILDREN, "pods") for item in site.list(kind)]


def _wait_empty(site: Site) -> None:
    wait_until(lambda: not _list_children(site), "nothing is left of the workload", 60)


def test_role_of_one_team_is_of_no_use_to_another(start: Start, namespaces: list[str]) -> None:
    """T-48: no pod, no ServiceAccount, and a sentence that names the rule and what it does not allow."""
    team_a, team_b = start(allowList=_allow(namespaces))
    team_a.apply(roleArn=ROLE_OF_A)
    team_a.wait_children()
    team_b.apply(roleArn=ROLE_OF_A)
    stalled = team_b.wait_condition("Stalled", "True", "NotAllowed")
    assert stalled["message"] == (
        f"rule b of the operator's allow-list does not allow role {ROLE_OF_A}, queue {QUEUE_ARN}"
    )
    assert team_b.condition("Ready")["reason"] == "NotAllowed"
    assert team_b.condition("QueueReachable")["status"] == "Unknown"
    assert _list_children(team_b) == []
    wait_until(
        lambda: "Stalled" in team_b.kubectl("get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}").split(),
        "an Event tells of it",
    )
    team_b.apply(roleArn=ROLE_OF_B, queueArn=OTHER_QUEUE)
    team_b.wait_condition("Ready", "False", "RollingOut")
    assert team_b.condition("Stalled")["status"] == "absent"
    account = team_b.get(f"serviceaccount/{WORKLOAD}") or {}
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == ROLE_OF_B


def test_edit_beyond_the_bounds_takes_the_workload_away(
    start: Start, namespaces: list[str], stub: CollectorStub
) -> None:
    team_a, _ = start(allowList=_allow(namespaces))
    team_a.apply(roleArn=ROLE_OF_A, collector={"replicas": 2})
    team_a.wait_children()
    team_a.apply(roleArn=ROLE_OF_B)
    team_a.wait_condition("Stalled", "True", "NotAllowed")
    _wait_empty(team_a)
    assert team_a.source()["status"]["replicas"] == 0
    writes = team_a.operator.count_writes()
    looks = team_a.operator.count_looks()
    team_a.kubectl("annotate", "cts/org-trail", "example.com/look=again")
    wait_until(lambda: team_a.operator.count_looks() > looks, "the operator has looked again")
    assert team_a.operator.count_writes() == writes
    team_a.apply(roleArn=ROLE_OF_A)
    team_a.wait_children()
    team_a.run_collector(stub)
    team_a.wait_condition("Ready", "True", "Testing")


def test_new_bounds_reach_what_runs_already(start: Start, namespaces: list[str]) -> None:
    team_a, team_b = start()
    for site in (team_a, team_b):
        site.apply(roleArn=ROLE_OF_A)
        site.wait_children()
    kept = team_a.versions()[f"ServiceAccount/{WORKLOAD}"]
    team_a, team_b = start(allowList=_allow(namespaces))
    team_b.wait_condition("Stalled", "True", "NotAllowed")
    _wait_empty(team_b)
    assert team_a.versions()[f"ServiceAccount/{WORKLOAD}"] == kept
    team_a, team_b = start()
    team_b.wait_children()
    assert team_b.condition("Stalled")["status"] == "absent"


EVERYTHING: Manifest = {
    "labels": {"team": "a"},
    "annotations": {"example.com/scrape": "true"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 10,
                    "podAffinityTerm": {
                        "topologyKey": "topology.kubernetes.io/zone",
                        "labelSelector": {"matchLabels": {"team": "a"}},
                    },
                }
            ]
        },
        "nodeAffinity": None,
    },
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "extraEnv": [
        {"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"},
        {"name": "NO_PROXY", "value": ""},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "own", "key": "token"}}},
    ],
    "extraVolumes": [
        {"name": "ca", "configMap": {"name": "company-ca", "optional": True}},
        {"name": "keys", "secret": {"secretName": "own", "items": [{"key": "token", "path": "token"}]}},
        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1024Ki"}},
        {"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}},
        {"name": "all", "projected": {"sources": [{"configMap": {"name": "company-ca", "optional": True}}]}},
    ],
    "extraVolumeMounts": [
        {"name": "ca", "mountPath": "/mnt/ca", "readOnly": True},
        {"name": "scratch", "mountPath": "/mnt/one", "subPath": "one"},
        {"name": "scratch", "mountPath": "/mnt/two"},
    ],
    "resources": {"requests": {"cpu": "0.5"}, "limits": {"memory": "1024Mi"}},
}


def test_every_override_at_once_runs_in_a_restricted_namespace_and_rests(
    server: ApiServer, start: Start, stub: CollectorStub
) -> None:
    """The namespace enforces the restricted Pod Security Standard; nothing that the API server rewrites is drift."""
    team_a, _ = start()
    namespace = team_a.namespace
    server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    team_a.apply(collector=EVERYTHING)
    team_a.wait_children()
    pod = team_a.newest_pod()
    variables = {item["name"]: item for item in pod["spec"]["containers"][0]["env"]}
    assert variables["HTTPS_PROXY"]["value"] == "http://proxy.example.com:3128"
    assert variables["TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "own", "key": "token"}
    assert {"extra-ca", "extra-keys", "extra-scratch", "extra-shared", "extra-all"} <= {
        volume["name"] for volume in pod["spec"]["volumes"]
    }
    assert pod["metadata"]["labels"]["team"] == "a"
    assert "podAntiAffinity" in pod["spec"]["affinity"]
    team_a.run_collector(stub)
    team_a.wait_condition("Ready", "True", "Testing")
    wait_until(lambda: "events" in team_a.source()["status"], "the figures are written")
    writes, looks = team_a.operator.count_writes(), team_a.operator.count_looks()
    wait_until(lambda: team_a.operator.count_looks() >= looks + 5, "the operator has looked five times more")
    assert team_a.operator.count_writes() == writes


def test_real_api_server_enforces_the_standard_that_the_pods_keep(server: ApiServer, namespaces: list[str]) -> None:
    """Without this the test above would prove nothing; the embedded server has no Pod Security admission."""
    if server.kind == "embedded":
        return
    namespace = namespaces[0]
    server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": namespace},
        "spec": {"containers": [{"name": "c", "image": "c"}], "serviceAccountName": "default"},
    }
    refused = server.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(pod), check=False)
    assert 'violates PodSecurity "restricted' in refused.stderr


def test_edit_and_removal_of_each_override_reach_the_deployment(start: Start) -> None:
    site, _ = start()

    def read() -> Manifest:
        found: Manifest = (site.get(f"deployment/{WORKLOAD}") or {})["spec"]["template"]
        return {"metadata": found["metadata"] | {"annotations": None}, "spec": found["spec"]}

    site.apply()
    site.wait_children()
    before = read()
    extras = {"extraVolumes", "extraVolumeMounts"}
    edits = [{name: EVERYTHING[name]} for name in EVERYTHING if name not in extras | {"annotations"}]
    for edit in [*edits, {name: EVERYTHING[name] for name in extras}]:
        site.apply(collector=edit)
        wait_until(lambda: read() != before, f"{', '.join(edit)} changes the pods")
        site.apply()
        wait_until(lambda: read() == before, f"without {', '.join(edit)} the pods are as before")


def test_affinity_that_kubernetes_does_not_take_is_told_in_its_words(start: Start) -> None:
    site, _ = start()
    site.apply(collector={"affinity": {"nodeAffinity": {"preferredDuringScheduling": []}}})
    wait_until(lambda: "preferredDuringScheduling" in site.condition("Ready")["message"], "the mistake is named")
    assert site.condition("Ready")["status"] == "False"
    assert site.get(f"deployment/{WORKLOAD}") is None
    site.apply()
    site.wait_condition("Ready", "False", "RollingOut", 60)


def test_change_of_role_rolls_the_pods(start: Start, stub: CollectorStub) -> None:
    site, _ = start()
    site.apply()
    site.wait_children()
    first = site.newest_pod()["metadata"]["uid"]
    site.run_collector(stub)
    site.wait_condition("Ready", "True", "Testing")
    site.apply(roleArn=ROLE_OF_A)
    wait_until(lambda: any(pod["metadata"]["uid"] != first for pod in site.list("pods")), "there is a new pod")
    (new,) = [pod for pod in site.list("pods") if pod["metadata"]["uid"] != first]
    variables = {item["name"]: item.get("value") for item in new["spec"]["containers"][0]["env"]}
    assert variables["AWS_ROLE_ARN"] == ROLE_OF_A
    account = site.get(f"serviceaccount/{WORKLOAD}") or {}
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == ROLE_OF_A


def test_nobody_but_the_kubelet_reads_secrets(server: ApiServer, start: Start) -> None:
    """T-48, T-49: neither the operator nor a collector may, in any namespace, by what RBAC says on this API server."""
    site, other = start()
    site.apply()
    site.wait_children()
    accounts = [(NAMESPACE, RELEASE), (site.namespace, WORKLOAD)]
    for namespace in (site.namespace, other.namespace, "kube-system"):
        for account in accounts:
            user = f"system:serviceaccount:{account[0]}:{account[1]}"
            for verb in ("get", "list", "watch"):
                answer = server.kubectl("auth", "can-i", verb, "secrets", "-n", namespace, f"--as={user}", check=False)
                assert answer.stdout.strip() == "no"


def test_namespaced_installation_never_asks_for_more(
    server: ApiServer, namespaces: list[str], tmp_path: Path, stub: CollectorStub
) -> None:
    """T-50: Roles only; every request names a namespace that it was installed for, and none is refused."""
    with ApiProxy(server) as proxy:
        operator = OperatorProcess(server, tmp_path, namespaces, server_url=proxy.url)
        operator.install()
        operator.start()
        try:
            for site in (Site(server, namespace, operator) for namespace in namespaces):
                site.apply()
                site.wait_children()
                site.run_collector(stub)
                site.wait_condition("Ready", "True", "Testing")
        finally:
            operator.stop()
        asked = [seen for seen in proxy.requests if not seen.resource.startswith("/")]  # discovery is open to everybody
    assert [seen for seen in asked if seen.namespace not in (*namespaces, NAMESPACE)] == []
    assert {seen.resource for seen in asked if seen.namespace == NAMESPACE} <= {"leases"}
    assert {"list", "watch", "patch"} <= {seen.verb for seen in asked}
    assert [seen for seen in asked if seen.status == 403] == []
    assert (
        server.kubectl("get", "clusterrole,clusterrolebinding", "-l", f"app.kubernetes.io/instance={RELEASE}").stdout
        == ""
    )
