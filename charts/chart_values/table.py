"""Rows of values → a table between two marks of a README; all else in it is written by people."""

import re

from chart_values.rows import Row

_BEGIN = "<!-- values: written by `make generate` from values.yaml -->"
_END = "<!-- end of values -->"
_BETWEEN = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)


def insert_table(readme: str, rows: list[Row]) -> str:
    """Replace what stands between the marks. Raises ValueError when a README lacks them."""
    table = f"{_BEGIN}\n{render_table(rows)}{_END}"
    text, times = _BETWEEN.subn(lambda _: table, readme)
    if times != 1:
        raise ValueError(f"a README needs these two marks, once each: {_BEGIN} and {_END}")
    return text


def render_table(rows: list[Row]) -> str:
    """Render a table in Markdown."""
    lines = [f"| `{row.name}` | {_escape(row.description)} | `{_escape(row.default)}` |" for row in rows]
    return "\n".join(["| value | what it does | default |", "|---|---|---|", *lines]) + "\n"


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
