"""The CRD on an API server: what it accepts, refuses, fills in and explains. Nothing but the API server runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster.apiserver import ApiServer
from support.bad_specs import BAD_SPECS, BadSpec
from support.sources import build_filter, build_source, build_spec

CRD = Path(__file__).parents[2] / "crds" / "cloudtrailsources.yaml"
NAMESPACE = "crd-test"


@pytest.fixture(scope="module")
def server(api_server: ApiServer) -> Iterator[ApiServer]:
    api_server.kubectl("apply", "--server-side", "-f", str(CRD))
    api_server.wait_kind("cloudtrailsources", "cloudtrail-operator.io")
    api_server.kubectl("create", "namespace", NAMESPACE)
    yield api_server
    api_server.kubectl("delete", "namespace", NAMESPACE)


def _create(server: ApiServer, **changes: object) -> dict[str, object]:
    manifest = build_source("probe", NAMESPACE, **changes)
    created = server.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=json.dumps(manifest))
    found: dict[str, object] = json.loads(created.stdout)
    return found


def test_schema_is_structural(server: ApiServer) -> None:
    crd = json.loads(server.kubectl("get", "crd", "cloudtrailsources.cloudtrail-operator.io", "-o", "json").stdout)
    assert "NonStructuralSchema" not in [condition["type"] for condition in crd["status"]["conditions"]]


@pytest.mark.parametrize("case", BAD_SPECS, ids=lambda case: case.name)
def test_broken_spec_is_refused_with_the_field_and_the_rule(server: ApiServer, case: BadSpec) -> None:
    manifest = build_source("probe", NAMESPACE) | {"spec": case.spec}
    refused = server.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(manifest), check=False)
    assert refused.returncode == 1
    assert case.field in refused.stderr
    assert case.words in refused.stderr


def test_unknown_field_is_refused_by_name(server: ApiServer) -> None:
    manifest = build_source("probe", NAMESPACE, queueUrl="https://example.com")
    refused = server.kubectl("apply", "-f", "-", input=json.dumps(manifest), check=False)
    assert refused.returncode == 1
    assert 'unknown field "spec.queueUrl"' in refused.stderr


@pytest.mark.parametrize("name", ["x" * 53, "1st", "a.b"])
def test_name_from_which_no_child_can_be_called_is_refused(server: ApiServer, name: str) -> None:
    refused = server.kubectl(
        "create", "--dry-run=server", "-f", "-", input=json.dumps(build_source(name, NAMESPACE)), check=False
    )
    assert refused.returncode == 1
    assert "metadata.name" in refused.stderr


def test_rich_spec_is_accepted(server: ApiServer) -> None:
    spec = _create(
        server,
        prefix="org/",
        filters=[build_filter(startsWith=["Describe"]), build_filter("keep-root", "Keep", field="userIdentity.type")],
        sinks=[{"name": "out", "stdout": {}}, {"name": "siem", "http": {"url": "https://siem.example.com/in"}}],
        objects={"missing": "Drop", "maxUncompressedBytes": 536870912},
        test={"maxMessages": 10},
        visibilityTimeoutSeconds=300,
        roleArn=None,
        credentials={"type": "Secret", "secretRef": {"name": "aws-keys"}},
        collector={
            "replicas": 2,
            "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
            "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "logs", "effect": "NoSchedule"}],
            "labels": {"team": "security"},
        },
    )["spec"]
    assert isinstance(spec, dict)
    assert spec["sinks"][1] == {"name": "siem", "http": {"url": "https://siem.example.com/in"}}


def test_defaults_are_filled_in_and_nothing_inside_lists(server: ApiServer) -> None:
    created = _create(server, mode=None, sinks=None)
    assert created["spec"] == {**build_spec(mode="Paused", sinks=None), "format": "Raw"}
    assert created["status"] == {"observedGeneration": -1}


def test_region_may_differ_from_the_queue_only_with_an_endpoint(server: ApiServer) -> None:
    created = _create(server, region="eu-west-1", endpointUrl="http://127.0.0.1:4566")
    assert isinstance(created["spec"], dict)
    assert created["spec"]["region"] == "eu-west-1"


def test_source_shows_what_matters_in_columns(server: ApiServer) -> None:
    server.kubectl("apply", "-f", "-", input=json.dumps(build_source("columns", NAMESPACE)))
    narrow = server.kubectl("get", "cts", "columns", "-n", NAMESPACE).stdout.splitlines()
    wide = server.kubectl("get", "cts", "columns", "-n", NAMESPACE, "-o", "wide").stdout.splitlines()
    assert narrow[0].split() == ["NAME", "MODE", "READY", "REASON", "BACKLOG", "LAG", "AGE"]
    assert wide[0].split() == [*narrow[0].split(), "EVENTS", "PER-SECOND", "BUCKET", "QUEUE", "LAST-ERROR"]
    assert narrow[1].split()[:2] == ["columns", "Test"]


def test_category_and_field_selector_find_sources(server: ApiServer) -> None:
    server.kubectl("apply", "-f", "-", input=json.dumps(build_source("selected", NAMESPACE, mode="Active")))
    by_category = server.kubectl("get", "cloudtrail", "-n", NAMESPACE, "-o", "name").stdout
    by_mode = server.kubectl("get", "cts", "-n", NAMESPACE, "--field-selector", "spec.mode=Active", "-o", "name").stdout
    assert "cloudtrailsource.cloudtrail-operator.io/selected" in by_category.split()
    assert by_mode.split() == ["cloudtrailsource.cloudtrail-operator.io/selected"]


def test_status_cannot_be_written_through_the_spec(server: ApiServer) -> None:
    source = build_source("isolated", NAMESPACE) | {"status": {"observedGeneration": 7}}
    server.kubectl("apply", "-f", "-", input=json.dumps(source))
    found = json.loads(server.kubectl("get", "cts", "isolated", "-n", NAMESPACE, "-o", "json").stdout)
    assert found["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("cts.spec.mode", "ENUM: Paused Test Active"),
        ("cts.spec.filters.fieldSelectors.startsWith", "The field begins with one of these values."),
        ("cts.status.conditions.reason", "One word that says why"),
    ],
)
def test_kubectl_explain_reads_well(server: ApiServer, path: str, words: str) -> None:
    explained = " ".join(server.kubectl("explain", path).stdout.split())
    assert words in explained
