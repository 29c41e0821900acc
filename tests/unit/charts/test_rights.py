"""What the operator says that it needs, by the kinds in its code, is what the chart grants it, and nothing besides."""

from pathlib import Path
from typing import Any

import pytest

from cloudtrail_operator.core.rights import Right, build_review, list_rights
from cloudtrail_spec.base import API_GROUP
from support.helm import OPERATOR_CHART, Helm

NAMESPACE = "cloudtrail-system"
# Granted, and not asked for by `selfcheck`: a status is read with its resource; finalizers matter on OpenShift.
BESIDES = {("get", "status"), ("update", "finalizers")}


def _list_granted(role: dict[str, Any]) -> set[Right]:
    return {
        Right(verb, group, *resource.split("/"))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("namespaces", [[], ["team-a"]], ids=["everywhere", "one namespace"])
def test_chart_grants_what_the_operator_needs_and_no_more(namespaces: list[str], tmp_path: Path) -> None:
    """T-49, HE-08."""
    rendered = Helm(4, tmp_path).render(OPERATOR_CHART, {"watchNamespaces": namespaces}, namespace=NAMESPACE)
    name = "ct-cloudtrail-operator"
    (role,) = (r for r in rendered if r["kind"] in ("Role", "ClusterRole") and r["metadata"]["name"] == name)
    needed, granted = set(list_rights()), _list_granted(role)
    assert needed <= granted
    besides = granted - needed
    assert {(right.verb, right.subresource) for right in besides} <= BESIDES
    assert {right.group for right in besides} == {API_GROUP}


def test_a_right_is_said_as_kubernetes_does() -> None:
    assert str(Right("get", "", "pods")) == "get pods"
    assert (
        str(Right("patch", API_GROUP, "cloudtrailsources", "status")) == f"patch cloudtrailsources.{API_GROUP}/status"
    )


def test_a_review_asks_for_one_namespace_or_for_all() -> None:
    right = Right("list", "apps", "deployments")
    assert build_review(right, "a")["spec"] == {
        "resourceAttributes": {"namespace": "a", "verb": "list", "group": "apps", "resource": "deployments"}
    }
    assert "namespace" not in build_review(right, "")["spec"]["resourceAttributes"]
