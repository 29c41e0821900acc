"""T-64: an upgrade of the operator replaces no collector pod unless a person decided so."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.core.configuration import LARGEST_BYTES, find_excess, render_config
from cloudtrail_operator.core.desired import build_desired
from cloudtrail_operator.core.source import SpecProblem, parse_spec
from cloudtrail_operator.core.workload import CollectorDefaults
from cloudtrail_spec.pipeline import PipelineSpec
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.field_edits import CONFIG, EDITS, Edit, dig, list_fields
from support.observations import observe_source
from support.sources import build_filter, build_spec

ROOT = Path(__file__).parents[3]
HASHES = ROOT / "tests" / "golden" / "template-hashes.json"
DEFAULTS = CollectorDefaults(image="example.com/cloudtrail-collector:1")
KINDS = {"deployment": "Deployment", "serviceaccount": "ServiceAccount", "hpa": "HorizontalPodAutoscaler"}
PIPELINE_EDITS = [edit for edit in EDITS if edit.kind == CONFIG]


def _parse(spec: dict[str, Any]) -> CloudTrailSourceSpec:
    parsed = parse_spec(spec)
    assert isinstance(parsed, CloudTrailSourceSpec), parsed
    return parsed


def _hash_template(edit: Edit) -> str:
    return build_desired(observe_source(), _parse(edit.build_spec()), DEFAULTS).template_hash


def test_pods_of_every_kind_of_source_keep_their_template_hash() -> None:
    """Each edit of a field is a source of its own here.

    A hash that differs means that every collector pod of such sources is replaced when the operator is upgraded: say so
    in the CHANGELOG, then write the file anew with UPDATE_HASHES=1. New fields only add lines.
    """
    found = {edit.field: _hash_template(edit) for edit in EDITS}
    if os.environ.get("UPDATE_HASHES"):
        HASHES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    known = json.loads(HASHES.read_text(encoding="utf-8"))
    assert {name: found[name] for name in known} == known
    assert found.keys() == known.keys(), "run this with UPDATE_HASHES=1"


def test_every_field_of_the_spec_has_an_edit() -> None:
    crd = yaml.safe_load((ROOT / "crds" / "cloudtrailsources.yaml").read_text(encoding="utf-8"))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert sorted(edit.field for edit in EDITS) == sorted(list_fields(schema))


@pytest.mark.parametrize("edit", PIPELINE_EDITS, ids=lambda edit: edit.field)
def test_configuration_holds_what_was_edited_and_loads_as_the_same(edit: Edit) -> None:
    spec = _parse(edit.build_spec())
    text = render_config(spec)
    assert PipelineSpec.model_validate_json(text) == spec.to_pipeline()
    assert dig(json.loads(text), edit.field) is not None


@pytest.mark.parametrize("edit", [edit for edit in EDITS if edit.kind != CONFIG], ids=lambda edit: edit.field)
def test_other_fields_end_in_a_child(edit: Edit) -> None:
    manifests = build_desired(observe_source(), _parse(edit.build_spec()), DEFAULTS).manifests
    assert any(edit.has_arrived(item) for item in manifests if item["kind"] == KINDS[edit.kind])


def test_a_default_that_is_written_out_changes_nothing() -> None:
    """So a field that a later version adds, with a default, changes no configuration of today."""
    schema = yaml.safe_load((ROOT / "crds" / "cloudtrailsources.yaml").read_text(encoding="utf-8"))
    fields = schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    defaults = {name: part["default"] for name, part in fields.items() if "default" in part and name != "mode"}
    assert defaults
    assert render_config(_parse(build_spec(**defaults))) == render_config(_parse(build_spec()))


def _build_rules(count: int, values: int) -> list[dict[str, Any]]:
    texts = [f"{number:05}" + "x" * 195 for number in range(values)]
    return [build_filter(f"rule-{number}", equals=texts) for number in range(count)]


def test_configuration_that_no_config_map_holds_is_refused_in_words() -> None:
    """T-58."""
    problem = parse_spec(build_spec(filters=_build_rules(60, 100)))
    assert isinstance(problem, SpecProblem)
    assert f"{LARGEST_BYTES:,}" in problem.sentences[0]
    assert find_excess(_parse(build_spec(filters=_build_rules(40, 100)))) is None


def test_the_largest_spec_is_judged_within_a_second() -> None:
    """T-59: of CPU, so that a busy machine makes no difference; nothing outside of the process is asked."""
    patterns = [f"^{number:03}[a-z]+x*$" for number in range(16)]
    selectors = [{"field": f"requestParameters.f{number}", "matches": patterns} for number in range(16)]
    rules = [{"name": f"rule-{number}", "action": "Drop", "fieldSelectors": selectors} for number in range(64)]
    specs = [build_spec(filters=rules), build_spec(filters=_build_rules(50, 100))]
    for spec in specs:
        started = time.process_time()
        assert isinstance(parse_spec(spec), CloudTrailSourceSpec)
        assert time.process_time() - started < 1
