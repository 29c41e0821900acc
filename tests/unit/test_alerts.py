"""Every shipped alert fires when it must and is silent when it must be; what it links to exists; the chart sets limits."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_collector.core.cis_activities import CIS_ACTIVITIES
from cloudtrail_spec.conditions import ConditionStatus, ConditionType
from localcluster.cluster import render_chart
from localcluster.prometheus import PrometheusPrograms
from support.alert_cases import CASES, POD, SOURCE, Case, Series
from support.prometheus import require_prometheus
from support.promtool import AlertTest, run_tests

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "cloudtrail-operator"
RULES = CHART / "files" / "prometheus-rules.yaml"
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
METRICS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")

Rule = dict[str, Any]


def _read_alerts(document: Any) -> dict[str, Rule]:
    return {rule["alert"]: rule for group in document["groups"] for rule in group["rules"] if "alert" in rule}


SHIPPED = yaml.safe_load(RULES.read_text(encoding="utf-8"))
ALERTS = _read_alerts(SHIPPED)
ACTIVITIES = {
    name: re.findall(r"/([a-z-]+)\"", rule["expr"])[0]
    for name, rule in ALERTS.items()
    if name.startswith("CloudTrailCis")
}
# More in a quarter of an hour than these activities may have, and fewer.
MANY = {"unauthorized-api-calls": (25, 15), "console-sign-in-failures": (8, 4)}


def _matches(rule: str, count: int) -> Series:
    labels = ",".join(f'{name}="{value}"' for name, value in POD.items())
    return {f'cloudtrail_collector_event_matches_total{{{labels},rule="{rule}"}}': f"0x20 {count}x20"}


def _build_activity_case(activity: str) -> Case:
    many, few = MANY.get(activity, (1, 0))
    silent = {
        "too few": _matches(f"cis/{activity}", few),
        "another activity": _matches("cis/else", many),
        "a rule of that name": _matches(activity, many),
    }
    return Case(25, _matches(f"any-name/{activity}", many), silent)


ALL_CASES = {**CASES, **{name: _build_activity_case(activity) for name, activity in ACTIVITIES.items()}}


@pytest.fixture(scope="session")
def programs() -> PrometheusPrograms:
    return require_prometheus()


def test_every_alert_has_a_case() -> None:
    """T-63."""
    assert ALL_CASES.keys() == ALERTS.keys()
    assert all(case.silent for case in ALL_CASES.values())


def test_alerts_fire_and_say_what_is_wrong(programs: PrometheusPrograms, tmp_path: Path) -> None:
    """T-63."""
    tests = []
    for name, case in ALL_CASES.items():
        test = AlertTest(SHIPPED, name, case.step)
        test.expect("fires", case.at, case.fires, [test.build_form(case.labels, case.value)])
        tests.append(test)
    problem = run_tests(programs.promtool, tests, tmp_path)
    assert problem is None, problem


def test_alerts_are_silent(programs: PrometheusPrograms, tmp_path: Path) -> None:
    """T-63: on what comes close, and without any series at all, but for the one that says so."""
    tests = []
    for name, case in ALL_CASES.items():
        test = AlertTest(SHIPPED, name, case.step)
        nothing: dict[str, Series] = {} if name == "CloudTrailOperatorDown" else {"no series": {}}
        for why, series in {**case.silent, **nothing}.items():
            test.expect(f"silent: {why}", case.at, series, [])
        tests.append(test)
    problem = run_tests(programs.promtool, tests, tmp_path)
    assert problem is None, problem


def test_a_dead_letter_of_a_file_fires_too(programs: PrometheusPrograms, tmp_path: Path) -> None:
    labels = ",".join(f'{name}="{value}"' for name, value in POD.items())
    series = {
        f'cloudtrail_collector_files_processed_total{{{labels},outcome="dead_lettered",reason="corrupt"}}': "0x10 1x20"
    }
    test = AlertTest(SHIPPED, "CloudTrailDeadLettering")
    test.expect("fires", 20, series, [test.build_form({**SOURCE, "reason": "corrupt"}, "")])
    assert run_tests(programs.promtool, [test], tmp_path) is None


@pytest.mark.parametrize("name", ["CloudTrailBacklogOld", "CloudTrailLagBurnFast"])
def test_a_test_of_an_alert_can_fail(name: str, programs: PrometheusPrograms, tmp_path: Path) -> None:
    case = ALL_CASES[name]
    test = AlertTest(SHIPPED, name)
    test.expect("wrong", case.at, case.fires, [])
    assert name in (run_tests(programs.promtool, [test], tmp_path) or "")


def test_every_cis_activity_has_an_alert() -> None:
    assert sorted(ACTIVITIES.values()) == sorted(CIS_ACTIVITIES)


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_alert_is_well_formed(name: str) -> None:
    rule = ALERTS[name]
    assert name.startswith("CloudTrail")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    annotations = rule["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert re.fullmatch(r"[A-Z][^{}]*\.", annotations["summary"])
    assert annotations["description"].endswith(".")


def _read_anchors() -> dict[str, str]:
    headings = re.findall(r"^## (.+)$", RUNBOOKS, re.MULTILINE)
    return {heading.lower().replace(" ", "-"): heading for heading in headings}


def _read_link(rule: Rule) -> str:
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page.endswith("/docs/runbooks.md")
    return str(anchor)


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {_read_link(rule) for rule in ALERTS.values()} == _read_anchors().keys()


@pytest.mark.parametrize("heading", sorted(_read_anchors().values()))
def test_runbook_says_what_to_do(heading: str) -> None:
    chapter = RUNBOOKS.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\*\*(\w+)\.\*\*", chapter, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Cure"]


@pytest.mark.parametrize("name", sorted(ACTIVITIES))
def test_runbook_names_every_activity(name: str) -> None:
    assert f"| `{name}` | `{ACTIVITIES[name]}` |" in RUNBOOKS


def test_rules_use_documented_metrics_only() -> None:
    text = RULES.read_text(encoding="utf-8")
    found = set(re.findall(r"\bcloudtrail_(?:collector|operator|source|backfill)_[a-z_]+", text))
    bare = {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}
    assert bare <= set(re.findall(r"`(cloudtrail_[a-z_]+)`", METRICS))
    assert len(bare) > 10


def test_rules_ask_for_conditions_that_there_are() -> None:
    found = re.findall(
        r'cloudtrail_(?:source|backfill)_condition\{type="(\w+)",status="(\w+)"\}', RULES.read_text(encoding="utf-8")
    )
    assert {kind for kind, _ in found} <= {kind.value for kind in ConditionType}
    assert {status for _, status in found} <= {status.value for status in ConditionStatus}
    assert len(found) > 3


def test_rules_are_valid(programs: PrometheusPrograms) -> None:
    ended = subprocess.run([programs.promtool, "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_what_is_shipped_is_what_is_generated(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "observability", tmp_path], cwd=ROOT / "charts", check=True)
    generated = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    shipped = {path: (CHART / "files" / path).read_bytes() for path in generated}
    assert generated == shipped
    dashboards = {path.name for path in (CHART / "files" / "dashboards").iterdir()}
    assert dashboards == {path.name for path in generated if path.suffix == ".json"}


def _render(**values: Any) -> list[Rule]:
    return render_chart(CHART, release="ct", namespace="cloudtrail-system", values=values)


def _render_rules(**values: Any) -> Rule:
    (rule,) = (item for item in _render(prometheusRule={"enabled": True, **values}) if item["kind"] == "PrometheusRule")
    return rule


def test_chart_ships_the_rules_as_they_are() -> None:
    assert _render_rules()["spec"] == SHIPPED


def test_chart_sets_every_limit(programs: PrometheusPrograms, tmp_path: Path) -> None:
    limits = {
        "silentWindow": "7h", "backlogSeconds": 17, "backlogCriticalSeconds": 27, "lagBudget": 0.037, "lateFiles": 47,
        "failingShare": 0.57, "refusedCalls": 67, "failedSignIns": 77,
    }  # fmt: skip
    spec = _render_rules(thresholds=limits)["spec"]
    text = "\n".join(rule["expr"] for group in spec["groups"] for rule in group["rules"])
    marked = re.findall(r"([0-9][0-9a-z.]*)[\])]* # (\w+)$", text, re.MULTILINE)
    assert {name for _, name in marked} == limits.keys() == set(re.findall(r"# (\w+)$", text, re.MULTILINE))
    assert {(name, value) for value, name in marked} == {(name, str(value)) for name, value in limits.items()}
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    ended = subprocess.run([programs.promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_chart_leaves_alerts_out_and_labels_the_others() -> None:
    rendered = _render_rules(
        disabledAlerts=["CloudTrailSourceSilent"], labels={"release": "kps"}, alertLabels={"team": "security"}
    )
    alerts = _read_alerts(rendered["spec"])
    assert alerts.keys() == ALERTS.keys() - {"CloudTrailSourceSilent"}
    assert all(rule["labels"] == {**ALERTS[name]["labels"], "team": "security"} for name, rule in alerts.items())
    assert rendered["metadata"]["labels"]["release"] == "kps"


def test_chart_links_to_other_runbooks() -> None:
    alerts = _read_alerts(_render_rules(runbookUrl="https://wiki.example.com/ct")["spec"])
    assert all(
        rule["annotations"]["runbook_url"].startswith("https://wiki.example.com/ct#") for rule in alerts.values()
    )
    names = {name: _read_link(rule) for name, rule in ALERTS.items()}
    assert {name: rule["annotations"]["runbook_url"].split("#")[1] for name, rule in alerts.items()} == names
