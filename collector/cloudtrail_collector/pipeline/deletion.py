"""Deletes finished messages, up to ten in a request, and tries again until SQS says that they are gone.

Invariants. A message comes here after every sink has accepted every record of it, and only here is it deleted. Its lease
stays in the ledger, so that the heartbeat keeps it invisible, until its deletion is confirmed. A message waits for others
to be deleted with, but no longer than LINGER_SECONDS, and never for a message that is still in work. What SQS does not
delete is tried again with growing pauses, alone or with others; a receipt that SQS no longer knows is given up: the message
belongs to somebody else. Receiving may fail or pause meanwhile: it is not needed here.
"""

import heapq
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cloudtrail_collector.core.backoff import build_retry_delay
from cloudtrail_collector.errors import AwsError, ReceiptLostError
from cloudtrail_collector.pipeline.ledger import Ledger
from cloudtrail_collector.pipeline.returning import REQUEST_SIZE
from cloudtrail_collector.ports import Message, MessageDeletion
from cloudtrail_collector.telemetry import Telemetry

# At 100 messages a second every request is full; a quiet queue waits this much longer for nothing else.
LINGER_SECONDS = 0.1
# A request takes some ten milliseconds: two at once delete about a thousand messages a second.
PARALLEL_REQUESTS = 2


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    """A message to delete, not before `due`. `failures` says how often it was not."""

    due: float
    message_id: str
    sent_at: float | None
    failures: int = 0


class Deleter:
    """Threads that delete what workers have finished."""

    def __init__(self, queue: MessageDeletion, ledger: Ledger, telemetry: Telemetry) -> None:
        self._queue = queue
        self._ledger = ledger
        self._telemetry = telemetry
        self._changed = threading.Condition()
        self._ready: deque[_Entry] = deque()
        self._later: list[_Entry] = []
        self._is_hurrying = False
        self._threads = [
            threading.Thread(target=self._run, name=f"deleter-{number}", daemon=True)
            for number in range(PARALLEL_REQUESTS)
        ]

    def start(self) -> None:
        """Start the threads; they run as long as the process does."""
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        """Tell whether every thread runs."""
        return all(thread.is_alive() for thread in self._threads)

    def submit(self, message: Message) -> None:
        """Leave a finished message to be deleted."""
        self._put([_Entry(time.monotonic(), message.id, message.sent_at)])

    def hurry(self) -> None:
        """From now on wait neither for more messages nor, after a failure, for long: the process is about to end."""
        with self._changed:
            self._is_hurrying = True
            now = time.monotonic()
            self._ready.extend(replace(entry, due=now) for entry in self._later)
            self._later.clear()
            self._changed.notify_all()

    def _put(self, entries: Sequence[_Entry]) -> None:
        now = time.monotonic()
        with self._changed:
            for entry in entries:
                if entry.due <= now:
                    self._ready.append(entry)
                else:
                    heapq.heappush(self._later, entry)
            # Whoever waits until the first has waited long enough need not hear of the second.
            if self._later or len(self._ready) == 1 or len(self._ready) >= REQUEST_SIZE:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            entries = self._take()
            try:
                self._delete(entries)
            except Exception as error:  # noqa: BLE001  (a task's boundary: deleting must go on)
                self._telemetry.crashed("deleter", error)
                self._retry(entries)

    def _take(self) -> list[_Entry]:
        """Wait for ten messages, or for as many as there are when the first has waited long enough."""
        with self._changed:
            while True:
                now = time.monotonic()
                while self._later and self._later[0].due <= now:
                    self._ready.append(heapq.heappop(self._later))
                pause = self._find_pause(now)
                if pause is not None and pause <= 0:
                    entries = [self._ready.popleft() for _ in range(min(REQUEST_SIZE, len(self._ready)))]
                    self._changed.notify()
                    return entries
                self._changed.wait(pause)

    def _find_pause(self, now: float) -> float | None:
        """Find how long nothing is to be done, None where that is for others to say."""
        if self._ready and (self._is_hurrying or len(self._ready) >= REQUEST_SIZE):
            return 0
        moments = [self._ready[0].due + LINGER_SECONDS] if self._ready else []
        moments += [self._later[0].due] if self._later else []
        return min(moments) - now if moments else None

    def _delete(self, entries: Sequence[_Entry]) -> None:
        leases = {entry: self._ledger.find_lease(entry.message_id) for entry in entries}
        # The newest receipts: a message may have come again while it waited.
        receipts = {entry: lease.receipt_handle for entry, lease in leases.items() if lease is not None}
        if not receipts:
            return
        try:
            refused = self._queue.delete(list(receipts.values()))
        except AwsError as failure:
            self._telemetry.delete_failed(failure, len(receipts))
            self._retry(list(receipts))
            return
        for entry, receipt in receipts.items():
            if receipt not in refused:
                self._ledger.settle(entry.message_id)
                self._telemetry.deleted(entry.sent_at)
        self._retry([entry for entry, receipt in receipts.items() if self._is_wanted(entry, receipt, refused)])

    def _is_wanted(self, entry: _Entry, receipt: str, refused: dict[str, AwsError]) -> bool:
        """Tell whether a message shall be tried again."""
        failure = refused.get(receipt)
        if failure is None:
            return False
        if not isinstance(failure, ReceiptLostError):
            self._telemetry.delete_failed(failure, 1)
            return True
        lease = self._ledger.find_lease(entry.message_id)
        if lease is not None and lease.receipt_handle != receipt:
            return True
        self._ledger.settle(entry.message_id)
        self._telemetry.message_lost(entry.message_id, failure)
        return False

    def _retry(self, entries: Sequence[_Entry]) -> None:
        now = time.monotonic()
        self._put([self._postpone(entry, now) for entry in entries])

    def _postpone(self, entry: _Entry, now: float) -> _Entry:
        failures = entry.failures + 1
        delay = build_retry_delay(1 if self._is_hurrying else failures, random.random())  # noqa: S311  (spreads retries)
        return replace(entry, due=now + delay, failures=failures)
