"""Status that one can trust: conditions, figures, Events and metrics, against an API server with the chart's permissions."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.pods import CollectorStub, build_report, wait_until
from support.site import NAME, Manifest, Site
from support.sources import build_source

DOCS = Path(__file__).parents[2] / "docs" / "gitops"
BIG = 2**40


@pytest.fixture
def operator_values() -> dict[str, Any]:
    return {"lagSeconds": 60}


def _ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


def _build_activity(**changes: Any) -> Manifest:
    return {"lastMessageAt": _ago(seconds=1), "lastObjectAt": _ago(seconds=1), "eventsPerSecond": 12.44} | changes


def _build_queue(**changes: Any) -> Manifest:
    return {"observedAt": _ago(seconds=1), "visible": 4, "inFlight": 2, "delayed": 0, "deadLetterVisible": 0} | changes


def _make_ready(site: Site, stub: CollectorStub, **report: Any) -> None:
    site.apply()
    site.wait_children()
    site.run_collector(stub, **{"activity": _build_activity(), "queue": _build_queue()} | report)
    site.wait_condition("Ready", "True", "Testing")


def _list_events(site: Site) -> list[str]:
    return site.kubectl("get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}").split()


def _apply_other(site: Site, name: str, **changes: Any) -> None:
    manifest = json.dumps(build_source(name, site.namespace, **changes))
    site.server.kubectl("apply", "--server-side", "-f", "-", input=manifest)


def _find_conflict(site: Site, name: str) -> tuple[str, str]:
    conditions = (site.get(f"cts/{name}") or {})["status"].get("conditions", [])
    found = [item for item in conditions if item["type"] == "QueueConflict"]
    return (found[0]["status"], found[0]["message"]) if found else ("absent", "")


def test_warnings_come_and_go_while_the_source_stays_ready(site: Site, stub: CollectorStub) -> None:
    _make_ready(site, stub)
    site.wait_condition("DataFlowing", "True", "Flowing")
    site.wait_condition("Lagging", "False", "UpToDate")
    site.wait_condition("DeadLettering", "False", "NoDeadLetters")
    site.wait_condition("QueueConflict", "False", "OwnQueue")
    since = site.condition("Ready")["lastTransitionTime"]
    stub.report = build_report(
        site.config_hash(),
        queue=_build_queue(oldestAgeSeconds=7500, deadLetterVisible=3),
        activity={
            "unreadSince": _ago(hours=1),
            "lastMessageAt": _ago(seconds=1),
            "deadLettered": 7,
            "lastDeadLetterAt": _ago(minutes=1),
            "lastDeadLetterReason": "NotJson",
        },
    )
    assert "2h5m" in site.wait_condition("Lagging", "True", "Behind")["message"]
    site.wait_condition("DataFlowing", "False", "NoObjectsRead")
    message = site.wait_condition("DeadLettering", "True", "DeadLetterSink")["message"]
    assert "7 events or files" in message
    assert "NotJson" in message
    assert "3 messages" in message
    stub.report = build_report(site.config_hash(), queue=_build_queue(), activity=_build_activity())
    site.wait_condition("Lagging", "False", "UpToDate")
    site.wait_condition("DeadLettering", "False", "NoDeadLetters")
    site.wait_condition("DataFlowing", "True", "Flowing")
    ready = site.condition("Ready")
    assert (ready["status"], ready["lastTransitionTime"]) == ("True", since)
    told = {"Lagging", "LaggingEnded", "DeadLettering", "DeadLetteringEnded", "NoObjectsRead", "DataFlowingAgain"}
    wait_until(lambda: told <= set(_list_events(site)), "everything is told")


def test_events_are_told_once_however_often_a_condition_flips(site: Site, stub: CollectorStub) -> None:
    """ST-46."""
    _make_ready(site, stub)
    late = build_report(site.config_hash(), queue=_build_queue(oldestAgeSeconds=7500))
    fine = build_report(site.config_hash(), queue=_build_queue())
    for _ in range(3):
        stub.report = late
        site.wait_condition("Lagging", "True", "Behind")
        stub.report = fine
        site.wait_condition("Lagging", "False", "UpToDate")
    wait_until(lambda: "LaggingEnded" in _list_events(site), "the end is told")
    told = _list_events(site)
    assert (told.count("Lagging"), told.count("LaggingEnded")) == (1, 1)
    types = site.kubectl("get", "events.events.k8s.io", "-o", "jsonpath={.items[*].type}").split()
    assert set(types) <= {"Normal", "Warning"}


def test_collector_of_an_older_version_leaves_unknown_what_it_does_not_report(site: Site, stub: CollectorStub) -> None:
    _make_ready(site, stub, activity=None, queue=None)
    for kind in ("DataFlowing", "Lagging", "DeadLettering"):
        site.wait_condition(kind, "Unknown", "NotObserved")
    assert "perSecond" not in wait_until(lambda: site.source()["status"].get("events"), "there are figures")


def test_sources_on_one_queue_name_each_other_until_one_of_them_stops(site: Site) -> None:
    site.apply()
    _apply_other(site, "other")
    wait_until(lambda: "/other use this queue too" in _find_conflict(site, NAME)[1], "the first names the other")
    wait_until(lambda: f"/{NAME} use this queue too" in _find_conflict(site, "other")[1], "and the other the first")
    _apply_other(site, "third")
    wait_until(lambda: "third" in _find_conflict(site, NAME)[1], "the third is named, too")
    _apply_other(site, "other", mode="Paused")
    wait_until(lambda: _find_conflict(site, "other")[0] == "False", "a paused source is in no conflict")
    wait_until(lambda: "other" not in _find_conflict(site, NAME)[1], "nor does it disturb the others")
    assert _find_conflict(site, NAME)[0] == "True"
    site.kubectl("delete", "cts/third")
    wait_until(lambda: _find_conflict(site, NAME)[0] == "False", "the last conflict is over")
    _apply_other(site, "other", queueArn="arn:aws:sqs:us-east-1:111122223333:another")
    wait_until(lambda: _find_conflict(site, "other")[1] == "no other source uses the queue", "its own queue is its own")
    assert {"QueueConflict", "QueueConflictEnded"} <= set(_list_events(site))


def test_large_figures_are_stored_exactly(site: Site, stub: CollectorStub) -> None:
    """T-56: counters are int64, hashes and rates are text."""
    counts = {"read": BIG, "filtered": 1, "emitted": BIG - 1}
    queue = _build_queue(visible=BIG, deadLetterVisible=BIG, oldestAgeSeconds=5)
    error = {
        "time": "2026-01-02T03:04:05.678Z", "action": "s3:GetObject", "code": "AccessDenied", "count": BIG,
        "resource": "arn:aws:s3:::acme-org-cloudtrail/AWSLogs/1.json.gz", "message": "not allowed",
    }  # fmt: skip
    _make_ready(site, stub, events=counts, files={"read": BIG}, queue=queue, lastError=error)
    status = wait_until(lambda: "lastError" in site.source()["status"] and site.source()["status"], "there are figures")
    assert (status["events"]["read"], status["events"]["emitted"], status["files"]["read"]) == (BIG, BIG - 1, BIG)
    assert (status["queue"]["visible"], status["queue"]["deadLetterVisible"]) == (BIG, BIG)
    assert status["events"]["perSecond"] == "12.4"
    assert status["lastError"] == error | {"time": "2026-01-02T03:04:05Z"}
    assert re.fullmatch("[0-9a-f]{64}", status["configHash"])
    shown = site.kubectl("get", f"cts/{NAME}", "-o", "wide")
    assert "12.4" in shown
    assert str(BIG) in shown


def test_full_status_is_not_written_again_at_rest(site: Site, stub: CollectorStub) -> None:
    """T-55: also with rates, ages and warnings in it."""
    _make_ready(site, stub, queue=_build_queue(oldestAgeSeconds=7500), events={"read": 5})
    site.wait_condition("Lagging", "True", "Behind")
    wait_until(lambda: "events" in site.source()["status"], "the figures are written")
    version, writes = site.source()["metadata"]["resourceVersion"], site.operator.count_writes()
    looks = site.operator.count_looks()
    wait_until(lambda: site.operator.count_looks() >= looks + 10, "the operator has looked ten times more")
    assert site.source()["metadata"]["resourceVersion"] == version
    assert site.operator.count_writes() == writes


def test_kubectl_waits_for_the_present_generation(site: Site, stub: CollectorStub) -> None:
    """T-53, ST-11."""

    def wait(seconds: int) -> int:
        words = ("wait", "--for=condition=Ready", f"cts/{NAME}", f"--timeout={seconds}s", "-n", site.namespace)
        return site.server.kubectl(*words, check=False).returncode

    site.apply()
    site.wait_condition("Ready", "False", "RollingOut")
    assert wait(1) != 0
    site.run_collector(stub, lastReceiveAt=None)
    site.wait_condition("Ready", "False", "WaitingForCollectors")
    assert wait(1) != 0
    stub.report = build_report(site.config_hash())
    assert wait(20) == 0
    site.operator.stop()
    site.apply(prefix="elsewhere/")
    assert site.condition("Ready")["status"] == "True"
    assert wait(1) != 0
    site.operator.start()
    site.wait_condition("Ready", "False", "RollingOut")
    site.run_collector(stub)
    assert wait(20) == 0


def test_gitops_finds_nothing_to_correct(site: Site, stub: CollectorStub) -> None:
    """T-57, ST-14, ST-23: what Argo CD compares is equal, and the operator manages nothing but the status."""
    _make_ready(site, stub)
    wait_until(lambda: "events" in site.source()["status"], "the figures are written")
    live = json.loads(site.kubectl("get", f"cts/{NAME}", "-o", "json", "--show-managed-fields"))
    parts = {item.get("subresource") for item in live["metadata"]["managedFields"] if "operator" in item["manager"]}
    assert parts == {"status"}
    manifest = build_source(NAME, site.namespace)
    predicted = json.loads(
        site.server.kubectl(
            "apply", "--server-side", "--dry-run=server", "-o", "json", "-f", "-", input=json.dumps(manifest)
        ).stdout
    )
    assert predicted["spec"] == live["spec"]
    assert predicted["metadata"]["generation"] == live["metadata"]["generation"]
    assert predicted["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
    # What Git says of lists is what is stored: defaults within their items would be a difference for ever.
    assert live["spec"]["sinks"] == manifest["spec"]["sinks"]
    for kind in ("deployment", "configmap", "service", "serviceaccount"):
        children = site.list(kind)
        assert children
        for child in children:
            assert child["metadata"]["annotations"]["argocd.argoproj.io/ignore-resource-updates"] == "true"


def test_health_check_is_installed_beside_what_argo_cd_has(site: Site) -> None:
    """The command of the document, in another namespace, without the pipe."""
    lines = re.findall(r"--from-file=(\S+)", (DOCS / "argocd.md").read_text(encoding="utf-8"))
    keys = [line.partition("=")[0] for line in lines]
    assert {line.partition("=")[2] for line in lines} == {"docs/gitops/argocd-health.lua"}
    site.kubectl("create", "configmap", "argocd-cm", "--from-literal=url=https://argo.example.com")
    lua = DOCS / "argocd-health.lua"
    files = [f"--from-file={key}={lua}" for key in keys]
    made = site.kubectl("create", "configmap", "argocd-cm", *files, "--dry-run=client", "-o", "yaml")
    site.server.kubectl(
        "-n", site.namespace, "apply", "--server-side", "--field-manager=cloudtrail-health", "-f", "-", input=made
    )
    found = site.get("configmap/argocd-cm")
    assert found is not None
    assert found["data"] == {"url": "https://argo.example.com"} | dict.fromkeys(keys, lua.read_text(encoding="utf-8"))
    prefix = "resource.customizations.health.cloudtrail-operator.io_"
    assert keys == [f"{prefix}CloudTrailSource", f"{prefix}CloudTrailBackfill"]


def test_every_source_has_metrics_until_it_is_gone(site: Site, stub: CollectorStub) -> None:
    """KO-45."""

    def read(name: str) -> dict[str, float]:
        return site.operator.read_metric(f"cloudtrail_source_{name}")

    _make_ready(site, stub)
    labels = f'namespace="{site.namespace}",source="{NAME}"'
    wait_until(lambda: read("queue_messages") == {labels: 6}, "the queue's messages are told")
    assert read("info") == {f'mode="Test",{labels}': 1}
    assert (read("replicas"), read("ready_replicas")) == ({labels: 1}, {labels: 1})
    told = {item["type"]: item["status"] for item in site.source()["status"]["conditions"]}
    found = {match for key in read("condition") for match in re.findall(r'status="(\w+)",type="(\w+)"', key)}
    assert found == {(status, kind) for kind, status in told.items()}
    site.kubectl("delete", f"cts/{NAME}")
    wait_until(lambda: read("condition") == read("info") == read("queue_messages") == {}, "its metrics are gone")


def test_paused_source_has_every_condition_and_no_alarm(site: Site) -> None:
    """ST-09."""
    site.apply(mode="Paused")
    site.wait_condition("Ready", "True", "Paused")
    told = {item["type"]: (item["status"], item["reason"]) for item in site.source()["status"]["conditions"]}
    assert {told[kind] for kind in ("Lagging", "DeadLettering", "QueueConflict")} == {("False", "Paused")}
    assert told["DataFlowing"] == ("Unknown", "Paused")
    assert not {"Reconciling", "Stalled"} & set(told)
