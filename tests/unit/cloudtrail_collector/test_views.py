"""What the collector makes of what it saw: notifications, its own reads, the redrive policy, samples, dead letters."""

import base64
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudtrail_collector.core.dead_letter import (
    DeadLetterReason,
    LostRecord,
    Origin,
    build_file_letter,
    build_record_letter,
)
from cloudtrail_collector.core.feedback import FeedbackWatch
from cloudtrail_collector.core.notification_health import QUIET_SECONDS, NotificationHealth
from cloudtrail_collector.core.recent_ids import RecentIds
from cloudtrail_collector.core.redrive import judge_redrive
from cloudtrail_collector.core.sampling import (
    MAX_SAMPLES_PER_FILE,
    OwnReads,
    count_own_reads,
    read_times,
    take_samples,
)
from cloudtrail_collector.pipeline.budget import MemoryBudget, estimate_need
from cloudtrail_spec.conditions import ConditionStatus, Reason
from cloudtrail_spec.report import QueueFigures

ROLE = "arn:aws:iam::111122223333:role/collector"
ORIGIN = Origin("bucket", "AWSLogs/key", "message-1")


def _judge(health: NotificationHealth, now: float) -> tuple[ConditionStatus, Reason]:
    return health.judge(now)[:2]


def test_t39_messages_without_objects_are_noticed_after_a_while() -> None:
    health = NotificationHealth(no_objects_seconds=600).after_fruitless(100).after_fruitless(500)
    assert _judge(health, 699) == (ConditionStatus.UNKNOWN, Reason.NOT_OBSERVED)
    assert _judge(health, 700) == (ConditionStatus.FALSE, Reason.NO_OBJECTS)
    assert _judge(health.after_read(), 10_000) == (ConditionStatus.TRUE, Reason.SUCCEEDED)
    assert _judge(health.after_read().after_fruitless(800), 1399) == (ConditionStatus.TRUE, Reason.SUCCEEDED)


def test_t8_a_complaint_stays_until_such_messages_stop_coming() -> None:
    health = NotificationHealth().after_read().after_complaint(Reason.OTHER_BUCKET, "other bucket", 10)
    assert health.judge(10 + QUIET_SECONDS - 1) == (ConditionStatus.FALSE, Reason.OTHER_BUCKET, "other bucket")
    assert _judge(health.after_read(), 20) == (ConditionStatus.FALSE, Reason.OTHER_BUCKET)
    assert _judge(health, 10 + QUIET_SECONDS) == (ConditionStatus.TRUE, Reason.SUCCEEDED)


def test_t36_own_reads_among_the_events_are_noticed_and_forgotten() -> None:
    watch = FeedbackWatch().after(90, 90)
    assert watch.judge()[0] is ConditionStatus.UNKNOWN
    watch = watch.after(10, 0)
    assert watch.judge()[:2] == (ConditionStatus.FALSE, Reason.READS_ITSELF)
    for _ in range(1000):
        watch = watch.after(16, 0)
    assert watch.judge()[:2] == (ConditionStatus.TRUE, Reason.SUCCEEDED)


def test_t36_only_reads_of_the_sources_buckets_by_its_own_role_count() -> None:
    def build(**changes: Any) -> bytes:
        record: dict[str, Any] = {
            "eventName": "GetObject",
            "userIdentity": {"sessionContext": {"sessionIssuer": {"arn": ROLE}}},
            "requestParameters": {"bucketName": "trail"},
        }
        return json.dumps(record | changes).encode()

    others = [
        build(eventName="PutObject"),
        build(requestParameters={"bucketName": "other"}),
        build(requestParameters=None),
        build(userIdentity={"type": "IAMUser"}),
        build(userIdentity={"sessionContext": {"sessionIssuer": {"arn": ROLE + "x"}}}),
        b"[]",
        b'{"eventName":12}',
    ]
    assert count_own_reads([build(), *others], OwnReads(ROLE, frozenset({"trail"}))) == 1


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        (None, (ConditionStatus.UNKNOWN, Reason.NOT_OBSERVED)),
        ({}, (ConditionStatus.FALSE, Reason.NO_DEAD_LETTER_QUEUE)),
        (
            {"dead_letter_queue_arn": "arn", "max_receive_count": 4},
            (ConditionStatus.FALSE, Reason.LOW_MAX_RECEIVE_COUNT),
        ),
        ({"dead_letter_queue_arn": "arn", "max_receive_count": 5}, (ConditionStatus.TRUE, Reason.SUCCEEDED)),
    ],
)
def test_t10_a_queue_that_loses_or_keeps_bad_messages_for_ever_is_named(
    queue: dict[str, Any] | None, expected: tuple[ConditionStatus, Reason]
) -> None:
    base = {"observed_at": datetime.now(UTC), "visible": 0, "in_flight": 0, "delayed": 0}
    figures = None if queue is None else QueueFigures(**(base | queue))
    assert judge_redrive(figures)[:2] == expected


@given(st.lists(st.integers(0, 60), max_size=80))
def test_samples_are_whole_lines_in_order(lengths: list[int]) -> None:
    lines = [b"%d:" % number + b"x" * length for number, length in enumerate(lengths)]
    samples = take_samples(b"".join(line + b"\n" for line in lines), len(lines))
    places = [lines.index(sample) for sample in samples]
    assert places == sorted(set(places))
    assert (
        len(samples) == len(lines) if len(lines) <= MAX_SAMPLES_PER_FILE else 1 <= len(samples) <= MAX_SAMPLES_PER_FILE
    )


def test_times_are_read_where_there_are_any() -> None:
    samples = [b'{"eventTime":"2026-01-02T03:04:05Z"}', b'{"eventTime":null}', b'{"eventTime":"soon"}', b"[", b"{}"]
    assert read_times(samples) == [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)]


@given(st.lists(st.sampled_from("abcdefgh")), st.integers(1, 5))
def test_the_newest_ids_are_remembered(ids: list[str], size: int) -> None:
    recent = RecentIds(size)
    for one in ids:
        recent.add([one])
    newest = list(dict.fromkeys(reversed(ids)))[:size]
    assert {one for one in "abcdefgh" if one in recent} == set(newest)


def test_a_dead_letter_says_where_the_record_was_and_keeps_its_bytes() -> None:
    lost = LostRecord(3, DeadLetterReason.UNDECODABLE, "why", b'{"a":truth}')
    line = build_record_letter(ORIGIN, lost)
    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "deadLetter": {
            "reason": "undecodable",
            "error": "why",
            "bucket": "bucket",
            "key": "AWSLogs/key",
            "messageId": "message-1",
            "index": 3,
        },
        "record": '{"a":truth}',
    }
    binary = json.loads(build_record_letter(ORIGIN, replace(lost, record=b"\xff")))
    assert base64.b64decode(binary["recordBase64"]) == b"\xff"
    rejected = json.loads(build_record_letter(ORIGIN, replace(lost, reason=DeadLetterReason.REJECTED, sink="siem")))
    assert rejected["deadLetter"]["sink"] == "siem"
    assert set(json.loads(build_file_letter(ORIGIN, DeadLetterReason.MISSING, "why"))) == {"deadLetter"}


def test_t33_objects_wait_until_their_memory_is_free() -> None:
    waiting, entered = threading.Event(), threading.Event()
    budget = MemoryBudget(waiting.set, 100)
    first, second = budget.take(60), budget.take(40)
    assert not waiting.is_set()

    def enter() -> None:
        budget.take(60).release()
        entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert waiting.wait(5)
    first.shrink(10)
    assert not entered.wait(0.05)
    second.release()
    assert entered.wait(5)
    thread.join()
    first.release()
    budget.take(1000).release()  # larger than all: it may go alone
    budget.take(100).release()


def test_t33_a_large_object_needs_little_more_than_itself() -> None:
    assert estimate_need(27_000) < 2 * 2**20
    assert estimate_need(50 * 2**20) < 125 * 2**20
