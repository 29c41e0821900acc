"""Fills a dashboard's variables into an expression, as Grafana does."""

from collections.abc import Mapping
from typing import Any


def fill_in(dashboard: Mapping[str, Any], expr: str, values: Mapping[str, str]) -> str:
    """Fill in what was chosen, and the text boxes as they are at first."""
    boxes = {item["name"]: item["query"] for item in dashboard["templating"]["list"] if item["type"] == "textbox"}
    for name, value in (dict(values) | boxes).items():
        expr = expr.replace(f"${name}", value)
    assert "$" not in expr, expr
    return expr
