"""cloudtrail-sources: values become resources, with what they share merged in; its schema is that of the CRDs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from chart_values.source_schema import convert
from cloudtrail_spec.crd import build_source_crd
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.chart_values import SOURCES, Values
from support.helm import SOURCES_CHART, Helm, HelmError

Manifest = dict[str, Any]

NAMESPACE = "security"
SPEC = SOURCES["one"]["sources"]["trail"]["spec"]


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    return Helm(4, tmp_path)


def _render(helm: Helm, values: Values) -> dict[tuple[str, str], Manifest]:
    documents = helm.render(SOURCES_CHART, values, namespace=NAMESPACE, release="trails")
    return {(item["kind"], item["metadata"]["name"]): item for item in documents}


def test_nothing_is_rendered_from_nothing(helm: Helm) -> None:
    assert _render(helm, {}) == {}


def test_a_source_is_what_its_values_say(helm: Helm) -> None:
    source = _render(helm, SOURCES["one"])["CloudTrailSource", "trail"]
    assert source["apiVersion"] == "cloudtrail-operator.io/v1alpha1"
    assert source["spec"] == SPEC
    assert source["metadata"] == {
        "name": "trail",
        "namespace": NAMESPACE,
        "labels": {
            "helm.sh/chart": "cloudtrail-sources-0.1.0",
            "app.kubernetes.io/name": "cloudtrail-sources",
            "app.kubernetes.io/instance": "trails",
            "app.kubernetes.io/version": "0.1.0",
            "app.kubernetes.io/component": "source",
            "app.kubernetes.io/part-of": "cloudtrail-operator",
            "app.kubernetes.io/managed-by": "Helm",
        },
    }


def test_what_sources_share_is_merged_and_their_own_wins(helm: Helm) -> None:
    values = {
        "sourceDefaults": SPEC
        | {
            "mode": "Test",
            "collector": {"replicas": 3, "resources": {"limits": {"memory": "1Gi"}}},
            "test": {"maxMessages": 100000},
        },
        "sources": {
            "plain": {},
            "own": {
                "spec": {
                    "mode": "Active",
                    "collector": {"resources": {"limits": {"cpu": "1"}}, "logLevel": "Debug"},
                    "sinks": [{"name": "none", "discard": {}}],
                }
            },
        },
    }
    rendered = _render(helm, values)
    assert rendered["CloudTrailSource", "plain"]["spec"] == values["sourceDefaults"]
    assert rendered["CloudTrailSource", "own"]["spec"] == SPEC | {
        "mode": "Active",
        "collector": {"replicas": 3, "resources": {"limits": {"memory": "1Gi", "cpu": "1"}}, "logLevel": "Debug"},
        "test": {"maxMessages": 100000},
        "sinks": [{"name": "none", "discard": {}}],
    }


def test_zero_and_false_win_over_what_is_shared(helm: Helm) -> None:
    """Sprig's merging would take them for absent."""
    values = {
        "sourceDefaults": {"scaling": {"min": 2}, "raw": {"metadata": True}},
        "sources": {"a": {"spec": {"scaling": {"min": 0, "max": 4}, "raw": {"metadata": False}}}},
    }
    spec = _render(helm, values)["CloudTrailSource", "a"]["spec"]
    assert spec == {"scaling": {"min": 0, "max": 4}, "raw": {"metadata": False}}


def test_labels_and_annotations_of_one_win_over_those_of_all(helm: Helm) -> None:
    rendered = _render(helm, SOURCES["two that share"])
    test, data = (rendered["CloudTrailSource", name]["metadata"] for name in ("trail", "data-events"))
    assert test["labels"].items() >= {"team": "security", "stage": "test"}.items()
    assert "stage" not in data["labels"]
    assert test["annotations"] == {"example.com/owner": "security"}
    assert data["annotations"] == {"example.com/owner": "data"}


def test_null_takes_a_source_out(helm: Helm) -> None:
    assert _render(helm, {"sources": {"a": {"spec": SPEC}, "b": None}}).keys() == {("CloudTrailSource", "a")}


def test_backfills_are_rendered_like_sources(helm: Helm) -> None:
    rendered = _render(helm, SOURCES["with backfills"])
    backfill = rendered["CloudTrailBackfill", "last-month"]
    assert backfill["spec"] == {"sourceRef": {"name": "trail"}, "interval": "30d"}
    assert backfill["metadata"]["labels"]["app.kubernetes.io/component"] == "backfill"


def test_every_field_of_a_spec_is_known(helm: Helm) -> None:
    """The schema has the model's fields, no more and no fewer."""
    schema = convert(build_source_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"], merged=True)
    fields = {field.alias or name for name, field in CloudTrailSourceSpec.model_fields.items()}
    assert schema["properties"]["spec"]["properties"].keys() == fields


def test_what_stands_in_a_list_must_be_whole_but_a_spec_need_not(helm: Helm) -> None:
    """What a spec lacks may stand in the defaults; an entry of a list is not merged with anything."""
    _render(helm, {"sources": {"a": {"spec": {"mode": "Test"}}}})
    with pytest.raises(HelmError, match="name"):
        _render(helm, {"sources": {"a": {"spec": {"sinks": [{"stdout": {}}]}}}})


def test_notes_say_in_which_mode_each_source_is(helm: Helm) -> None:
    values = {"sourceDefaults": {"mode": "Test"}, "sources": {"a": {"spec": {"mode": "Active"}}, "b": {}}}
    notes = helm.run("install", "t", SOURCES_CHART, "--dry-run=client", values=yaml.safe_load(yaml.safe_dump(values)))
    assert "\n  a: Active\n  b: Test\n" in notes
    assert "WARNING" not in notes
    assert "WARNING: there are no sources yet" in helm.run("install", "t", SOURCES_CHART, "--dry-run=client", values={})
