"""The queue of the bench server: messages, visibility, receipts; what SQS counts, without SQS's storage.

Messages exist as numbers until they are received, so that a million of them cost nothing. Times are seconds of one
monotonic clock, passed in.
"""

import heapq
import uuid
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it was received: its number, how often so far, and the receipt of this time."""

    number: int
    receive_count: int
    receipt: str


@dataclass(slots=True)
class _Lease:
    number: int
    invisible_until: float


class QueueModel:
    """Messages 0 to `count` - 1, of which each is visible, in flight or deleted."""

    def __init__(self, count: int, visibility_timeout: float) -> None:
        self.count = count
        self.visibility_timeout = visibility_timeout
        self.deleted = 0
        self.received = 0
        self.received_again = 0
        self._fresh = 0
        self._returned: deque[int] = deque()
        self._leases: dict[str, _Lease] = {}
        self._expiries: list[tuple[float, str]] = []
        # Only of messages that came back: others have been received once.
        self._receive_counts: dict[int, int] = {}

    @property
    def visible(self) -> int:
        """Messages that a receive would get."""
        return self.count - self._fresh + len(self._returned)

    @property
    def in_flight(self) -> int:
        """Messages received and neither deleted nor visible again."""
        return len(self._leases)

    def receive(self, limit: int, now: float, timeout: float | None = None) -> list[Delivery]:
        """Lease up to `limit` messages."""
        self.return_expired(now)
        until = now + (self.visibility_timeout if timeout is None else timeout)
        return [self._lease(self._take(), until) for _ in range(min(limit, self.visible))]

    def delete(self, receipt: str) -> bool:
        """Delete a message; False when the receipt is not, or no longer, valid."""
        if self._leases.pop(receipt, None) is None:
            return False
        self.deleted += 1
        return True

    def change_visibility(self, receipt: str, seconds: float, now: float) -> bool:
        """Set anew when a message becomes visible; False when the receipt is not, or no longer, valid."""
        lease = self._leases.get(receipt)
        if lease is None:
            return False
        lease.invisible_until = now + seconds
        heapq.heappush(self._expiries, (lease.invisible_until, receipt))
        self.return_expired(now)
        return True

    def return_expired(self, now: float) -> None:
        """Make visible again what was not deleted in time."""
        while self._expiries and self._expiries[0][0] <= now:
            _, receipt = heapq.heappop(self._expiries)
            lease = self._leases.get(receipt)
            # An extended lease has a later entry as well.
            if lease is not None and lease.invisible_until <= now:
                del self._leases[receipt]
                self._receive_counts.setdefault(lease.number, 1)
                self._returned.append(lease.number)

    def _take(self) -> int:
        if self._returned:
            return self._returned.popleft()
        self._fresh += 1
        return self._fresh - 1

    def _lease(self, number: int, until: float) -> Delivery:
        count = 1
        if number in self._receive_counts:
            count = self._receive_counts[number] = self._receive_counts[number] + 1
            self.received_again += 1
        self.received += 1
        receipt = uuid.uuid4().hex
        self._leases[receipt] = _Lease(number, until)
        heapq.heappush(self._expiries, (until, receipt))
        return Delivery(number, count, receipt)
