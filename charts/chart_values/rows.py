"""values.yaml → a row for each value: its name, its default, and what the comment above it says.

A comment that begins with `# --` describes the key below it, over as many lines as begin with `#`. A mapping without such a
comment is looked into; a described one is a value as it is. A value without a description is a mistake.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

_MARK = "# --"
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


class UndescribedError(ValueError):
    """Values without a description; the text names them all."""


@dataclass(frozen=True, slots=True)
class Row:
    """One value."""

    name: str
    default: str
    description: str


def read_rows(text: str) -> list[Row]:
    """Read the rows of a values.yaml. Raises UndescribedError."""
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101  (a chart's values are a mapping)
    rows = list(_read_mapping(root, text.splitlines(), ""))
    if undescribed := [row.name for row in rows if not row.description]:
        raise UndescribedError(f"values without a comment that begins with {_MARK!r}: {', '.join(undescribed)}")
    return rows


def _read_mapping(mapping: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[Row]:
    for key, value in mapping.value:
        name = f"{prefix}.{key.value}".lstrip(".") if _PLAIN_KEY.fullmatch(key.value) else f'{prefix}["{key.value}"]'
        description = _read_comment(lines, key.start_mark.line)
        if isinstance(value, yaml.MappingNode) and not value.flow_style and not description:
            yield from _read_mapping(value, lines, name)
        else:
            yield Row(name, _show(value), description)


def _read_comment(lines: list[str], line: int) -> str:
    """Read the comment right above a line, from the last mark on; empty when there is none."""
    found: list[str] = []
    for above in reversed(lines[:line]):
        text = above.strip()
        if not text.startswith("#"):
            return ""
        if text.startswith(_MARK):
            return " ".join([text.removeprefix(_MARK).strip(), *reversed(found)])
        found.append(text.removeprefix("#").strip())
    return ""


def _show(node: yaml.Node) -> str:
    loader = yaml.SafeLoader("")
    return json.dumps(loader.construct_document(node), ensure_ascii=False)
