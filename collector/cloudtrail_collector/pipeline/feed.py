"""Feeds one sink: puts waiting parcels together to batches, sends them, and tells each shipment how it went.

A slow sink delays only what waits for it. How much that can be is bounded by the ledger and the memory budget.
"""

import random
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from cloudtrail_collector.core.backoff import build_resend_delay
from cloudtrail_collector.core.batching import Batch, BatchLimits, Rejection, cut_batch, merge_batches
from cloudtrail_collector.core.parcels import Parcel
from cloudtrail_collector.errors import SinkError
from cloudtrail_collector.pipeline.shipment import Shipment
from cloudtrail_collector.ports import Sink
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import RetrySettings


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """How a sink is fed; `senders` batches are on their way at once."""

    limits: BatchLimits
    retry: RetrySettings
    senders: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    parcel: Parcel
    shipment: Shipment
    since: float


class SinkFeed:
    """The parcels that wait for a sink, and the threads that send them."""

    def __init__(self, sink: Sink, settings: FeedSettings, telemetry: Telemetry) -> None:
        self.sink = sink
        self._limits = settings.limits
        self._retry = settings.retry
        self._telemetry = telemetry
        self._waiting: deque[_Waiting] = deque()
        self._bytes = self._events = self._unsettled = 0
        self._changed = threading.Condition()
        # One sender at a time gathers a batch; the others send.
        self._gathering = threading.Lock()
        self._flush_before = 0.0
        self._hurry = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"sink-{sink.name}-{number}", daemon=True)
            for number in range(settings.senders)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        """Tell whether every thread runs."""
        return all(thread.is_alive() for thread in self._threads)

    def submit(self, parcel: Parcel, shipment: Shipment) -> None:
        """Let a parcel wait for its turn; returns at once."""
        with self._changed:
            self._waiting.append(_Waiting(parcel, shipment, time.monotonic()))
            self._count(parcel, 1)
            self._unsettled += parcel.batch.count
            self._telemetry.sink_waiting(self.sink.name, self._unsettled)
            self._changed.notify_all()

    def flush(self) -> None:
        """Send what waits now, without waiting for more."""
        with self._changed:
            self._flush_before = time.monotonic()
            self._changed.notify_all()

    def hurry(self) -> None:
        """From now on wait neither for more nor between attempts: the process ends."""
        self._hurry.set()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Close the sink, after the last delivery."""
        try:
            self.sink.close()
        except Exception as error:  # noqa: BLE001  (the process ends anyway)
            self._telemetry.crashed(f"sink {self.sink.name}", error)

    def _run(self) -> None:
        while True:
            parcels: Sequence[_Waiting] = []
            try:
                with self._gathering:
                    parcels = self._gather()
                self._send(parcels)
            except Exception as error:  # noqa: BLE001  (a task's boundary: its messages go back, the sender lives on)
                self._telemetry.crashed(f"sink {self.sink.name}", error)
                failure = SinkError(self.sink.name, Reason.SINK_UNREACHABLE, type(error).__name__, "unexpected error")
                self._fail(parcels, failure)
            else:
                self._settle(parcels)

    # --- gathering ---

    def _gather(self) -> Sequence[_Waiting]:
        """Wait for a parcel, then for more until a batch is full or the first has waited long enough."""
        with self._changed:
            while (left := self._find_time_left()) is None or left > 0:
                self._changed.wait(left)
            return self._take()

    def _find_time_left(self) -> float | None:
        """Return how long what waits may wait for more, in seconds; 0 or less when it goes now, None when nothing waits."""
        # Not even who gathers may be sure of it: another sender's failure takes away what waits.
        if not self._waiting:
            return None
        first = self._waiting[0].since
        is_full = self._events >= self._limits.max_events or self._bytes >= self._limits.max_bytes
        if is_full or self._hurry.is_set() or first <= self._flush_before:
            return 0.0
        return first + self._limits.max_seconds - time.monotonic()

    def _take(self) -> list[_Waiting]:
        taken = [self._waiting.popleft()]
        size, count = len(taken[0].parcel.batch.payload), taken[0].parcel.batch.count
        while self._waiting:
            batch = self._waiting[0].parcel.batch
            size, count = size + len(batch.payload), count + batch.count
            if size > self._limits.max_bytes or count > self._limits.max_events:
                break
            taken.append(self._waiting.popleft())
        for one in taken:
            self._count(one.parcel, -1)
        return taken

    def _count(self, parcel: Parcel, sign: int) -> None:
        self._bytes += sign * len(parcel.batch.payload)
        self._events += sign * parcel.batch.count

    def _settle(self, parcels: Sequence[_Waiting]) -> None:
        with self._changed:
            self._unsettled -= sum(one.parcel.batch.count for one in parcels)
            self._telemetry.sink_waiting(self.sink.name, self._unsettled)

    # --- sending ---

    def _send(self, waiting: Sequence[_Waiting]) -> None:
        """Send parcels as one text, cut into batches. What was accepted before a failure counts for whole parcels."""
        merged = merge_batches([one.parcel.batch for one in waiting])
        ends = list(accumulate(one.parcel.batch.count for one in waiting))
        rejected: list[list[Rejection]] = [[] for _ in waiting]
        done = 0
        failure: SinkError | None = None
        for batch in cut_batch(merged, self._limits):
            try:
                rejections = self._deliver(batch)
            except SinkError as error:
                failure = error
                break
            for rejection in rejections:
                owner = bisect_right(ends, done + rejection.index)
                start = ends[owner - 1] if owner else 0
                rejected[owner].append(replace(rejection, index=done + rejection.index - start))
            done += batch.count
        for one, end, own in zip(waiting, ends, rejected, strict=True):
            if failure is None or end <= done:
                if one.parcel.are_events:
                    self._telemetry.events_accepted(self.sink.name, one.parcel.batch.count - len(own))
                one.shipment.accept(one.parcel, own)
            else:
                one.shipment.fail(failure)

    def _deliver(self, batch: Batch) -> Sequence[Rejection]:
        """Deliver one batch, in several attempts. Raises the SinkError of the last one."""
        for attempt in range(1, self._retry.max_attempts + 1):
            started = time.monotonic()
            try:
                rejections = self._attempt(batch)
            except SinkError as failure:
                self._telemetry.sink_failed(failure, batch.count)
                if attempt == self._retry.max_attempts or self._hurry.is_set():
                    self._fail_waiting(failure, started)
                    raise
                self._pause(attempt, failure)
            else:
                self._telemetry.sink_accepted(self.sink.name, len(rejections))
                return rejections
        raise AssertionError  # the last attempt returns or raises

    def _attempt(self, batch: Batch) -> Sequence[Rejection]:
        started = time.monotonic()
        try:
            return self.sink.deliver(batch)
        finally:
            self._telemetry.sink_answered(self.sink.name, time.monotonic() - started)

    def _pause(self, attempt: int, failure: SinkError) -> None:
        cap = float(self._retry.max_delay_seconds)
        jitter = random.random()  # noqa: S311  (spreads retries, no secret)
        self._hurry.wait(build_resend_delay(attempt, jitter, wanted=failure.retry_after, cap=cap))

    def _fail_waiting(self, failure: SinkError, began: float) -> None:
        """Fail what has waited since before the attempt began: else it would wait for one timeout after another."""
        if failure.reason is Reason.SINK_REJECTED:
            return
        with self._changed:
            failed: list[_Waiting] = []
            while self._waiting and self._waiting[0].since <= began:
                failed.append(self._waiting.popleft())
                self._count(failed[-1].parcel, -1)
        self._fail(failed, failure)

    def _fail(self, parcels: Sequence[_Waiting], failure: SinkError) -> None:
        for one in parcels:
            one.shipment.fail(failure)
        self._settle(parcels)
