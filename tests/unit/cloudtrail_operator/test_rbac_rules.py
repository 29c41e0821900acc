"""What the operator may do, in all: the chart's rules are rendered, parsed, and held against what the code asks for.

Every test that runs an operator runs it with a token of the chart's ServiceAccount (`tests/support/operator_process.py`,
`tests/localcluster/cluster.py`), so that a right which is missing here fails there.
"""

from pathlib import Path
from typing import Any

import pytest

from cloudtrail_operator.core.kinds import CHILD_KINDS, Kind
from cloudtrail_spec.base import API_GROUP
from localcluster.cluster import render_chart

CHART = Path(__file__).parents[3] / "charts" / "cloudtrail-operator"
NAMESPACE = "cloudtrail-system"
RELEASE = "ct"
NAME = "ct-cloudtrail-operator"

READ = frozenset({"get", "list", "watch"})
KEEP = READ | {"create", "patch", "delete"}

Rights = dict[str, frozenset[str]]

# Everything, and who needs it.
SERVED: Rights = {
    f"{API_GROUP}/cloudtrailsources": READ,  # the sources; nobody writes their specs or metadata
    f"{API_GROUP}/cloudtrailsources/status": frozenset({"get", "patch"}),  # the reconciler's report
    f"{API_GROUP}/cloudtrailsources/finalizers": frozenset({"update"}),  # blockOwnerDeletion on children (OpenShift)
    f"{API_GROUP}/cloudtrailbackfills": READ,  # the same for backfills
    f"{API_GROUP}/cloudtrailbackfills/status": frozenset({"get", "patch"}),
    f"{API_GROUP}/cloudtrailbackfills/finalizers": frozenset({"update"}),
    "batch/jobs": KEEP,  # children of backfills
    "rbac.authorization.k8s.io/roles": KEEP,  # what a backfill's workers may: get and patch their own ConfigMaps
    "rbac.authorization.k8s.io/rolebindings": KEEP,
    "/serviceaccounts": KEEP,  # children: one for each source
    "/configmaps": KEEP,
    "/services": KEEP,
    "apps/deployments": KEEP,
    "policy/poddisruptionbudgets": KEEP,
    "autoscaling/horizontalpodautoscalers": KEEP,  # spec.scaling without KEDA
    "keda.sh/scaledobjects": KEEP,  # spec.scaling with KEDA
    "keda.sh/triggerauthentications": KEEP,
    "/pods": READ,  # how the collectors are, and where they answer
    "events.k8s.io/events": frozenset({"create"}),  # the recorder
}
OWN: Rights = {
    "coordination.k8s.io/leases": frozenset({"create", "get", "update"})
}  # the election, in its own namespace

ESCALATING = {"escalate", "bind", "impersonate", "approve", "sign", "deletecollection", "use"}
FORBIDDEN = ("secrets", "nodes", "pods/exec", "pods/attach", "pods/ephemeralcontainers", "serviceaccounts/token")


def _render(namespaces: list[str]) -> list[dict[str, Any]]:
    return render_chart(CHART, release=RELEASE, namespace=NAMESPACE, values={"watchNamespaces": namespaces})


def _roles(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [document for document in documents if document["kind"] in ("ClusterRole", "Role")]


def _flatten(rules: list[dict[str, Any]]) -> Rights:
    rights: Rights = {}
    for rule in rules:
        assert not rule.get("nonResourceURLs")
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                name = f"{group}/{resource}"
                rights[name] = rights.get(name, frozenset()) | set(rule["verbs"])
    return rights


@pytest.mark.parametrize("namespaces", [[], ["a", "b"]], ids=["everywhere", "two namespaces"])
def test_rules_hold_nothing_by_which_one_could_gain_more(namespaces: list[str]) -> None:
    """T-49: no wildcard, no Secret, nothing that escalates, no write to cluster-wide RBAC, admission, CRDs or nodes.

    Roles may be written, in which Kubernetes lets nobody give what he does not have himself, as there is no `escalate`.
    """
    for role in _roles(_render(namespaces)):
        assert "aggregationRule" not in role
        for name, verbs in _flatten(role["rules"]).items():
            group, _, resource = name.partition("/")
            assert "*" not in name
            assert "*" not in verbs
            assert not verbs & ESCALATING
            assert not resource.startswith(FORBIDDEN)
            assert group not in ("admissionregistration.k8s.io", "apiextensions.k8s.io")
            if group == "rbac.authorization.k8s.io":
                assert resource in ("roles", "rolebindings")
            assert group not in ("authentication.k8s.io", "authorization.k8s.io", "certificates.k8s.io", "extensions")
            if resource.startswith("pods"):
                assert verbs <= READ


def test_rules_are_the_closed_set_that_is_needed() -> None:
    """T-49."""
    documents = _render([])
    (cluster_role,) = [role for role in _roles(documents) if role["kind"] == "ClusterRole"]
    (own_role,) = [role for role in _roles(documents) if role["kind"] == "Role"]
    assert _flatten(cluster_role["rules"]) == SERVED
    assert _flatten(own_role["rules"]) == OWN
    assert own_role["metadata"]["namespace"] == NAMESPACE


def test_namespaced_installation_has_the_same_rules_as_roles_only() -> None:
    """T-50: nothing of the release is cluster-wide but the CRDs, which may be installed apart."""
    documents = _render(["a", "b"])
    assert {role["metadata"]["namespace"]: _flatten(role["rules"]) for role in _roles(documents)} == {
        "a": SERVED, "b": SERVED, NAMESPACE: OWN,
    }  # fmt: skip
    wide = {item["kind"] for item in documents if "namespace" not in item["metadata"]}
    assert wide == {"CustomResourceDefinition"}


@pytest.mark.parametrize("namespaces", [[], ["a", "b"]], ids=["everywhere", "two namespaces"])
def test_every_binding_gives_one_role_to_the_operator_alone(namespaces: list[str]) -> None:
    documents = _render(namespaces)
    bindings = [item for item in documents if item["kind"] in ("ClusterRoleBinding", "RoleBinding")]
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    assert all(binding["subjects"] == [account] for binding in bindings)
    bound = {(item["roleRef"]["kind"], item["roleRef"]["name"], item["metadata"].get("namespace")) for item in bindings}
    made = {(role["kind"], role["metadata"]["name"], role["metadata"].get("namespace")) for role in _roles(documents)}
    assert bound == made


def test_rules_and_code_know_the_same_kinds() -> None:
    """A kind that the operator no longer keeps must not stay in the rules, nor the other way round."""

    def name(kind: Kind) -> str:
        return f"{kind.value.api_version.rpartition('/')[0]}/{kind.value.plural}"

    assert {name(kind) for kind in CHILD_KINDS} == {right for right, verbs in SERVED.items() if verbs == KEEP}
    assert {name(kind) for kind in Kind} == {right for right, verbs in SERVED.items() if verbs >= READ}
