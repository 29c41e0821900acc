"""What the charts render for a matrix of values is what an API server takes, under Pod Security `restricted`."""

import copy
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcluster.apiserver import ApiServer
from support.chart_values import NAMESPACES, OPERATOR, SOURCES
from support.helm import OPERATOR_CHART, SOURCES_CHART, Helm

Manifest = dict[str, Any]

NAMESPACE = "cloudtrail-system"
RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
FOREIGN = ("PodMonitor", "PrometheusRule")


@pytest.fixture(scope="module")
def ready(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> ApiServer:
    """An API server with the namespaces that the values name, our CRDs, and those of the Prometheus Operator."""
    for name in (NAMESPACE, *NAMESPACES):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
        server.kubectl("apply", "-f", "-", input=json.dumps(namespace))
    documents = Helm(4, tmp_path_factory.mktemp("helm")).render(OPERATOR_CHART, {}, namespace=NAMESPACE)
    crds = [item for item in documents if item["kind"] == "CustomResourceDefinition"]
    crds += [_build_loose_crd(kind) for kind in FOREIGN]
    _apply(server, crds)
    for crd in crds:
        server.wait_kind(crd["spec"]["names"]["plural"], crd["spec"]["group"])
    return server


def _build_loose_crd(kind: str) -> Manifest:
    """Build a CRD for a kind of the Prometheus Operator, as far as we need it: its name."""
    group, plural = "monitoring.coreos.com", f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def _apply(server: ApiServer, documents: list[Manifest], *options: str) -> None:
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
    server.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", *options, "-f", "-", input=body)


def _list_pods(documents: list[Manifest]) -> Iterator[Manifest]:
    """Make of each Deployment the pod that it would make: only pods are judged by Pod Security."""
    for document in documents:
        if document["kind"] == "Deployment":
            template = copy.deepcopy(document["spec"]["template"])
            # Its account is not there yet, and a pod whose account is missing is refused.
            template["spec"] |= {"serviceAccountName": "default", "priorityClassName": ""}
            metadata = template["metadata"] | {"name": f"pod-{secrets.token_hex(4)}", "namespace": NAMESPACE}
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.mark.parametrize("name", OPERATOR)
def test_api_server_takes_the_operator_chart(ready: ApiServer, name: str, tmp_path: Path) -> None:
    """HE-07: the namespace enforces Pod Security `restricted`, where the API server has it."""
    documents = Helm(4, tmp_path).render(OPERATOR_CHART, OPERATOR[name], namespace=NAMESPACE)
    for document in documents:
        if document["kind"] == "Pod":
            document["spec"]["serviceAccountName"] = "default"
    _apply(ready, [*documents, *_list_pods(documents)], "--dry-run=server")


@pytest.mark.parametrize("name", [name for name, values in SOURCES.items() if values])
def test_api_server_takes_the_sources_chart(ready: ApiServer, name: str, tmp_path: Path) -> None:
    documents = Helm(4, tmp_path).render(SOURCES_CHART, SOURCES[name], namespace=NAMESPACES[0])
    _apply(ready, documents, "--dry-run=server")
