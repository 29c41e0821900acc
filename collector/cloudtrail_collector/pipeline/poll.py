"""The receive loop: one thread that fetches messages while there is room and leaves them to the workers."""

import random
import time
from collections.abc import Sequence

from cloudtrail_collector.core.backoff import build_receive_delay
from cloudtrail_collector.core.visibility import Lease
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.pipeline.background import Background
from cloudtrail_collector.pipeline.ledger import Ledger
from cloudtrail_collector.pipeline.returning import return_messages
from cloudtrail_collector.pipeline.watch import QueueWatch
from cloudtrail_collector.pipeline.work import Workers
from cloudtrail_collector.ports import Message, MessageQueue
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.report import CollectorState

RECEIVE_LIMIT = 10
# SQS allows 20 s. A poll cannot be broken off without losing what it may bring for a whole visibility timeout, so a stop
# waits for its end: 5 s keep rollouts quick and cost 12 instead of 3 empty receives a minute, about $0.20 a month.
WAIT_SECONDS = 5
ROOM_SECONDS = 1.0


class Receiver(Background):
    """Receives until it is told to stop; whatever a last poll brings is given back."""

    def __init__(
        self, queue: MessageQueue, workers: Workers, ledger: Ledger, watch: QueueWatch, telemetry: Telemetry
    ) -> None:
        super().__init__("receiver")
        self._queue = queue
        self._workers = workers
        self._ledger = ledger
        self._watch = watch
        self._telemetry = telemetry
        self.turned_at = time.monotonic()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self.turned_at = time.monotonic()
            room = self._find_room()
            if room <= 0:
                continue
            try:
                messages = self._queue.receive(min(RECEIVE_LIMIT, room), WAIT_SECONDS)
                self._take(messages)
            except AwsError as failure:
                failures += 1
                delay = build_receive_delay(failures, random.random())  # noqa: S311  (spreads retries, no secret)
                self._telemetry.receive_failed(failure, delay)
                self._stopping.wait(delay)
            except Exception as error:  # noqa: BLE001  (a task's boundary: receiving must go on)
                failures += 1
                self._telemetry.crashed("receiver", error)
                self._stopping.wait(build_receive_delay(failures, random.random()))  # noqa: S311
            else:
                failures = 0

    def _find_room(self) -> int:
        room = self._ledger.count_room()
        if self._stopping.is_set():
            return 0
        holding = self._ledger.is_full_of_held()
        self._telemetry.state_changed(CollectorState.HOLDING if holding else CollectorState.RECEIVING)
        if room <= 0:
            self._ledger.wait_for_room(ROOM_SECONDS)
        return room

    def _take(self, messages: Sequence[Message]) -> None:
        self._telemetry.received(len(messages), _find_oldest_age(messages))
        if self._stopping.is_set():
            now = time.monotonic()
            leases = [Lease(message.id, message.receipt_handle, now, now) for message in messages]
            return_messages(self._queue, self._telemetry, leases, reason="drain", delay=0)
            return
        for message in messages:
            if self._ledger.claim(message, timeout_seconds=self._watch.visibility_timeout_seconds):
                self._workers.submit(message)


def _find_oldest_age(messages: Sequence[Message]) -> float | None:
    sent = [message.sent_at for message in messages if message.sent_at is not None]
    return max(0.0, time.time() - min(sent)) if sent else None
