"""docs/reference has a page for each CRD, made of it, with every field that it has."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cloudtrail_spec.reference import build_page, build_pages, main, read_crd
from support.pages import ROOT, list_anchors, list_links

CRDS = ROOT / "crds"
PAGES = ROOT / "docs" / "reference"
HOWTO = "stale: run `make generate`"


def list_fields(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, part in schema.get("properties", {}).items():
        yield name
        yield from list_fields(part)
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, Mapping):
            yield from list_fields(inner)


def test_pages_are_what_the_crds_say() -> None:
    made = dict(build_pages(CRDS))
    assert set(made) == {page.name for page in PAGES.glob("*.md")}, HOWTO
    for name, text in made.items():
        assert (PAGES / name).read_text(encoding="utf-8") == text, HOWTO


@pytest.mark.parametrize("file", sorted(CRDS.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_field_is_explained(file: Path) -> None:
    crd = read_crd(file)
    text = build_page(crd, file.name)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    fields = {field for part in ("spec", "status") for field in list_fields(schema[part])}
    assert [field for field in sorted(fields) if f"`{field}`" not in text] == []
    rows = [line for line in text.splitlines() if line.startswith(("| `", "| [`"))]
    assert len(rows) > len(fields) / 2
    assert [row for row in rows if row.endswith("|  |")] == [], "a field has no description"


@pytest.mark.parametrize("file", sorted(CRDS.glob("*.yaml")), ids=lambda file: file.stem)
def test_objects_are_linked_to_their_fields(file: Path) -> None:
    text = build_page(read_crd(file), file.name)
    links = list_links(text)
    assert links
    assert {link.removeprefix("#") for link in links} <= list_anchors(text)


def test_a_schema_becomes_a_table() -> None:
    secret = {
        "type": "object",
        "required": ["key"],
        "properties": {"key": {"type": "string", "minLength": 1, "maxLength": 63, "description": "A | b <c>."}},
    }
    spec = {
        "type": "object",
        "properties": {
            "mode": {"type": "string", "enum": ["A", "B"], "default": "A", "description": "Which."},
            "count": {"type": "integer", "minimum": 0, "maximum": 5000, "default": 3, "description": "How many."},
            "secrets": {"type": "array", "maxItems": 2, "items": secret, "description": "Some."},
            "other": secret | {"description": "The same."},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Any."},
        },
        "x-kubernetes-validations": [{"rule": "x", "message": "once"}, {"rule": "y", "message": "once"}],
    }
    status = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time", "description": "When."}}}
    root = {"description": "A thing.", "properties": {"spec": spec, "status": status}}
    crd = {
        "spec": {
            "group": "example.org",
            "names": {"kind": "Thing", "shortNames": ["th"]},
            "versions": [{"name": "v1", "schema": {"openAPIV3Schema": root}}],
        }
    }
    text = build_page(crd, "things.yaml")
    assert "| `mode` | `A` \\| `B` | `A` | Which. |" in text
    assert "| `count` | integer (0 to 5,000) | `3` | How many. |" in text
    assert "| [`secrets`](#specsecrets) | list (≤ 2) of object |  | Some. |" in text
    assert "| [`other`](#specsecrets) | object |  | The same. |" in text
    assert "| `labels` | map of string |  | Any. |" in text
    assert "### spec.secrets[]\n" in text
    assert "| `key` | string (1 to 63) | needed | A \\| b &lt;c>. |" in text
    assert text.count("- once\n") == 1
    assert "| `at` | time |  | When. |" in text


def test_the_command_says_how_it_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: " in capsys.readouterr().err
    assert main([str(CRDS), str(tmp_path / "made")]) == 0
    assert sorted(page.name for page in (tmp_path / "made").iterdir()) == sorted(dict(build_pages(CRDS)))
