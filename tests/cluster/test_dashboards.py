"""Every query of every dashboard, on a real Prometheus that scrapes a running operator and its collectors."""

import gzip
import json
import math
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.http_sink import HttpSinkServer
from localcluster.aws import running_aws
from localcluster.cluster import OPERATOR_NAMESPACE, OPERATOR_RELEASE, LocalCluster, render_chart
from localcluster.corpus import LogFile, generate_log_files
from localcluster.prometheus import PrometheusPrograms
from localcluster.trail import Trail, create_trail, wait_until
from pictures.drawing import draw_dashboard
from pictures.snapshot import take_snapshot
from support.backfills import build_backfill
from support.dashboard_queries import fill_in
from support.digest_chain import DigestChain, build_integrity
from support.prometheus import require_prometheus
from support.prometheus_server import Prometheus, build_scrapes, running_prometheus

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "cloudtrail-operator"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in (CHART / "files" / "dashboards").glob("*.json")}
NAMESPACE, SOURCE = "dashboards", "trail"
OPERATOR_SELECTOR = "app.kubernetes.io/name=cloudtrail-operator"
OWN_INFO = f'cloudtrail_source_info{{namespace="{NAMESPACE}"}}'  # others may have left sources to the same operator
LABELS = ["EventName", "EventSource", "Region", "AccountID", "ErrorCode", "IdentityType"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """A source about which there is something to say, and the Prometheus that watches it."""

    trail: Trail
    prometheus: Prometheus
    dashboards: dict[str, Json]


@pytest.fixture(scope="module")
def programs() -> PrometheusPrograms:
    return require_prometheus()


@pytest.fixture(scope="module")
def scene(
    programs: PrometheusPrograms, operator: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Files arrive, some of which are broken or gone; a sink refuses events; filters, masks and metrics have work."""
    switched_on = {name: {"enabled": True} for name in ("monitors", "prometheusRule", "dashboards")}
    rendered = render_chart(CHART, release=OPERATOR_RELEASE, namespace=OPERATOR_NAMESPACE, values=switched_on)
    shipped = {
        name: json.loads(text) for item in rendered if _is_dashboard(item) for name, text in item["data"].items()
    }
    rules = [item["spec"] for item in rendered if item["kind"] == "PrometheusRule"]
    directory = tmp_path_factory.mktemp("prometheus")
    operator.kubectl("create", "namespace", NAMESPACE)
    with (
        running_aws("ministack", tmp_path_factory.mktemp("aws")) as aws,
        HttpSinkServer() as sink,
        HttpSinkServer() as rejects,
        running_prometheus(programs, build_scrapes(rendered), rules, directory) as prometheus,
    ):
        trail = create_trail(operator, aws, namespace=NAMESPACE, name=SOURCE, storage_name=NAMESPACE)
        sink.decide = lambda body: 400 if b"REFUSE-ME" in body else 200
        trail.apply("Paused", **_build_spec(sink, rejects))
        _announce_in_vain(trail)
        trail.apply("Active", **_build_spec(sink, rejects))
        trail.wait_ready()
        prometheus.discover([*operator.pods(OPERATOR_NAMESPACE), *trail.list_pods()])
        wait_until("Prometheus to see the collector", lambda: _is_up(prometheus), timeout=60)
        # An increase is seen from the first scrape on, not what was counted before.
        _upload(trail)
        wait_until("events to be delivered", lambda: len(sink.count_events()) > 100, timeout=60)
        _prove(trail)
        _backfill(trail)
        yield Scene(trail, prometheus, shipped)
    operator.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _is_dashboard(item: Json) -> bool:
    labels: dict[str, str] = item["metadata"]["labels"]
    return item["kind"] == "ConfigMap" and labels.get("grafana_dashboard") == "1"


def _is_up(prometheus: Prometheus) -> bool:
    return bool(prometheus.query(f'up{{job="cloudtrail-collector",source="{SOURCE}"}} == 1'))


def _build_spec(sink: HttpSinkServer, rejects: HttpSinkServer) -> Json:
    everything = [{"field": "eventID", "startsWith": [""]}]
    return {
        "sinks": [{"name": "siem", "http": {"url": sink.url}}],
        "deadLetterSink": {"name": "rejects", "http": {"url": rejects.url}},
        "filters": [{"name": "noise", "ruleSet": "read-only-noise"}],
        "mask": [{"preset": "SourceIPs"}],
        "integrity": build_integrity("Report"),
        "metrics": [
            {"name": "cis", "preset": "cis-aws-foundations"},
            {"name": "all", "fieldSelectors": everything, "labels": LABELS},
        ],
    }


def _prove(trail: Trail) -> None:
    """Bring signed digest files of two hours; a log file that they name is gone."""
    chain = DigestChain(bucket=trail.storage.bucket).add_hours(2, end=datetime.now(UTC))
    chain.delete(chain.logs[0])
    chain.upload(trail.aws.client("s3"))


def _backfill(trail: Trail) -> None:
    """Backfill what a week ago brought: a few files."""
    week_ago = datetime.now(UTC) - timedelta(days=7)
    trail.upload(generate_log_files(3, seed=22, end=week_ago))
    spec = {"sourceRef": {"name": trail.name}, "interval": "8d-6d", "shares": 1, "parallelism": 1}
    trail.cluster.apply(build_backfill("history", trail.namespace, **spec))
    trail.cluster.kubectl("wait", "ctb/history", "-n", trail.namespace, "--for=condition=Complete", "--timeout=120s")


def _announce_in_vain(trail: Trail) -> None:
    """Upload a log file that is gone when it is asked for."""
    (file,) = generate_log_files(1, seed=20)
    trail.upload([file])
    trail.aws.client("s3").delete_object(Bucket=trail.storage.bucket, Key=file.key)


def _upload(trail: Trail) -> None:
    """Upload log files, a broken one and one with an event that the sink refuses among them."""
    refused, broken, *files = generate_log_files(22, seed=21)
    trail.upload([_refusable(refused), replace(broken, body=b"no gzip"), *files])


def _refusable(file: LogFile) -> LogFile:
    """Put a text that the sink does not like, and an error, into an event that changes something."""
    records = json.loads(gzip.decompress(file.body))["Records"]
    records[0] |= {"userAgent": "REFUSE-ME", "errorCode": "AccessDenied", "readOnly": False}
    return replace(file, body=gzip.compress(json.dumps({"Records": records}).encode()))


def _read_panels(dashboard: Json) -> list[Json]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


QUERIES = [
    pytest.param(name, panel["title"], target["expr"], id=f"{name}: {panel['title']}: {target['refId']}")
    for name, dashboard in sorted(DASHBOARDS.items())
    for panel in _read_panels(dashboard)
    for target in panel["targets"]
]


def _fill_in(dashboard: Json, expr: str) -> str:
    chosen = {"namespace": NAMESPACE, "source": SOURCE, "__rate_interval": "15m", "__range": "15m"}
    return fill_in(dashboard, expr, chosen)


def _has_data(prometheus: Prometheus, expr: str) -> bool:
    return any(not math.isnan(float(series["value"][1])) for series in prometheus.query(expr))


@pytest.mark.parametrize(("name", "title", "expr"), QUERIES)
def test_panel_shows_data(scene: Scene, name: str, title: str, expr: str) -> None:
    filled = _fill_in(scene.dashboards[f"{name}.json"], expr)
    wait_until(f"{title} to show something", lambda: _has_data(scene.prometheus, filled), timeout=45)


def test_dashboard_is_drawn_from_what_its_queries_find(scene: Scene, tmp_path: Path) -> None:
    """As the documentation's pictures are."""
    chosen = {"namespace": NAMESPACE, "source": SOURCE, "__rate_interval": "15m", "__range": "15m"}
    now = time.time()
    snapshot = take_snapshot(scene.prometheus, "source", DASHBOARDS["source"], chosen, (now - 30, now))
    found = {panel.title: panel for panel in snapshot.panels}
    assert found.keys() == {panel["title"] for panel in DASHBOARDS["source"]["panels"]}
    assert max(found["Memory"].series[0].values) > 10_000_000
    assert found["Collectors wanted"].series[0].last == 1
    assert {"type": "Ready", "status": "True"} in [series.labels for series in found["Conditions"].series]
    draw_dashboard(snapshot, tmp_path / "source.png")
    assert (tmp_path / "source.png").read_bytes().startswith(b"\x89PNG")


def test_shipped_dashboards_are_the_generated_ones(scene: Scene) -> None:
    assert scene.dashboards == {f"{name}.json": dashboard for name, dashboard in DASHBOARDS.items()}


@pytest.mark.parametrize("name", ["namespace", "source"])
def test_variables_have_the_source_among_their_values(scene: Scene, name: str) -> None:
    for dashboard in scene.dashboards.values():
        (variable,) = (item for item in dashboard["templating"]["list"] if item["name"] == name)
        selector, label = variable["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
        found = {series["metric"][label] for series in scene.prometheus.query(_fill_in(dashboard, selector))}
        assert {"namespace": NAMESPACE, "source": SOURCE}[name] in found


def test_series_say_whose_they_are(scene: Scene) -> None:
    """Collectors by relabelling of the scrape; what the operator tells about sources by its own labels."""
    (pod,) = scene.trail.list_pod_names()
    (operator,) = scene.trail.cluster.pods(OPERATOR_NAMESPACE, OPERATOR_SELECTOR)
    asked = scene.prometheus.query
    (collector,) = asked("cloudtrail_collector_build_info")
    assert collector["metric"].items() >= {
        ("namespace", NAMESPACE), ("source", SOURCE), ("pod", pod), ("job", "cloudtrail-collector"),
    }  # fmt: skip
    (info,) = asked(OWN_INFO)
    assert info["metric"].items() >= {("namespace", NAMESPACE), ("source", SOURCE), ("mode", "Active")}
    (build,) = asked("cloudtrail_operator_build_info")
    assert build["metric"].items() >= {
        ("namespace", OPERATOR_NAMESPACE), ("pod", operator["metadata"]["name"]), ("job", "cloudtrail-operator"),
    }  # fmt: skip
    assert not asked('{__name__=~"cloudtrail_.+",exported_namespace!=""}')


def test_documented_configuration_makes_the_same_labels(
    scene: Scene, programs: PrometheusPrograms, tmp_path: Path
) -> None:
    scrapes = yaml.safe_load((ROOT / "docs" / "observability-scrape.yaml").read_text())["scrape_configs"]
    rules = [yaml.safe_load((CHART / "files" / "prometheus-rules.yaml").read_text())]
    names = ("cloudtrail_collector_build_info", OWN_INFO, "cloudtrail_operator_build_info")

    def read(server: Prometheus, name: str) -> list[Json]:
        """Read the labels, without the one that nothing here needs."""
        return [series["metric"] | {"container": ""} for series in server.query(name)]

    with running_prometheus(programs, scrapes, rules, tmp_path) as by_hand:
        by_hand.discover([*scene.trail.cluster.pods(OPERATOR_NAMESPACE), *scene.trail.list_pods()])
        for name in names:
            wait_until(f"{name} to be scraped", lambda name=name: bool(by_hand.query(name)))  # type: ignore[misc]
            assert read(by_hand, name) == read(scene.prometheus, name)


def test_prometheus_evaluates_every_rule(scene: Scene) -> None:
    rules = scene.prometheus.read_rules()
    assert {rule["health"] for rule in rules} == {"ok"}, [rule for rule in rules if rule["health"] != "ok"]


def test_rules_ask_for_series_that_there_are(scene: Scene) -> None:
    """T-63: an alert on a name or a label that nobody exports can never fire."""
    text = (CHART / "files" / "prometheus-rules.yaml").read_text()
    found = re.findall(r"\b((?:cloudtrail_\w+?_|process_|up\b)\w*)(?:\{([^}]*)\})?(?=[\[ )])", text)
    asked = {(name, label) for name, labels in found for label in re.findall(r"(\w+)!?[=]", labels or "job=")}
    assert len(asked) > 20
    missing = [(name, label) for name, label in asked if not scene.prometheus.query(f'{name}{{{label}!=""}}')]
    assert not missing


def test_alerts_see_what_happened(scene: Scene) -> None:
    """A dead letter and a refused event fire their alerts for the source; an operator that is there is not missed."""

    def fires(name: str) -> bool:
        labels = f'alertname="{name}",alertstate="firing",namespace="{NAMESPACE}",source="{SOURCE}"'
        return bool(scene.prometheus.query(f"ALERTS{{{labels}}}"))

    for name in ("CloudTrailDeadLettering", "CloudTrailSinkRejecting"):
        wait_until(f"{name} to fire", lambda name=name: fires(name), timeout=45)  # type: ignore[misc]
    assert not scene.prometheus.query('ALERTS{alertname=~"CloudTrailOperator.+",alertstate="firing"}')


@pytest.mark.parametrize("program", ["operator", "collector"])
def test_promtool_is_content_with_the_metrics(scene: Scene, programs: PrometheusPrograms, program: str) -> None:
    cluster = scene.trail.cluster
    pods = cluster.pods(OPERATOR_NAMESPACE, OPERATOR_SELECTOR) if program == "operator" else scene.trail.list_pods()
    with urllib.request.urlopen(f"http://{pods[0]['status']['podIP']}:8080/metrics", timeout=10) as answer:
        text = answer.read()
    command = [str(programs.promtool), "check", "metrics"]
    ended = subprocess.run(command, input=text, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr.decode()) == (0, "")
