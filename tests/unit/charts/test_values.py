"""values.yaml, its schema and its table in the README say the same; what is generated is what the generator writes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart_values.__main__ import main, render
from chart_values.rows import Row, UndescribedError, read_rows
from chart_values.table import insert_table, render_table
from support.helm import CHARTS, OPERATOR_CHART, SOURCES_CHART

JSON = dict[str, Any]

TEXT = """
# A heading, which describes nothing.
image:
  # -- Where it is.
  repository: r/o
  # -- What tells it from others:
  # a tag | a digest.
  tag: ""
# -- All of them.
labels: {a.b/c: "1"}
# -- Described as a whole.
resources:
  limits: {memory: 1Gi}
"""


def test_values_become_rows() -> None:
    assert read_rows(TEXT) == [
        Row("image.repository", '"r/o"', "Where it is."),
        Row("image.tag", '""', "What tells it from others: a tag | a digest."),
        Row("labels", '{"a.b/c": "1"}', "All of them."),
        Row("resources", '{"limits": {"memory": "1Gi"}}', "Described as a whole."),
    ]


def test_values_without_a_description_are_all_named() -> None:
    with pytest.raises(UndescribedError, match=r"image\.tag, labels$"):
        read_rows("image:\n  tag: 1\n# Nothing.\nlabels: {}\n# -- Something.\nx: 1\n")


def test_a_comment_above_an_empty_line_describes_nothing() -> None:
    with pytest.raises(UndescribedError, match=r"a$"):
        read_rows("# -- Far away.\n\na: 1\n")


def test_table_stands_between_the_marks_and_leaves_the_rest() -> None:
    readme = SOURCES_CHART.joinpath("README.md").read_text(encoding="utf-8")
    (row,) = rows = [Row("a.b", '"x"', "one | other")]
    text = insert_table(readme, rows)
    assert '| `a.b` | one \\| other | `"x"` |\n' in text
    assert insert_table(text, rows) == text
    assert text.partition("<!-- values")[0] == readme.partition("<!-- values")[0]
    assert row.name in render_table(rows)
    with pytest.raises(ValueError, match="marks"):
        insert_table("# no marks\n", rows)


def test_what_is_generated_is_fresh() -> None:
    """HE-03: `make generate` writes it."""
    stale = [path.name for path, text in render(CHARTS).items() if path.read_text(encoding="utf-8") != text]
    assert stale == []


def test_generator_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "python -m chart_values CHARTS" in capsys.readouterr().err


def _list_paths(schema: JSON, root: JSON, prefix: str = "") -> set[str]:
    """List the values of a schema: objects with fixed fields are looked into."""
    found: set[str] = set()
    for name, inner in schema.get("properties", {}).items():
        resolved = root["definitions"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
        path = f"{prefix}{name}"
        fixed = "properties" in resolved and path not in ("resources", "affinity")
        found |= _list_paths(resolved, root, f"{path}.") if fixed else {path}
    return found


def _read_schema(chart: Path) -> JSON:
    schema: JSON = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))
    return schema


def test_schema_and_values_of_the_operator_chart_name_the_same() -> None:
    schema = _read_schema(OPERATOR_CHART)
    rows = read_rows((OPERATOR_CHART / "values.yaml").read_text(encoding="utf-8"))
    assert _list_paths(schema, schema) == {row.name for row in rows} | {"global"}


def test_schema_and_values_of_the_sources_chart_name_the_same() -> None:
    values = yaml.safe_load((SOURCES_CHART / "values.yaml").read_text(encoding="utf-8"))
    assert _read_schema(SOURCES_CHART)["properties"].keys() == values.keys() | {"global"}


def _list_loose(schema: Any, path: str = "") -> list[str]:
    """List the objects whose fields are named, but not closed."""
    if isinstance(schema, list):
        return [loose for number, item in enumerate(schema) for loose in _list_loose(item, f"{path}/{number}")]
    if not isinstance(schema, dict):
        return []
    own = [path] if "properties" in schema and schema.get("additionalProperties") is not False else []
    inner = [loose for key, value in schema.items() for loose in _list_loose(value, f"{path}/{key}")]
    return own + inner


@pytest.mark.parametrize("chart", [OPERATOR_CHART, SOURCES_CHART], ids=lambda chart: chart.name)
def test_no_object_of_known_fields_takes_others(chart: Path) -> None:
    """HE-02. What stands beside `$ref` in an allOf only adds to it."""
    loose = [path for path in _list_loose(_read_schema(chart)) if "/allOf/" not in path]
    assert loose == []
