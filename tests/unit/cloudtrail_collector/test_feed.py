"""The feed of a sink: what makes a batch, what is sent again, and whom a failure reaches."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from cloudtrail_collector.core.batching import Batch, BatchLimits, Rejection
from cloudtrail_collector.core.parcels import Parcel
from cloudtrail_collector.errors import SinkError
from cloudtrail_collector.metrics import Metrics
from cloudtrail_collector.pipeline.feed import FeedSettings, SinkFeed
from cloudtrail_collector.pipeline.shipment import Shipment
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.sinks import RetrySettings

WAIT = 10.0

Answer = Callable[[Batch], Sequence[Rejection]]


class ScriptedSink:
    """Notes what it gets, waits while `gate` is closed, and answers as told."""

    name = "siem"
    wants_envelopes = False

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.batches: list[list[bytes]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Semaphore(0)

    def deliver(self, batch: Batch) -> Sequence[Rejection]:
        self.batches.append(batch.lines())
        self.arrived.release()
        assert self.gate.wait(WAIT)
        return self.answer(batch)

    def close(self) -> None:
        pass


class Journey:
    """A parcel and how it ended."""

    def __init__(self, *lines: str) -> None:
        text = [line.encode() for line in lines]
        self.parcel = Parcel("siem", Batch(b"".join(line + b"\n" for line in text), len(text)), range(len(text)))
        self._over = threading.Event()
        self.shipment = Shipment(1, lambda _: self._over.set())

    def wait(self) -> Shipment:
        assert self._over.wait(WAIT), "the parcel's end was not reported"
        return self.shipment

    @property
    def is_over(self) -> bool:
        return self._over.is_set()


def accept(_batch: Batch) -> Sequence[Rejection]:
    return ()


def refuse(reason: Reason = Reason.SINK_UNREACHABLE, retry_after: float | None = None) -> SinkError:
    return SinkError("siem", reason, "503", "busy", retry_after=retry_after)


@contextmanager
def feeding(
    answer: Answer, *, limits: BatchLimits | None = None, attempts: int = 1, senders: int = 1
) -> Iterator[tuple[ScriptedSink, SinkFeed]]:
    sink = ScriptedSink(answer)
    metrics = Metrics(filters=[], sinks=["siem"], matches=[])
    board = StatusBoard(mode=Mode.ACTIVE, config_hash="", no_objects_seconds=60)
    retry = RetrySettings(max_attempts=attempts, max_delay_seconds=1)
    settings = FeedSettings(limits or BatchLimits(), retry, senders)
    feed = SinkFeed(sink, settings, Telemetry(metrics, board, None))
    feed.start()
    try:
        yield sink, feed
    finally:
        sink.gate.set()
        feed.hurry()


def submit(feed: SinkFeed, *journeys: Journey) -> None:
    for journey in journeys:
        feed.submit(journey.parcel, journey.shipment)


def test_what_waits_while_a_batch_is_sent_makes_the_next_one() -> None:
    first, second, third = Journey("a"), Journey("b", "c"), Journey("d")
    with feeding(accept) as (sink, feed):
        sink.gate.clear()
        submit(feed, first)
        assert sink.arrived.acquire(timeout=WAIT)
        submit(feed, second, third)
        sink.gate.set()
        for journey in (first, second, third):
            assert journey.wait().failure is None
    assert sink.batches == [[b"a"], [b"b", b"c", b"d"]]


def test_batches_keep_their_bounds_and_a_parcel_that_is_too_large_is_cut() -> None:
    small, large = Journey("a"), Journey("b", "c", "d", "e", "f")
    with feeding(accept, limits=BatchLimits(max_events=2)) as (sink, feed):
        submit(feed, small, large)
        assert [journey.wait().failure for journey in (small, large)] == [None, None]
    assert sink.batches == [[b"a"], [b"b", b"c"], [b"d", b"e"], [b"f"]]


def test_a_batch_waits_for_more_until_it_is_full() -> None:
    journeys = [Journey("a"), Journey("b"), Journey("c")]
    with feeding(accept, limits=BatchLimits(max_events=3, max_seconds=600)) as (sink, feed):
        submit(feed, *journeys[:2])
        assert not sink.arrived.acquire(timeout=0.2)
        submit(feed, journeys[2])
        for journey in journeys:
            journey.wait()
    assert sink.batches == [[b"a", b"b", b"c"]]


@pytest.mark.parametrize("end_waiting", [SinkFeed.flush, SinkFeed.hurry])
def test_nothing_waits_for_more_when_more_cannot_come(end_waiting: Callable[[SinkFeed], None]) -> None:
    journey = Journey("a")
    with feeding(accept, limits=BatchLimits(max_seconds=600)) as (_, feed):
        submit(feed, journey)
        end_waiting(feed)
        assert journey.wait().failure is None


def test_a_failed_batch_is_sent_again_as_often_as_wanted() -> None:
    answers = [refuse(), refuse(), None]

    def answer(_batch: Batch) -> Sequence[Rejection]:
        failure = answers.pop(0)
        if failure is not None:
            raise failure
        return ()

    journey = Journey("a")
    with feeding(answer, attempts=3) as (sink, feed):
        submit(feed, journey)
        assert journey.wait().failure is None
    assert sink.batches == [[b"a"]] * 3


def test_a_pause_that_the_sink_asks_for_is_kept() -> None:
    times: list[float] = []

    def answer(_batch: Batch) -> Sequence[Rejection]:
        times.append(time.monotonic())
        if len(times) == 1:
            raise refuse(retry_after=0.9)
        return ()

    journey = Journey("a")
    with feeding(answer, attempts=2) as (_, feed):
        submit(feed, journey)
        journey.wait()
    assert times[1] - times[0] >= 0.9


def test_t31_a_failure_reaches_what_waits_behind_it_but_not_what_was_accepted_before() -> None:
    def answer(batch: Batch) -> Sequence[Rejection]:
        if batch.lines() != [b"a"]:
            raise refuse()
        return ()

    before, failing, behind = Journey("a"), Journey("b"), Journey("c")
    with feeding(answer, limits=BatchLimits(max_events=1)) as (sink, feed):
        sink.gate.clear()
        submit(feed, before, failing, behind)
        assert sink.arrived.acquire(timeout=WAIT)
        sink.gate.set()
        assert before.wait().failure is None
        assert failing.wait().failure is not None
        assert behind.wait().failure is not None
    assert sink.batches == [[b"a"], [b"b"]]


def test_events_that_are_rejected_are_found_in_their_parcels() -> None:
    first, second = Journey("a", "b"), Journey("c", "d", "e")

    def answer(batch: Batch) -> Sequence[Rejection]:
        return [Rejection(number, "400", "no") for number, line in enumerate(batch.lines()) if line in {b"b", b"e"}]

    with feeding(answer, limits=BatchLimits(max_seconds=600, max_events=5)) as (sink, feed):
        submit(feed, first, second)
        (lost,) = first.wait().rejected
        assert (lost.index, lost.record, lost.sink, lost.error) == (1, b"b", "siem", "400: no")
        assert [one.record for one in second.wait().rejected] == [b"e"]
    assert len(sink.batches) == 1


def test_an_unexpected_error_fails_the_parcel_and_the_feed_goes_on() -> None:
    answers: list[Exception | None] = [KeyError("surprise"), None]

    def answer(_batch: Batch) -> Sequence[Rejection]:
        error = answers.pop(0)
        if error is not None:
            raise error
        return ()

    first, second = Journey("a"), Journey("b")
    with feeding(answer) as (_, feed):
        submit(feed, first)
        failure = first.wait().failure
        assert failure is not None
        assert failure.code == "KeyError"
        submit(feed, second)
        assert second.wait().failure is None
        assert feed.is_alive()


def test_several_batches_are_on_their_way_at_once() -> None:
    journeys = [Journey("a"), Journey("b")]
    with feeding(accept, limits=BatchLimits(max_events=1), senders=2) as (sink, feed):
        sink.gate.clear()
        submit(feed, *journeys)
        for _ in journeys:
            assert sink.arrived.acquire(timeout=WAIT)
        sink.gate.set()
        for journey in journeys:
            assert journey.wait().failure is None


def test_what_is_submitted_while_an_attempt_fails_gets_an_attempt_of_its_own() -> None:
    answers: list[SinkError | None] = [refuse(), None]

    def answer(_batch: Batch) -> Sequence[Rejection]:
        failure = answers.pop(0)
        if failure is not None:
            raise failure
        return ()

    failing, later = Journey("a"), Journey("b")
    with feeding(answer) as (sink, feed):
        sink.gate.clear()
        submit(feed, failing)
        assert sink.arrived.acquire(timeout=WAIT)
        submit(feed, later)
        sink.gate.set()
        assert failing.wait().failure is not None
        assert later.wait().failure is None


def test_a_failure_that_takes_away_what_another_sender_gathers_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    def answer(batch: Batch) -> Sequence[Rejection]:
        if b"a" in batch.lines():
            raise refuse()
        return ()

    failing, gathered, later = Journey("a", "b"), Journey("c"), Journey("d")
    with feeding(answer, limits=BatchLimits(max_events=2, max_seconds=600), attempts=2, senders=2) as (sink, feed):
        sink.gate.clear()
        submit(feed, failing)
        assert sink.arrived.acquire(timeout=WAIT)
        submit(feed, gathered)
        sink.gate.set()
        assert gathered.wait().failure is not None
        assert sink.arrived.acquire(timeout=WAIT)
        feed.flush()
        assert not sink.arrived.acquire(timeout=0.2)
        submit(feed, later)
        feed.flush()
        assert later.wait().failure is None
    assert "unexpected error" not in caplog.text
