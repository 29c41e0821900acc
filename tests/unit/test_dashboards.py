"""What every shipped dashboard keeps to, and what the chart makes of dashboards and monitors. Queries: tests/cluster."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.assets import find_helm
from localcluster.cluster import render_chart

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "cloudtrail-operator"
METRICS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")

Json = dict[str, Any]

DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in (CHART / "files" / "dashboards").glob("*.json")}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, dashboard in sorted(DASHBOARDS.items())
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]


@pytest.mark.parametrize("panel", PANELS)
def test_panel_says_what_it_shows(panel: Json) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]


@pytest.mark.parametrize("panel", PANELS)
def test_panel_fits_every_installation(panel: Json) -> None:
    """The data source is the one that is chosen, and windows fit its scrape interval."""
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        windows = re.findall(r"\[(.+?)\]", re.sub(r"\"[^\"]*\"", "", target["expr"]))
        assert set(windows) <= {"$__rate_interval", "$__range"}
        assert ("rate(" in target["expr"]) == ("$__rate_interval" in target["expr"])
        bare = re.findall(r"\bcloudtrail_(?:collector|operator|source)_[a-z_]+", target["expr"])
        assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in bare} <= set(
            re.findall(r"`(cloudtrail_[a-z_]+)`", METRICS)
        )


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS.keys())
def test_panels_have_places_of_their_own(dashboard: Json) -> None:
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_dashboards_have_addresses_of_their_own() -> None:
    uids = {dashboard["uid"] for dashboard in DASHBOARDS.values()}
    assert len(uids) == len(DASHBOARDS) == 3
    assert all(len(uid) <= 40 for uid in uids)


def _render(**values: Any) -> list[Json]:
    return render_chart(CHART, release="ct", namespace="cloudtrail-system", values=values)


def _monitored(documents: list[Json]) -> list[str]:
    kinds = ("PodMonitor", "PrometheusRule", "ConfigMap")
    return [item["kind"] for item in documents if item["kind"] in kinds]


def test_chart_asks_the_cluster_what_it_has() -> None:
    """helm template is told of no API but Kubernetes' own."""
    assert _monitored(_render()) == []
    everything = {name: {"enabled": True} for name in ("monitors", "prometheusRule", "dashboards")}
    assert sorted(_monitored(_render(**everything))) == [*["ConfigMap"] * 3, *["PodMonitor"] * 2, "PrometheusRule"]
    nothing = {name: {"enabled": False} for name in everything}
    assert _monitored(_render(**nothing)) == []


def test_chart_installs_everything_where_the_prometheus_operator_is() -> None:
    command = [find_helm(), "template", "ct", CHART, "--api-versions", "monitoring.coreos.com/v1"]
    text = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout
    documents = [document for document in yaml.safe_load_all(text) if document]
    assert sorted(_monitored(documents)) == [*["ConfigMap"] * 3, *["PodMonitor"] * 2, "PrometheusRule"]


def test_config_maps_carry_the_dashboards_and_are_small_enough() -> None:
    rendered = _render(dashboards={"enabled": True, "labels": {"a": "b"}, "annotations": {"grafana_folder": "AWS"}})
    maps = [item for item in rendered if item["kind"] == "ConfigMap"]
    assert {Path(key).stem: json.loads(text) for item in maps for key, text in item["data"].items()} == DASHBOARDS
    for item in maps:
        assert item["metadata"]["labels"].items() >= {"grafana_dashboard": "1", "a": "b"}.items()
        assert item["metadata"]["annotations"] == {"grafana_folder": "AWS"}
        assert sum(len(text) for text in item["data"].values()) < 900_000


@pytest.mark.parametrize(
    ("namespaces", "selector"), [([], {"any": True}), (["team-a", "team-b"], {"matchNames": ["team-a", "team-b"]})]
)
def test_monitor_looks_where_collectors_may_be(namespaces: list[str], selector: Json) -> None:
    rendered = _render(watchNamespaces=namespaces, monitors={"enabled": True, "labels": {"release": "kps"}})
    collectors, operator = (item for item in rendered if item["kind"] == "PodMonitor")
    assert collectors["spec"]["namespaceSelector"] == selector
    assert operator["spec"]["namespaceSelector"] == {"matchNames": ["cloudtrail-system"]}
    assert collectors["metadata"]["labels"]["release"] == operator["metadata"]["labels"]["release"] == "kps"


@pytest.mark.parametrize(
    "values",
    [
        {"monitors": {"enabled": "yes"}},
        {"prometheusRule": {"thresholds": {"silentWindow": "2 hours"}}},
        {"prometheusRule": {"thresholds": {"backlog": 1}}},
        {"prometheusRule": {"thresholds": {"lagBudget": 0.5}}},
    ],
    ids=str,
)
def test_wrong_value_is_refused(values: Json) -> None:
    with pytest.raises(RuntimeError, match="values"):
        _render(**values)
