import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudtrail_spec.crd import BACKFILL_PLURAL, PLURAL, build_crds, render_yaml

ROOT = Path(__file__).parents[3]
FOLDERS = (ROOT / "crds", ROOT / "charts" / "cloudtrail-operator" / "files")
KINDS = (PLURAL, BACKFILL_PLURAL)
NOTES = f"{PLURAL}.status.operator"


def _schema(plural: str) -> dict[str, Any]:
    version: dict[str, Any] = build_crds()[plural]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return version


def _nodes(
    node: dict[str, Any], path: str = "", *, in_list: bool = False
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    yield path, node, in_list
    for name, part in node.get("properties", {}).items():
        yield from _nodes(part, f"{path}.{name}", in_list=in_list)
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            yield from _nodes(node[name], f"{path}[]", in_list=True)


SPEC_AND_STATUS = [
    entry
    for plural in KINDS
    for entry in _nodes(_schema(plural), plural)
    if entry[0].startswith((f"{plural}.spec", f"{plural}.status"))
]


@pytest.mark.parametrize("folder", FOLDERS, ids=["crds", "chart"])
@pytest.mark.parametrize("plural", KINDS)
def test_checked_in_yaml_is_what_the_models_say(folder: Path, plural: str) -> None:
    text = (folder / f"{plural}.yaml").read_text(encoding="utf-8")
    assert text == render_yaml(build_crds()[plural]), "stale: run `make generate`"


def test_every_field_explains_itself() -> None:
    silent = [path for path, node, _ in SPEC_AND_STATUS if not node.get("description") and not path.endswith("[]")]
    assert silent == []


def test_every_string_list_map_and_number_is_bounded() -> None:
    """Unbounded parts make the API server refuse CEL rules for their cost."""
    bounds = {"string": ("maxLength", "enum", "format"), "array": ("maxItems",), "integer": ("maximum",)}
    unbounded = [
        path
        for path, node, _ in SPEC_AND_STATUS
        if not any(bound in node for bound in bounds.get(node.get("type", ""), (node.get("type"), "type")))
        or ("additionalProperties" in node and "maxProperties" not in node and path != NOTES)
    ]
    assert unbounded == []


def test_nothing_inside_a_list_has_a_default() -> None:
    """An injected default there makes Argo CD and Flux see a difference for ever."""
    assert [path for path, node, in_list in SPEC_AND_STATUS if in_list and "default" in node] == []


def test_numbers_have_a_format() -> None:
    assert [path for path, node, _ in SPEC_AND_STATUS if node.get("type") == "integer" and "format" not in node] == []


@pytest.mark.parametrize("plural", KINDS)
def test_resource_that_nobody_looked_at_is_not_current(plural: str) -> None:
    assert _schema(plural)["properties"]["status"]["default"] == {"observedGeneration": -1}


@pytest.mark.parametrize("plural", KINDS)
def test_client_side_apply_can_carry_the_crd(plural: str) -> None:
    """kubectl apply keeps the manifest in an annotation, which may have 262,144 bytes."""
    assert len(json.dumps(build_crds()[plural])) < 200_000
