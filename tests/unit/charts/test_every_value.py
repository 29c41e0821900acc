"""What the charts render for a matrix of values, with Helm 3 and 4: Kubernetes' own schemas and our habits judge it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from support.chart_values import MONITORING, OPERATOR, REFUSED, REFUSED_SOURCES, SOURCES, Values
from support.helm import MAJORS, OPERATOR_CHART, SOURCES_CHART, Helm, HelmError
from support.pod_security import list_violations

Manifest = dict[str, Any]

NAMESPACE = "cloudtrail-system"
OLDEST, NEWEST = "1.32", kubernetes_validate.latest_version()
# Their schemas are not Kubernetes' own: CRDs, and what is of the Prometheus Operator.
FOREIGN = {"CloudTrailSource", "CloudTrailBackfill", "PodMonitor", "PrometheusRule"}
LABELS = {"name", "instance", "version", "component", "part-of", "managed-by"}
CLUSTER_WIDE = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}


@pytest.fixture(params=MAJORS, ids=lambda major: f"helm {major}")
def helm(request: pytest.FixtureRequest, tmp_path: Path) -> Helm:
    return Helm(request.param, tmp_path)


@pytest.fixture(scope="module", params=OPERATOR)
def documents(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """What the operator chart makes of one row of the matrix."""
    return Helm(4, tmp_path_factory.mktemp("helm")).render(OPERATOR_CHART, OPERATOR[request.param], namespace=NAMESPACE)


@cache
def _validate(text: str) -> None:
    """Validate a manifest, once, however often it is rendered."""
    for version in (OLDEST, NEWEST):
        kubernetes_validate.validate(json.loads(text), version, strict=True)


def _name(document: Manifest) -> tuple[str, str, str]:
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


def _list_pod_specs(documents: list[Manifest]) -> list[Manifest]:
    templates = [item["spec"]["template"]["spec"] for item in documents if item["kind"] == "Deployment"]
    return templates + [item["spec"] for item in documents if item["kind"] == "Pod"]


def test_operator_chart_is_what_kubernetes_knows(documents: list[Manifest]) -> None:
    for document in documents:
        if document["kind"] not in FOREIGN:
            _validate(json.dumps(document))
    names = [_name(document) for document in documents]
    assert len(set(names)) == len(names)
    assert {kind for kind, namespace, _ in names if not namespace} <= CLUSTER_WIDE


def test_operator_chart_labels_everything(documents: list[Manifest]) -> None:
    for document in documents:
        labels = document["metadata"]["labels"]
        assert {f"app.kubernetes.io/{name}" for name in LABELS} | {"helm.sh/chart"} <= labels.keys()
        assert labels["app.kubernetes.io/managed-by"] == "Helm"


def test_pods_are_restricted_whatever_the_values(documents: list[Manifest]) -> None:
    """HE-07: Pod Security `restricted`, and a root file system that is read-only."""
    specs = _list_pod_specs(documents)
    assert len(specs) == 2  # the operator, and the pod of `helm test`
    assert [list_violations(spec) for spec in specs] == [[], []]


def test_nothing_that_server_side_apply_refuses_is_rendered(documents: list[Manifest]) -> None:
    """HE-01: Helm 4 applies on the server, which refuses a list that has a key twice."""
    for spec in _list_pod_specs(documents):
        for container in spec["containers"]:
            names = [variable["name"] for variable in container["env"]]
            assert len(set(names)) == len(names)


def _split(text: str) -> list[str]:
    """Split into documents, in whichever order they came."""
    return sorted(document.strip() for document in text.split("\n---\n"))


@pytest.mark.parametrize("chart", [OPERATOR_CHART, SOURCES_CHART], ids=lambda chart: chart.name)
def test_both_helms_render_the_same(chart: Path, tmp_path: Path) -> None:
    for values in (OPERATOR if chart == OPERATOR_CHART else SOURCES).values():
        old, new = (Helm(major, tmp_path).template(chart, values, namespace=NAMESPACE) for major in MAJORS)
        assert _split(old) == _split(new)


@pytest.mark.parametrize("chart", [OPERATOR_CHART, SOURCES_CHART], ids=lambda chart: chart.name)
def test_lint_is_content(helm: Helm, chart: Path) -> None:
    assert "0 chart(s) failed" in helm.run("lint", "--strict", chart)


@pytest.mark.parametrize(("values", "named"), REFUSED.values(), ids=REFUSED)
def test_operator_chart_refuses(tmp_path: Path, values: Values, named: str) -> None:
    """HE-02: a mistake stops the installation, and is named."""
    with pytest.raises(HelmError) as refusal:
        Helm(4, tmp_path).template(OPERATOR_CHART, values, namespace=NAMESPACE)
    assert named in str(refusal.value)


@pytest.mark.parametrize(("values", "named"), REFUSED_SOURCES.values(), ids=REFUSED_SOURCES)
def test_sources_chart_refuses(tmp_path: Path, values: Values, named: str) -> None:
    with pytest.raises(HelmError) as refusal:
        Helm(4, tmp_path).template(SOURCES_CHART, values, namespace=NAMESPACE)
    assert named in str(refusal.value)


def test_helm_3_refuses_as_well(tmp_path: Path) -> None:
    refusals = [(OPERATOR_CHART, *REFUSED["misspelt inside"]), (SOURCES_CHART, *REFUSED_SOURCES["misspelt field"])]
    for chart, values, named in refusals:
        with pytest.raises(HelmError, match=named):
            Helm(3, tmp_path).template(chart, values, namespace=NAMESPACE)


def test_older_clusters_are_refused(helm: Helm) -> None:
    """HE-01: selectable fields of CRDs came with 1.32."""
    with pytest.raises(HelmError, match="kubeVersion"):
        helm.template(OPERATOR_CHART, {}, namespace=NAMESPACE, kube_version="1.31")


def test_what_prometheus_gets_depends_on_what_the_cluster_serves(helm: Helm) -> None:
    """HE-13."""
    wanted = {"PodMonitor", "PrometheusRule", "ConfigMap"}
    without = helm.render(OPERATOR_CHART, {}, namespace=NAMESPACE)
    served = helm.render(OPERATOR_CHART, {}, namespace=NAMESPACE, api_versions=[MONITORING])
    assert wanted.isdisjoint(item["kind"] for item in without)
    assert wanted <= {item["kind"] for item in served}
