"""The chart: what it renders, what it may do, and which values it refuses."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.settings import read_settings
from cloudtrail_spec.crd import build_source_crd
from localcluster.assets import find_helm
from localcluster.cluster import render_chart

CHART = Path(__file__).parents[3] / "charts" / "cloudtrail-operator"
NAMESPACE = "cloudtrail-system"
CRUD = {"get", "list", "watch", "create", "patch", "delete"}
ALLOWED = {
    "cloudtrail-operator.io/cloudtrailsources": {"get", "list", "watch"},
    "cloudtrail-operator.io/cloudtrailsources/status": {"get", "patch"},
    "cloudtrail-operator.io/cloudtrailsources/finalizers": {"update"},
    "apps/deployments": CRUD,
    "/configmaps": CRUD,
    "/serviceaccounts": CRUD,
    "/services": CRUD,
    "policy/poddisruptionbudgets": CRUD,
    "/pods": {"get", "list", "watch"},
    "events.k8s.io/events": {"create"},
}


def _render(**values: Any) -> list[dict[str, Any]]:
    return render_chart(CHART, release="ct", namespace=NAMESPACE, values=values)


def _of_kind(documents: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["kind"] == kind]


def _flatten(rules: list[dict[str, Any]]) -> dict[str, set[str]]:
    return {
        f"{group}/{resource}": set(rule["verbs"])
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_rules_are_the_least_that_the_operator_needs() -> None:
    """T-49: no wildcard, no Secrets, nothing that escalates, no write to a source beyond its status."""
    (role,) = _of_kind(_render(), "ClusterRole")
    assert _flatten(role["rules"]) == ALLOWED


def test_namespaced_installation_has_roles_only() -> None:
    documents = _render(watchNamespaces=["a", "b"])
    roles = _of_kind(documents, "Role")
    assert [role["metadata"]["namespace"] for role in roles] == ["a", "b"]
    assert all(_flatten(role["rules"]) == ALLOWED for role in roles)
    assert not _of_kind(documents, "ClusterRole")
    assert not _of_kind(documents, "ClusterRoleBinding")


def test_deployment_gives_settings_that_the_operator_reads() -> None:
    (deployment,) = _of_kind(
        _render(
            watchNamespaces=["a", "b"],
            collector={"image": {"repository": "r/c", "digest": f"sha256:{'0' * 64}"}, "nodeSelector": {"os": "x"}},
            pollSeconds=2.5,
        ),
        "Deployment",
    )
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    settings = read_settings({variable["name"]: variable["value"] for variable in container["env"]})
    assert settings.watch_namespaces == ("a", "b")
    assert settings.collector_node_selector == {"os": "x"}
    assert settings.poll_seconds == 2.5
    assert settings.collector_image == f"r/c:0.1.0@sha256:{'0' * 64}"


def test_only_one_operator_acts_at_a_time() -> None:
    (deployment,) = _of_kind(_render(), "Deployment")
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_crd_is_the_generated_one_and_is_kept() -> None:
    (crd,) = _of_kind(_render(), "CustomResourceDefinition")
    assert crd["spec"] == yaml.safe_load(yaml.safe_dump(build_source_crd()["spec"]))
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert not _of_kind(_render(crds={"install": False}), "CustomResourceDefinition")


@pytest.mark.parametrize(
    "values",
    [{"replicaCuont": 1}, {"collector": {"imgae": {}}}, {"logLevel": "loud"}, {"watchNamespaces": ["A"]}],
    ids=str,
)
def test_misspelt_value_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="values"):
        _render(**values)


def test_lint_is_content() -> None:
    ended = subprocess.run([find_helm(), "lint", "--strict", CHART], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
