"""From a message to its outcome, with stand-ins for S3 and for sinks: large files, memory, errors, and what is counted."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from cloudtrail_collector.core.batching import Batch, BatchLimits, Rejection
from cloudtrail_collector.core.dead_letter import DeadLetterReason
from cloudtrail_collector.core.formats import FormatEvent, Place
from cloudtrail_collector.core.log_file import WINDOW_BYTES
from cloudtrail_collector.core.parcels import Outlet
from cloudtrail_collector.core.selection import RecordSelector, SelectionRules
from cloudtrail_collector.errors import SinkError
from cloudtrail_collector.metrics import Metrics
from cloudtrail_collector.pipeline.budget import TOTAL_BYTES, MemoryBudget
from cloudtrail_collector.pipeline.collect import MessageCollector, Outcome
from cloudtrail_collector.pipeline.deliver import Delivery
from cloudtrail_collector.pipeline.feed import FeedSettings, SinkFeed
from cloudtrail_collector.pipeline.file_delivery import FileDelivery
from cloudtrail_collector.ports import Message
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.filters import FieldSelector
from cloudtrail_spec.pipeline import Mode, PipelineSpec
from cloudtrail_spec.sinks import RetrySettings
from support.sources import BUCKET, build_spec

WAIT = 20.0
LONG = BatchLimits(max_bytes=1 << 30, max_seconds=600)
FOLDER = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/21/"
KEY = FOLDER + "111122223333_CloudTrail_us-east-1_20261121T0000Z_AbCdEfGhIjKlMnOp.json.gz"
WRITES = (FieldSelector(field="readOnly", equals=("false",)),)

Answer = Callable[[Batch], Sequence[Rejection]]


@dataclass
class StoredObject:
    body: bytes
    written_at: float | None = None

    @property
    def size(self) -> int:
        return len(self.body)

    def read(self) -> bytes:
        return self.body


@dataclass
class Store:
    objects: Mapping[str, bytes]

    def open(self, bucket: str, key: str) -> StoredObject:
        assert bucket == BUCKET
        return StoredObject(self.objects[key])


def accept(_batch: Batch) -> Sequence[Rejection]:
    return ()


def refuse(_batch: Batch) -> Sequence[Rejection]:
    raise SinkError("siem", Reason.SINK_UNREACHABLE, "503", "busy")


@dataclass
class NotingSink:
    name: str
    answer: Answer = accept
    wants_envelopes: bool = False
    lines: list[bytes] = field(default_factory=list)

    def deliver(self, batch: Batch) -> Sequence[Rejection]:
        rejections = self.answer(batch)
        self.lines += batch.lines()
        return rejections

    def close(self) -> None:
        pass


class Bench:
    """A collector with a sink and a dead-letter sink, both of which wait for more than ever comes."""

    def __init__(
        self,
        records: bytes,
        answer: Answer,
        format_event: FormatEvent | None,
        route: Sequence[FieldSelector] | None,
        total_bytes: int,
    ) -> None:
        self.sink, self.dead_letters = NotingSink("siem", answer), NotingSink("lost")
        self.board = StatusBoard(mode=Mode.ACTIVE, config_hash="", no_objects_seconds=60)
        telemetry = Telemetry(Metrics(filters=[], sinks=["siem", "lost"], matches=[]), self.board, None)
        settings = FeedSettings(LONG, RetrySettings(max_attempts=1), 2)
        self.feeds = [SinkFeed(one, settings, telemetry) for one in (self.sink, self.dead_letters)]
        self.delivery = Delivery(self.feeds[:1], self.feeds[1])
        self.waiting = threading.Event()
        self.budget = MemoryBudget(self.waiting.set, total_bytes)
        self.collector = MessageCollector(
            PipelineSpec.model_validate({name: value for name, value in build_spec().items() if name != "roleArn"}),
            Store({KEY: records}),
            RecordSelector(SelectionRules(routes=[route]), None),
            FileDelivery([Outlet("siem", format_event, wants_envelopes=False)], self.delivery, None, telemetry),
            self.budget,
            telemetry,
        )
        self.delivery.start()
        self.outcomes: list[Outcome] = []
        self._over = threading.Event()

    def collect(self) -> None:
        announced = {"s3": {"bucket": {"name": BUCKET}, "object": {"key": KEY}}, "eventName": "ObjectCreated:Put"}
        body = json.dumps({"Records": [{"eventSource": "aws:s3", **announced}]})
        self.collector.collect(Message("m", "r", body, 1, None), self._end)

    def wait(self) -> Outcome:
        assert self._over.wait(WAIT), "no outcome was reported"
        (outcome,) = self.outcomes
        return outcome

    def _end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._over.set()


@contextmanager
def collecting(
    records: bytes,
    *,
    answer: Answer = accept,
    format_event: FormatEvent | None = None,
    route: Sequence[FieldSelector] | None = None,
    total_bytes: int = TOTAL_BYTES,
) -> Iterator[Bench]:
    bench = Bench(records, answer, format_event, route, total_bytes)
    try:
        yield bench
    finally:
        bench.delivery.hurry()


def _build_file(*records: dict[str, Any], broken: int = 0) -> bytes:
    texts = [json.dumps(one, separators=(",", ":")) for one in records] + ['{"eventID":truth}'] * broken
    return ('{"Records":[' + ",".join(texts) + "]}").encode()


def _build_large_file(*, broken: int = 0) -> bytes:
    """Build a file of three steps."""
    count = WINDOW_BYTES * 2 // 100_000 + 10
    records = ({"eventID": f"e{number}", "readOnly": True, "x": "y" * 100_000} for number in range(count))
    return _build_file(*records, broken=broken)


def test_the_steps_of_a_large_file_wait_neither_for_more_events_nor_for_more_dead_letters() -> None:
    with collecting(_build_large_file(broken=1)) as bench:
        collect = threading.Thread(target=bench.collect, daemon=True)
        collect.start()
        assert bench.wait().failed is None
        collect.join(WAIT)
        assert len(bench.dead_letters.lines) == 1
        assert bench.board.build_report().events.read == len(bench.sink.lines) + 1


def test_an_error_that_looks_like_the_end_of_a_large_file_is_none() -> None:
    def stop(_record: bytes, _place: Place) -> bytes:
        return next(iter(()))

    with collecting(_build_large_file(), format_event=stop) as bench:
        with pytest.raises(StopIteration):
            bench.collect()
        assert bench.outcomes == []
        bench.budget.take(TOTAL_BYTES).release()


def test_a_file_that_cannot_be_read_keeps_no_memory_while_the_line_about_it_waits() -> None:
    with collecting(b"no log file", total_bytes=100) as bench:
        bench.collect()
        assert bench.outcomes == []
        bench.budget.take(100).release()
        assert not bench.waiting.is_set()
        bench.delivery.flush()
        assert bench.wait().failed is None


@pytest.mark.parametrize(("answer", "failed"), [(accept, None), (refuse, "sink")])
def test_every_event_is_counted_as_one_thing_whether_or_not_the_sink_takes_it(
    answer: Answer, failed: str | None
) -> None:
    records = [{"eventID": "e1", "readOnly": False}, {"eventID": "e2", "readOnly": True}]
    with collecting(_build_file(*records), answer=answer, route=WRITES) as bench:
        bench.collect()
        bench.delivery.flush()
        assert bench.wait().failed == failed
        events = bench.board.build_report().events
        assert (events.read, events.unrouted) == (2, 1)
        assert (events.emitted, events.failed) == ((1, 0) if failed is None else (0, 1))


def test_who_waits_for_memory_asks_again_and_again_that_what_holds_it_leaves() -> None:
    asked = threading.Semaphore(0)
    budget = MemoryBudget(asked.release, 100)
    held = budget.take(100)
    thread = threading.Thread(target=lambda: budget.take(1).release())
    thread.start()
    for _ in range(2):
        assert asked.acquire(timeout=WAIT)
    held.release()
    thread.join(WAIT)
    assert not thread.is_alive()


def test_a_large_object_is_not_overtaken_for_ever() -> None:
    waiting, small_entered = threading.Event(), threading.Event()
    budget = MemoryBudget(waiting.set, 100)
    held = budget.take(60)
    order: list[str] = []

    def enter(name: str, amount: int) -> None:
        share = budget.take(amount)
        order.append(name)
        if name == "small":
            small_entered.set()
        share.release()

    large = threading.Thread(target=enter, args=("large", 100))
    large.start()
    assert waiting.wait(WAIT)
    small = threading.Thread(target=enter, args=("small", 10))
    small.start()
    assert not small_entered.wait(0.2)
    held.release()
    for thread in (large, small):
        thread.join(WAIT)
    assert order == ["large", "small"]


def test_what_was_collected_lately_is_reported() -> None:
    with collecting(_build_file({"eventID": "e1"}, {"eventID": "e2"})) as bench:
        bench.board.note_receive(1, 42.9)
        before = bench.board.build_report().activity
        assert before is not None
        assert before.unread_since == before.last_message_at is not None
        assert (before.last_object_at, before.events_per_second) == (None, 0)
        bench.collect()
        bench.delivery.flush()
        assert bench.wait().failed is None
        bench.board.note_receive(0, None)
        activity = bench.board.build_report().activity
        assert activity is not None
        assert activity.last_object_at is not None
        assert (activity.unread_since, activity.last_message_at) == (None, before.last_message_at)
        assert 0 < activity.events_per_second <= 0.2
        assert (activity.dead_lettered, activity.last_dead_letter_reason) == (0, None)


def test_a_file_that_was_given_up_is_no_object_that_was_read() -> None:
    with collecting(b"no log file") as bench:
        bench.board.note_receive(1, 42.9)
        bench.collect()
        bench.delivery.flush()
        assert bench.wait().failed is None
        activity = bench.board.build_report().activity
        assert activity is not None
        assert (activity.dead_lettered, activity.last_dead_letter_reason) == (1, DeadLetterReason.NOT_A_LOG_FILE)
        assert activity.last_object_at is None
        assert activity.unread_since is not None
