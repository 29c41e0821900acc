"""The receive loop: fetches messages while there is room and leaves them to the workers.

Receives take turns, so that an empty queue is asked by one long poll at a time and a failing one by one careful caller. Only
while the queue gives ten messages at a time do all threads receive at once: a round trip takes ten milliseconds, and one
after another they would bring no more than a thousand messages a second.
"""

import random
import threading
import time
from collections.abc import Sequence

from cloudtrail_collector.core.backoff import build_retry_delay
from cloudtrail_collector.core.visibility import Lease
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.pipeline.ledger import Ledger
from cloudtrail_collector.pipeline.returning import return_messages
from cloudtrail_collector.pipeline.watch import QueueWatch
from cloudtrail_collector.pipeline.work import Workers
from cloudtrail_collector.ports import Message, MessageQueue
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.report import CollectorState

RECEIVE_LIMIT = 10
PARALLEL_RECEIVES = 2
# SQS allows 20 s. A poll cannot be broken off without losing what it may bring for a whole visibility timeout, so a stop
# waits for its end: 5 s keep rollouts quick and cost 12 instead of 3 empty receives a minute, about $0.20 a month.
WAIT_SECONDS = 5
ROOM_SECONDS = 1.0


class Receiver:
    """Receives until it is told to stop; whatever a last poll brings is given back."""

    def __init__(
        self, queue: MessageQueue, workers: Workers, ledger: Ledger, watch: QueueWatch, telemetry: Telemetry
    ) -> None:
        self._queue = queue
        self._workers = workers
        self._ledger = ledger
        self._watch = watch
        self._telemetry = telemetry
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._is_deep = False
        self._failures = 0
        self._not_before = 0.0
        self._threads = [
            threading.Thread(target=self._run, name=f"receiver-{number}", daemon=True)
            for number in range(PARALLEL_RECEIVES)
        ]
        self.turned_at = time.monotonic()

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        """Tell whether every thread runs; once it was stopped, whether any does."""
        return (any if self._stopping.is_set() else all)(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Ask the threads to end. Returns at once; `join` waits."""
        self._stopping.set()

    def join(self, timeout: float) -> None:
        """Wait for the end of the threads, at most `timeout` seconds."""
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._is_deep:
                    self._receive()
                else:
                    with self._turn:
                        self._receive()
            except Exception as error:  # noqa: BLE001  (a task's boundary: receiving must go on)
                self._telemetry.crashed("receiver", error)
                self._postpone()

    def _receive(self) -> None:
        """Wait for the end of a pause, for room, and for messages; one round, so that a stop is noticed."""
        self.turned_at = time.monotonic()
        if self._stopping.wait(max(0.0, self._not_before - time.monotonic())):
            return
        holding = self._ledger.is_full_of_held()
        self._telemetry.state_changed(CollectorState.HOLDING if holding else CollectorState.RECEIVING)
        room = self._ledger.reserve(ROOM_SECONDS)
        try:
            if room and not self._stopping.is_set():
                self._take(self._queue.receive(room, WAIT_SECONDS))
        except AwsError as failure:
            self._telemetry.receive_failed(failure, self._postpone())
        finally:
            self._ledger.release(room)

    def _postpone(self) -> float:
        """Pause all receiving after a failure; returns for how long."""
        self._is_deep = False
        self._failures += 1
        delay = build_retry_delay(self._failures, random.random())  # noqa: S311  (spreads retries, no secret)
        self._not_before = time.monotonic() + delay
        return delay

    def _take(self, messages: Sequence[Message]) -> None:
        self._failures = 0
        self._is_deep = len(messages) == RECEIVE_LIMIT
        self._telemetry.received(len(messages), _find_oldest_age(messages))
        if self._stopping.is_set():
            now = time.monotonic()
            leases = [Lease(message.id, message.receipt_handle, now, now) for message in messages]
            return_messages(self._queue, self._telemetry, leases, reason="drain", delay=0)
            return
        for message in messages:
            if self._ledger.claim(message, timeout_seconds=self._watch.received_visibility_seconds):
                self._workers.submit(message)


def _find_oldest_age(messages: Sequence[Message]) -> float | None:
    sent = [message.sent_at for message in messages if message.sent_at is not None]
    return max(0.0, time.time() - min(sent)) if sent else None
