"""Dashboards as data → JSON that Grafana imports. Panels flow from left to right, in rows of 24 columns."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

COLUMNS = 24
SCHEMA_VERSION = 39
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression and the name of each of its series; a series without a name is named by Grafana."""

    expr: str
    legend: str = "__auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel: a kind of Grafana's, and the unit that all its queries have.

    `bad_from` colours values from there on red; `stacked` adds series up.
    """

    title: str
    description: str
    queries: Sequence[Query]
    unit: str
    kind: str = "timeseries"
    width: int = 8
    height: int = 7
    bad_from: float | None = None
    stacked: bool = False

    def build(self, number: int, x: int, y: int) -> Json:
        """Build the panel at a place of the grid."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": _SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": self._build_defaults(), "overrides": []},
            "options": self._build_options(),
            "targets": [self._build_target(index, query) for index, query in enumerate(self.queries)],
        } | ({"transformations": _TABLE_COLUMNS} if self.kind == "table" else {})

    def _build_target(self, index: int, query: Query) -> Json:
        is_series = self.kind == "timeseries"
        return {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend,
            "range": is_series,
            "instant": not is_series,
            "format": "table" if self.kind == "table" else "time_series",
        }

    def _build_defaults(self) -> Json:
        steps: list[Json] = [{"color": "green" if self.bad_from is not None else "text", "value": None}]
        if self.bad_from is not None:
            steps.append({"color": "red", "value": self.bad_from})
        defaults: Json = {"unit": self.unit, "thresholds": {"mode": "absolute", "steps": steps}}
        if self.kind == "timeseries":
            stacking = {"mode": "normal" if self.stacked else "none"}
            fill = 30 if self.stacked else 8
            defaults |= {
                "min": 0,
                "color": {"mode": "palette-classic"},
                "custom": {"drawStyle": "line", "fillOpacity": fill, "stacking": stacking, "showPoints": "never"},
            }
        return defaults

    def _build_options(self) -> Json:
        if self.kind == "timeseries":
            legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        if self.kind == "table":
            return {"showHeader": True, "cellHeight": "sm"}
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "orientation": "auto", "colorMode": "value"}


_TABLE_COLUMNS = [{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}]


@dataclass(frozen=True, slots=True)
class Row:
    """A headline and the panels below it."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable whose values are those of a label; `is_multi` ones begin with all."""

    name: str
    label_values: str
    is_multi: bool = True

    def build(self) -> Json:
        """Build the variable."""
        shared: Json = {
            "type": "query",
            "name": self.name,
            "label": self.name.capitalize(),
            "datasource": _SOURCE,
            "query": f"label_values({self.label_values})",
            "refresh": 2,
            "sort": 1,
            "multi": self.is_multi,
            "includeAll": self.is_multi,
        }
        if self.is_multi:
            shared |= {"allValue": ".+", "current": {"text": "All", "value": "$__all"}}
        return shared


@dataclass(frozen=True, slots=True)
class Figure:
    """A variable that whoever looks may overwrite, such as a price."""

    name: str
    label: str
    value: str

    def build(self) -> Json:
        """Build the variable."""
        current = {"text": self.value, "value": self.value}
        return {
            "type": "textbox",
            "name": self.name,
            "label": self.label,
            "query": self.value,
            "current": current,
            "options": [current | {"selected": True}],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A dashboard. `name` is its file and the end of its address, and must stay."""

    name: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Choice | Figure] = field(default_factory=tuple)

    def render(self) -> str:
        """Render the JSON."""
        return json.dumps(self._build(), indent=2, ensure_ascii=False) + "\n"

    def _build(self) -> Json:
        source = {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}
        return {
            "uid": f"cloudtrail-{self.name}",
            "title": self.title,
            "description": self.description,
            "tags": ["cloudtrail-operator"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": True,
            "refresh": "1m",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "links": [_LINKS],
            "templating": {"list": [source, *(variable.build() for variable in self.variables)]},
            "panels": _place(self.rows),
        }


_LINKS = {
    "type": "dashboards",
    "title": "CloudTrail",
    "tags": ["cloudtrail-operator"],
    "asDropdown": True,
    "keepTime": True,
    "includeVars": True,
}


def _place(rows: Sequence[Row]) -> list[Json]:
    """Give every panel its number and its place."""
    built: list[Json] = []
    y = 0
    for row in rows:
        place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        built.append({"id": len(built) + 1, "type": "row", "title": row.title, "collapsed": False, "gridPos": place})
        x, y, lowest = 0, y + 1, y + 1
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y = 0, lowest
            built.append(panel.build(len(built) + 1, x, y))
            x, lowest = x + panel.width, max(lowest, y + panel.height)
        y = lowest
    return built
