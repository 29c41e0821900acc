"""The verdict of a soak finds what is wrong: each test spoils one thing of a run in which all was well."""

import json
from dataclasses import replace

import pytest

from localcluster.aws.aws_calls import Call
from localcluster.aws.fault_proxy import Exchange
from localcluster.aws.faults import Fault, Reset
from soak.plan import Announcement, Buckets, Kind, build_plan, iterate_items
from soak.verdict import VISIBILITY_SECONDS, Evidence, count_unexplained_receives, judge, list_letters

PLAN = build_plan(100, 1, Buckets("trail", "other"))
RECEIVED_AT, ACCEPTED_AT, DELETED_AT = 10.0, 20.0, 30.0


def receive(announcement: Announcement, receipt: str, at: float = RECEIVED_AT) -> Exchange:
    answer = json.dumps({"Messages": [{"ReceiptHandle": receipt, "Body": announcement.body}]}).encode()
    return Exchange(Call("sqs", "ReceiveMessage"), "", at, status=200, answer=answer)


def delete(*receipts: str, at: float = DELETED_AT, fault: Fault | None = None) -> Exchange:
    entries = {"Entries": [{"Id": receipt, "ReceiptHandle": receipt} for receipt in receipts]}
    return Exchange(Call("sqs", "DeleteMessageBatch", arguments=entries), "", at, fault)


def change(receipt: str, seconds: int, fault: Fault | None = None) -> Exchange:
    entries = {"Entries": [{"Id": "0", "ReceiptHandle": receipt, "VisibilityTimeout": seconds}]}
    return Exchange(Call("sqs", "ChangeMessageVisibilityBatch", arguments=entries), "", 15.0, fault)


def build_evidence() -> Evidence:
    """Build what is seen when all is well: every message comes once."""
    events = [event for item in iterate_items(PLAN) for event in item.event_ids]
    letters = [letter for item in iterate_items(PLAN) for letter in list_letters(item)]
    return Evidence(
        deliveries=dict.fromkeys(events, 1),
        delivered_at=dict.fromkeys(events, ACCEPTED_AT),
        letters=dict.fromkeys(letters, 1),
        lettered_at=dict.fromkeys(letters, ACCEPTED_AT),
        receives=[receive(announcement, str(number)) for number, announcement in enumerate(PLAN)],
        deletes=[delete(*(str(number) for number, one in enumerate(PLAN) if not one.stays))],
        changes=[],
        kills=[],
        left=[announcement.body for announcement in PLAN if announcement.stays],
    )


def find(kind: Kind) -> tuple[int, Announcement]:
    return next((n, one) for n, one in enumerate(PLAN) if kind in [item.kind for item in one.items])


def test_the_plan_has_every_kind_and_no_two_messages_are_alike() -> None:
    assert {item.kind for item in iterate_items(PLAN)} == set(Kind)
    assert len({announcement.body for announcement in PLAN}) == len(PLAN)
    assert sum(len(one.items) for one in PLAN) == 100


def test_a_run_in_which_all_was_well_has_no_findings() -> None:
    assert judge(PLAN, build_evidence()) == []


def test_a_lost_event_is_found() -> None:
    seen = build_evidence()
    lost = find(Kind.GOOD)[1].items[0]
    deliveries = {event: count for event, count in seen.deliveries.items() if event != lost.event_ids[0]}
    findings = judge(PLAN, replace(seen, deliveries=deliveries))
    assert findings == [f"lost: 1 of {len(lost.event_ids)} events of {lost.key} (good)"]


@pytest.mark.parametrize("kind", [Kind.CORRUPT, Kind.TOO_LARGE, Kind.BROKEN_RECORD])
def test_a_bad_file_that_nobody_heard_of_is_found(kind: Kind) -> None:
    seen = build_evidence()
    item = next(item for item in iterate_items(PLAN) if item.kind is kind)
    (letter,) = list_letters(item)
    findings = judge(PLAN, replace(seen, letters={name: 1 for name in seen.letters if name != letter}))
    assert findings == [f"not accounted for: {letter}"]


def test_a_letter_about_a_good_file_and_an_event_of_nobody_are_found() -> None:
    seen = build_evidence()
    findings = judge(PLAN, replace(seen, letters={**seen.letters, "x": 1}, deliveries={**seen.deliveries, "y": 1}))
    assert findings == ["nobody announced event y", "wrong dead letter: x"]


@pytest.mark.parametrize("kind", [Kind.GOOD, Kind.CORRUPT])
def test_a_delete_before_the_sink_has_accepted_is_found(kind: Kind) -> None:
    seen = build_evidence()
    number, announcement = find(kind)
    findings = judge(PLAN, replace(seen, deletes=[delete(str(number), at=ACCEPTED_AT - 1)]))
    assert findings == [f"deleted before it was accepted: {item.key} ({item.kind})" for item in announcement.items]


@pytest.mark.parametrize("kind", [Kind.UNKNOWN, Kind.OTHER_BUCKET, Kind.MISSING])
def test_a_delete_of_what_must_stay_is_found(kind: Kind) -> None:
    seen = build_evidence()
    number, announcement = find(kind)
    left = [body for body in seen.left if body != announcement.body]
    findings = judge(PLAN, replace(seen, deletes=[*seen.deletes, delete(str(number))], left=left))
    assert [finding.split(":")[0] for finding in findings] == ["not in the dead-letter queue", "deleted, but must stay"]


def test_a_good_message_in_the_dead_letter_queue_is_found() -> None:
    seen = build_evidence()
    body = find(Kind.GOOD)[1].body
    assert judge(PLAN, replace(seen, left=[*seen.left, body])) == [f"wrongly in the dead-letter queue: {body[:200]}"]


def test_more_deliveries_than_receives_are_found() -> None:
    seen = build_evidence()
    item = find(Kind.GOOD)[1].items[0]
    findings = judge(PLAN, replace(seen, deliveries={**seen.deliveries, item.event_ids[0]: 2}))
    assert findings == [f"delivered 2 times, received 1 times: {item.key}"]


@pytest.mark.parametrize(
    ("reason", "unexplained"),
    [
        ({}, 1),
        ({"kills": [12.0]}, 0),
        ({"kills": [9.0, 50.0]}, 1),
        ({"changes": [change("0", 27)]}, 0),
        ({"changes": [change("0", VISIBILITY_SECONDS)]}, 1),
        ({"changes": [change("0", VISIBILITY_SECONDS, Reset())]}, 0),
        ({"deletes": [delete("0", fault=Reset())]}, 0),
        ({"deletes": [delete("1", fault=Reset())]}, 1),
    ],
    ids=[
        "none",
        "a kill",
        "kills at other times",
        "returned",
        "extended",
        "extension struck",
        "delete struck",
        "another",
    ],
)
def test_a_second_receive_wants_a_reason(reason: dict[str, object], unexplained: int) -> None:
    seen = build_evidence()
    again = [*seen.receives, receive(PLAN[0], "again", at=40.0)]
    spoilt = replace(seen, receives=again, **{"deletes": [], **reason})  # type: ignore[arg-type]
    assert count_unexplained_receives(spoilt) == unexplained


def test_many_unexplained_receives_are_found() -> None:
    seen = build_evidence()
    again = [receive(one, f"again-{number}", at=40.0) for number, one in enumerate(PLAN[:4])]
    findings = judge(PLAN, replace(seen, receives=[*seen.receives, *again]))
    assert [finding.split(" ")[0] for finding in findings] == ["4"]
