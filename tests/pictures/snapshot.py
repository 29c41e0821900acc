"""A dashboard and a Prometheus that has watched something → what its panels show, as data."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from support.dashboard_queries import fill_in
from support.prometheus_server import Prometheus

Json = dict[str, Any]

STEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Series:
    """Values over time, or one; `labels` are what the query left."""

    name: str
    labels: dict[str, str]
    times: list[float]
    values: list[float]

    @property
    def last(self) -> float:
        """The newest value; NaN when there is none."""
        return self.values[-1] if self.values else math.nan


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel stands on the grid of 24 columns."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PanelData:
    """A panel with what its queries gave."""

    title: str
    kind: str
    unit: str
    place: Place
    is_stacked: bool
    bad_from: float | None
    series: list[Series]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole dashboard."""

    name: str
    title: str
    chosen: dict[str, str]
    begin: float
    end: float
    panels: list[PanelData]


def take_snapshot(
    prometheus: Prometheus, name: str, dashboard: Json, chosen: Mapping[str, str], span: tuple[float, float]
) -> Snapshot:
    """Ask every query of every panel. `chosen` are the values of the variables, Grafana's own among them."""
    panels = [_ask(prometheus, dashboard, panel, chosen, span) for panel in dashboard["panels"]]
    shown = {key: value for key, value in chosen.items() if not key.startswith("__")}
    return Snapshot(name, dashboard["title"], shown, *span, panels)


def write_snapshots(path: Path, snapshots: list[Snapshot]) -> None:
    """Keep them, so that they can be drawn again."""
    path.write_bytes(msgspec.json.encode(snapshots))


def read_snapshots(path: Path) -> list[Snapshot]:
    """Read what `write_snapshots` has kept."""
    return msgspec.json.decode(path.read_bytes(), type=list[Snapshot])


def _ask(
    prometheus: Prometheus, dashboard: Json, panel: Json, chosen: Mapping[str, str], span: tuple[float, float]
) -> PanelData:
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    series = [
        found
        for target in panel.get("targets", [])
        for found in _run(prometheus, target, fill_in(dashboard, target["expr"], chosen), span)
    ]
    place = panel["gridPos"]
    return PanelData(
        title=panel["title"],
        kind=panel["type"],
        unit=defaults.get("unit", "none"),
        place=Place(place["x"], place["y"], place["w"], place["h"]),
        is_stacked=defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal",
        bad_from=next((step["value"] for step in defaults.get("thresholds", {}).get("steps", [])[1:]), None),
        series=series,
    )


def _run(prometheus: Prometheus, target: Json, expr: str, span: tuple[float, float]) -> list[Series]:
    if target["range"]:
        found = [(one["metric"], one["values"]) for one in prometheus.query_range(expr, *span, STEP_SECONDS)]
    else:
        found = [(one["metric"], [one["value"]]) for one in prometheus.query(expr, at=span[1])]
    return [_build_series(target["legendFormat"], labels, points) for labels, points in found]


def _build_series(legend: str, labels: dict[str, str], points: list[tuple[float, str]]) -> Series:
    known = [(when, value) for when, text in points if math.isfinite(value := float(text))]
    name = re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend)
    return Series(name, labels, [when for when, _ in known], [value for _, value in known])
