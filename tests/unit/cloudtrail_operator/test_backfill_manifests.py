"""The manifests of typical backfills, held against files, and what must not change them.

`UPDATE_GOLDEN=1 pytest tests/unit/cloudtrail_operator` writes the files anew.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_operator.core.backfill.job import (
    build_control,
    build_job,
    build_last_control,
    find_task_name,
    is_of_other_spec,
    is_under_control,
)
from cloudtrail_operator.core.backfill.manifests import build_desired_backfill
from cloudtrail_operator.core.backfill.work import Work
from cloudtrail_operator.core.configuration import LARGEST_BYTES
from cloudtrail_operator.core.source import SpecProblem
from cloudtrail_spec.backfill_task import BackfillTask
from support.backfill_states import make_work, observe_backfill, parse_work_spec, try_work
from support.backfills import build_inline_source
from support.sources import ROLE_ARN, build_filter

GOLDEN = Path(__file__).parents[2] / "golden" / "backfill"
SETTINGS = {
    "collector": {
        "image": "example.com/other:2",
        "labels": {"team": "security", "app.kubernetes.io/name": "ignored"},
        "nodeSelector": {"disk": "ssd"},
        "terminationGracePeriodSeconds": 90,
    }
}
OWN = build_inline_source(
    roleArn=None, credentials={"type": "Secret", "secretRef": {"name": "aws-keys"}}, prefix="audit/"
)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "of-a-source": (SETTINGS, {"shares": 2, "accounts": ["111122223333"], "regions": ["us-east-1"]}),
    "with-its-own": ({}, {"shares": 1, "parallelism": 1, "sourceRef": None, "source": OWN, "classes": ["Insight"]}),
}


@pytest.mark.parametrize("name", CASES)
def test_manifests_are_as_reviewed(name: str) -> None:
    source, changes = CASES[name]
    work = make_work(source, **changes)
    desired = build_desired_backfill(work)
    manifests = [*desired.supports, *desired.start, build_control(work.backfill, work.spec)]
    text = yaml.safe_dump_all(manifests, sort_keys=False, width=120)
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def _task(work: Work) -> BackfillTask:
    return BackfillTask.model_validate_json(work.task)


def test_task_says_what_is_to_be_done() -> None:
    rule = build_filter(startsWith=["Describe"])
    task = _task(make_work({"filters": [rule]}, accounts=["111122223333"], classes=["Insight"], shares=3))
    assert (f"{task.since:%d %H}", f"{task.until:%d %H}") == ("15 12", "18 12")
    assert (task.accounts, task.classes, task.shares) == (("111122223333",), ("Insight",), 3)
    assert task.name_progress(2) == "last-week-progress-2"
    assert [rule.name for rule in task.pipeline.filters] == ["noise"]


def test_task_is_the_same_whenever_it_is_asked_for_and_whatever_the_queue_is() -> None:
    """A relative interval is resolved at the creation; and what a source does with its queue is not a backfill's matter."""
    first = make_work(interval="5d")
    others = ({"mode": "Paused"}, {"test": {"maxMessages": 7}}, {"visibilityTimeoutSeconds": 60}, {"mode": "Active"})
    assert {make_work(other, interval="5d").task for other in others} == {first.task}
    assert "queue" not in first.task
    assert make_work({"prefix": "org/"}, interval="5d").task_hash != first.task_hash


def test_source_without_sinks_has_nowhere_to_send_history() -> None:
    problem = try_work({"mode": "Paused", "sinks": None})
    assert isinstance(problem, SpecProblem)
    assert "sinks" in problem.sentences[0]


def test_task_that_no_config_map_holds_is_refused() -> None:
    values = [f"{number:04}{'x' * 500}" for number in range(60)]
    rules = [build_filter(f"f{number}", equals=values) for number in range(40)]
    problem = try_work({"filters": rules})
    assert isinstance(problem, SpecProblem)
    assert f"{LARGEST_BYTES:,}" in problem.sentences[0]


def test_workers_are_no_collectors_to_anybody() -> None:
    """Neither the source's Service nor the PodMonitor may find them, nor the source count them."""
    labels = build_job(make_work(SETTINGS))["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "cloudtrail-backfill"
    assert "cloudtrail-operator.io/source" not in labels
    assert labels["team"] == "security"


def test_workers_may_write_their_own_notes_and_nothing_else() -> None:
    """T-49."""
    desired = build_desired_backfill(make_work(shares=3))
    (role,) = [item for item in desired.supports if item["kind"] == "Role"]
    (rule,) = role["rules"]
    notes = [item["metadata"]["name"] for item in desired.supports if item["kind"] == "ConfigMap"]
    assert notes == ["last-week-progress-0", "last-week-progress-1", "last-week-progress-2"]
    assert rule == {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": notes, "verbs": ["get", "patch"]}
    kinds = [item["kind"] for item in desired.supports]
    assert kinds.index("Role") > kinds.index("ConfigMap"), "what another owns must be found out before"


def test_account_is_the_one_that_the_role_trusts() -> None:
    inherited, own = make_work(), make_work(sourceRef=None, source=build_inline_source())
    assert (inherited.account, own.account) == ("org-trail-collector", "last-week-backfill")
    accounts = [item for item in build_desired_backfill(own).supports if item["kind"] == "ServiceAccount"]
    assert accounts[0]["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == ROLE_ARN
    assert "ServiceAccount" not in json.dumps([item["kind"] for item in build_desired_backfill(inherited).supports])


def test_control_is_what_may_change_and_says_the_time_to_live_last() -> None:
    job = build_job(make_work())
    spec = parse_work_spec(suspend=True, parallelism=3, ttlSecondsAfterFinished=60)
    control = build_control(observe_backfill(), spec)
    assert control["spec"] == {"suspend": True, "parallelism": 3}
    assert not is_under_control(job, control)
    job["spec"] |= control["spec"]
    assert is_under_control(job, control)
    last = build_last_control(observe_backfill(), parse_work_spec(ttlSecondsAfterFinished=60), job)
    assert last["spec"] == {"suspend": True, "parallelism": 3, "ttlSecondsAfterFinished": 60}


def test_job_knows_its_task_and_its_spec() -> None:
    work = make_work()
    job = build_job(work)
    assert find_task_name(job) == f"last-week-backfill-{work.task_hash[:10]}"
    assert not is_of_other_spec(job, make_work(parallelism=5))
    assert is_of_other_spec(job, make_work(interval="6d"))
