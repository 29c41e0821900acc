"""The chart: what it renders, and which values it refuses. What it may do: test_rbac_rules.py."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.core.allow_list import AllowRule
from cloudtrail_operator.settings import read_settings
from cloudtrail_spec.crd import build_source_crd
from localcluster.assets import find_helm
from localcluster.cluster import render_chart

CHART = Path(__file__).parents[3] / "charts" / "cloudtrail-operator"
NAMESPACE = "cloudtrail-system"


def _render(**values: Any) -> list[dict[str, Any]]:
    return render_chart(CHART, release="ct", namespace=NAMESPACE, values=values)


def _of_kind(documents: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["kind"] == kind]


def test_deployment_gives_settings_that_the_operator_reads() -> None:
    (deployment,) = _of_kind(
        _render(
            watchNamespaces=["a", "b"],
            collector={"image": {"repository": "r/c", "digest": f"sha256:{'0' * 64}"}, "nodeSelector": {"os": "x"}},
            pollSeconds=2.5,
            allowList=[{"name": "a", "namespaces": ["a-*"], "buckets": []}],
        ),
        "Deployment",
    )
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    variables = {variable["name"]: variable for variable in container["env"]}
    instance = variables.pop("CLOUDTRAIL_OPERATOR_INSTANCE")
    assert instance["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    settings = read_settings({name: variable["value"] for name, variable in variables.items()})
    assert settings.lease == (NAMESPACE, "ct-cloudtrail-operator")
    assert settings.watch_namespaces == ("a", "b")
    assert settings.collector_node_selector == {"os": "x"}
    assert settings.poll_seconds == 2.5
    assert settings.allow_list == (AllowRule(name="a", namespaces=("a-*",), buckets=()),)
    assert settings.collector_image == f"r/c:0.1.0@sha256:{'0' * 64}"


def test_one_replica_is_replaced_without_a_gap() -> None:
    """The new one is ready as a standby, and takes the Lease when the old one gives it back."""
    documents = _render()
    (deployment,) = _of_kind(documents, "Deployment")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "topologySpreadConstraints" not in deployment["spec"]["template"]["spec"]
    assert not _of_kind(documents, "PodDisruptionBudget")


def test_several_replicas_are_spread_and_not_all_evicted_at_once() -> None:
    documents = _render(replicas=2)
    (deployment,) = _of_kind(documents, "Deployment")
    (budget,) = _of_kind(documents, "PodDisruptionBudget")
    (spread,) = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert deployment["spec"]["replicas"] == 2
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == spread["labelSelector"] == deployment["spec"]["selector"]


@pytest.mark.parametrize("namespaces", [[], ["a"]], ids=str)
def test_only_the_lease_of_this_release_may_be_changed(namespaces: list[str]) -> None:
    """T-49: by a Role in the release's namespace, also where everything else is allowed by a ClusterRole."""
    documents = _render(watchNamespaces=namespaces)
    (role,) = [role for role in _of_kind(documents, "Role") if role["metadata"]["namespace"] == NAMESPACE]
    (binding,) = [item for item in _of_kind(documents, "RoleBinding") if item["metadata"]["namespace"] == NAMESPACE]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert role["rules"] == [
        lease | {"verbs": ["create"]},
        lease | {"resourceNames": ["ct-cloudtrail-operator"], "verbs": ["get", "update"]},
    ]


def test_crd_is_the_generated_one_and_is_kept() -> None:
    (crd,) = _of_kind(_render(), "CustomResourceDefinition")
    assert crd["spec"] == yaml.safe_load(yaml.safe_dump(build_source_crd()["spec"]))
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert not _of_kind(_render(crds={"install": False}), "CustomResourceDefinition")


@pytest.mark.parametrize(
    "values",
    [
        {"replicaCuont": 1},
        {"collector": {"imgae": {}}},
        {"logLevel": "loud"},
        {"watchNamespaces": ["A"]},
        {"allowList": [{"name": "a", "namespaces": []}]},
        {"allowList": [{"name": "a", "namespaces": ["a"], "roles": []}]},
        {"allowList": [{"name": "a", "namespaces": ["a"], "roleArns": ["role/x"]}]},
    ],
    ids=str,
)
def test_misspelt_value_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="values"):
        _render(**values)


def test_lint_is_content() -> None:
    ended = subprocess.run([find_helm(), "lint", "--strict", CHART], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
