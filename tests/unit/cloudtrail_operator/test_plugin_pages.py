"""What `kubectl cloudtrail status` and `events` print, held against reviewed texts in tests/golden/plugin."""

import json
import os
from dataclasses import replace
from pathlib import Path

from cloudtrail_operator.plugin.backfill_section import select_backfills
from cloudtrail_operator.plugin.kubernetes_events import render_events, select_events
from cloudtrail_operator.plugin.source_page import SourcePage, render_page
from cloudtrail_operator.plugin.source_table import render_sources
from cloudtrail_operator.plugin.summaries import summarize_page
from cloudtrail_operator.plugin.views import view_pod, view_source
from support.plugin_views import (
    NOW,
    UID,
    build_condition,
    build_event,
    build_observed,
    build_observed_backfill,
    build_pod,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "plugin"
QUEUE = "arn:aws:sqs:us-east-1:111122223333:cloudtrail-notifications"
FIGURES = {
    "lastEventTime": "2026-11-21T11:55:50Z",
    "lag": "4m10s",
    "queue": {"visible": 1204, "inFlight": 16, "delayed": 0, "oldestAgeSeconds": 190, "deadLetterVisible": 0},
    "files": {"read": 812, "failed": 0, "skipped": 3, "deadLettered": 0},
    "events": {"read": 120418, "filtered": 90311, "emitted": 30107, "masked": 30107, "perSecond": "12.4"},
}
WELL = [
    build_condition("Ready", "True", "Testing", "1 of 1 collectors receive; nothing is deleted"),
    build_condition("CredentialsValid", "True", "Succeeded"),
    build_condition("BucketReadable", "True", "Succeeded"),
    build_condition("Lagging", "False", "UpToDate"),
]
DENIED = (
    "sqs:ReceiveMessage on arn:aws:sqs:us-east-1:111122223333:cloudtrail-notifications was denied to"
    " arn:aws:sts::111122223333:assumed-role/cloudtrail-collector/cts-security-org-trail"
)


def _hold(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "UPDATE_GOLDEN=1 writes it anew"


def _build_trouble() -> SourcePage:
    ready = build_condition("Ready", "False", "AccessDenied", DENIED, minutes=7)
    source = build_observed(
        *WELL[1:],
        ready,
        build_condition("Stalled", "True", "AccessDenied", DENIED, minutes=2),
        build_condition("QueueReachable", "False", "AccessDenied", DENIED, minutes=7),
        build_condition("DataFlowing", "Unknown", "QueueEmpty", "the queue gives no messages"),
        readyReplicas=0,
        lastError={
            "time": "2026-11-21T11:59:30Z",
            "action": "sqs:ReceiveMessage",
            "code": "AccessDenied",
            "resource": QUEUE,
            "message": "User is not authorized to perform: sqs:receivemessage",
            "count": 14,
        },
    )
    waiting = {"name": "collector", "restartCount": 4, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    pods = (
        build_pod(),
        build_pod("org-trail-collector-64c8f7d9b5-q8w2e", phase="Pending", containerStatuses=[waiting]),
    )
    view = view_source(source)
    events = select_events(
        [
            build_event("CloudTrailSource", "org-trail", "AccessDenied", 7, type="Warning", message=DENIED),
            build_event("Pod", "org-trail-collector-64c8f7d9b5-q8w2e", "Failed", 1, type="Warning", count=12),
        ],
        view,
    )
    return SourcePage(view, tuple(view_pod(pod) for pod in pods), None, tuple(events))


def test_page_of_a_source_that_is_well() -> None:
    page = SourcePage(view_source(build_observed(*WELL, **FIGURES)), (view_pod(build_pod()),))
    _hold("well", render_page(page, NOW))


def test_page_of_a_source_in_trouble_says_what_to_do() -> None:
    _hold("trouble", render_page(_build_trouble(), NOW))


def test_page_of_a_source_that_no_operator_has_seen() -> None:
    source = build_observed(observedGeneration=-1)
    source["status"] = {"observedGeneration": -1}
    _hold("new", render_page(SourcePage(view_source(source)), NOW))


def test_page_has_the_backfills_of_the_source_and_what_to_do_about_them() -> None:
    denied = "s3:ListBucket on arn:aws:s3:::cloudtrail-notifications-trail was denied"
    running = build_condition("Ready", "True", "Running", "4 of 8 shares are done")
    backfills = [
        build_observed_backfill("other", source="other-trail"),
        build_observed_backfill("late", conditions=[build_condition("Ready", "False", "AccessDenied", denied)]),
        build_observed_backfill(
            "incident-42", age=3, conditions=[running], progress="37%", events={"emitted": 10938220}, interval="30d-2d"
        ),
        build_observed_backfill("new", age=0),
    ]
    source = view_source(build_observed(*WELL, **FIGURES))
    page = SourcePage(source, backfills=select_backfills(backfills, source))
    _hold("backfills", render_page(page, NOW))
    summary = {item["name"]: item for item in summarize_page(page)["backfills"]}
    assert list(summary) == ["incident-42", "late", "new"]
    assert summary["late"]["ready"]["whatToDo"].startswith("add the action to the role's policy")
    assert (summary["incident-42"]["events"], summary["incident-42"]["progress"]) == (10938220, "37%")
    assert summary["new"]["ready"] is None


def test_page_shows_the_rest_when_something_may_not_be_read() -> None:
    source = view_source(build_observed(WELL[0]))
    page = SourcePage(
        source, pods_problem="eve may not list pods", backfills_problem="nor backfills", events_problem="eve may not"
    )
    text = render_page(page, NOW)
    assert "\n\nBackfills\n  nor backfills\n\n" in text
    assert summarize_page(page)["problems"] == ["eve may not list pods", "nor backfills", "eve may not"]
    assert "Collectors\n  eve may not list pods\n" in text
    assert text.endswith("Kubernetes Events\n  eve may not\n")


def test_table_names_troubles_below_and_each_only_once() -> None:
    well = view_source(build_observed(*WELL, **FIGURES))
    quiet = replace(well, name="other", namespace="team-b", mode="Paused", status={}, conditions=(), replicas=0)
    _hold("table", render_sources([well, _build_trouble().source, quiet], NOW, everywhere=True))
    alone = render_sources([well], NOW, everywhere=False)
    assert alone.startswith("NAME ")
    assert len(alone.splitlines()) == 2


def test_a_command_in_a_message_can_be_copied() -> None:
    command = f'aws sqs set-queue-attributes --queue-url {"x" * 80} --attributes \'{{"VisibilityTimeout": "300"}}\''
    message = f"{DENIED}. {'Words. ' * 20}To mend it: {command}"
    source = view_source(build_observed(build_condition("NoSetupProblem", "False", "AwsError", message)))
    for text in (render_page(SourcePage(source), NOW), render_sources([source], NOW, everywhere=False)):
        assert f"To mend it: {command}\n" in text
        assert all(len(line) <= 110 for line in text.splitlines() if command not in line)


def test_a_status_of_the_spec_before_is_told_as_such() -> None:
    source = build_observed(WELL[0], observedGeneration=2)
    source["spec"]["mode"] = "Active"
    text = render_page(SourcePage(view_source(source)), NOW)
    assert "True, Testing (of the spec before the last change)" in text
    assert "accepted (still Test)" in text


def test_condition_types_and_reasons_of_a_later_version_are_shown_and_not_judged() -> None:
    source = view_source(build_observed(build_condition("Shiny", "True", "Polished"), unheardOf={"a": 1}))
    assert source.conditions[0].good is None
    assert ".. Shiny True, Polished" in render_page(SourcePage(source), NOW)


def test_nothing_that_others_wrote_can_steer_the_terminal() -> None:
    evil = "\x1b]0;owned\x07 \u202e gnp.exe \x9b31m"
    source = view_source(build_observed(build_condition("QueueReachable", "False", "AwsError", evil)))
    events = select_events([build_event("CloudTrailSource", "org-trail", "Evil", 1, message=evil)], source)
    texts = (
        render_page(SourcePage(source, events=tuple(events)), NOW),
        render_sources([source], NOW, everywhere=False),
        "\n".join(render_events(events, NOW)),
    )
    for text in texts:
        assert "owned" in text
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)


def test_events_are_those_of_the_source_and_its_children_in_order() -> None:
    source = view_source(build_observed())
    regarding = {"kind": "CloudTrailSource", "name": "org-trail"}
    own = [
        build_event("Pod", "org-trail-collector-7d9f8b6c5d-x2x4z", "Started", 3),
        build_event("CloudTrailSource", "org-trail", "ModeTest", 9, involvedObject=regarding | {"uid": UID}),
        build_event("ReplicaSet", "org-trail-collector-7d9f8b6c5d", "SuccessfulCreate", 5),
        build_event("Deployment", "org-trail-collector", "ScalingReplicaSet", 6),
        build_event("HorizontalPodAutoscaler", "keda-hpa-org-trail-collector", "SuccessfulRescale", 2),
    ]
    others = [
        build_event("CloudTrailSource", "org-trail", "Old", 1, involvedObject=regarding | {"uid": "of-a-former-one"}),
        build_event("CloudTrailSource", "org-trail-collector", "ModeTest", 1),
        build_event("Deployment", "org-trail-collector-collector", "ScalingReplicaSet", 1),
        build_event("ReplicaSet", "org-trail-collector-collector-7d9f8b6c5d", "SuccessfulCreate", 1),
        build_event("Pod", "org-trail-collector-collector-7d9f8b6c5d-x2x4z", "Started", 1),
        build_event("Pod", "org-trail", "Started", 1),
        {"metadata": {}},
    ]
    chosen = select_events([*others, *own], source)
    wanted = ["ModeTest", "ScalingReplicaSet", "SuccessfulCreate", "Started", "SuccessfulRescale"]
    assert [event.reason for event in chosen] == wanted


def test_last_occurrence_of_a_repeated_event_counts() -> None:
    series = {"count": 7, "lastObservedTime": "2026-11-21T11:59:00.000000Z"}
    item = build_event("CloudTrailSource", "org-trail", "Lagging", 30, lastTimestamp=None, series=series)
    (event,) = select_events([item], view_source(build_observed()))
    assert (event.count, event.last.minute) == (7, 59)
    assert "1m" in render_events([event], NOW)[1].split()[0]


def test_json_has_judgement_and_advice() -> None:
    document = json.loads(json.dumps(summarize_page(_build_trouble())))
    conditions = {item["type"]: item for item in document["conditions"]}
    assert conditions["QueueReachable"]["good"] is False
    assert "add the action to the role's policy" in conditions["QueueReachable"]["whatToDo"]
    assert conditions["CredentialsValid"]["whatToDo"] is None
    assert (document["ready"], document["reason"], document["current"]) == ("False", "AccessDenied", True)
    assert document["pods"][1]["trouble"].startswith("ImagePullBackOff")
    assert document["kubernetesEvents"][0]["reason"] == "AccessDenied"
