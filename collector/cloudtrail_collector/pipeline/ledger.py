"""Which messages this process has, and what of them: the one place that says who may delete or return a message.

A message is in work from its claim on, but for the time that it waits for proof (integrity Enforce), and on its way when
all that it announces waits for sinks; then it is finished (delivered, and to be deleted), held (mode Test), or returned.
Its lease stays here, and is extended, until the outcome is certain: until SQS has confirmed the deletion, or the message
is about to be returned. Receivers, workers, deleter, heartbeat and drain share it. Whoever settles a message owns its
outcome; the others find it gone.
"""

import threading
import time
from dataclasses import dataclass, replace

from cloudtrail_collector.core.visibility import Extension, Lease
from cloudtrail_collector.ports import Message
from cloudtrail_collector.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many messages are received at once; how many may be in work, on their way to sinks, finished and not yet deleted,
    waiting for proof, and in all.
    """

    at_once: int
    in_work: int
    on_way: int
    finished: int
    in_all: int | None = None
    waiting: int = 5000


# What waits for proof is extended by so much at a time: it may be thousands of messages for hours.
WAIT_SECONDS = 900


class Ledger:
    """Leases of messages in work, of finished ones, and of those held in mode Test."""

    def __init__(self, bounds: Bounds, telemetry: Telemetry) -> None:
        self._bounds = bounds
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._leases: dict[str, Lease] = {}
        self._on_way: set[str] = set()
        self._finished: set[str] = set()
        self._held: set[str] = set()
        self._waiting: set[str] = set()
        self._reserved = 0

    # --- receiving ---

    def reserve(self, timeout: float) -> int:
        """Wait until a full receive, or the last few messages of mode Test, may come; 0 when time is up first."""
        with self._lock:
            self._room.wait_for(lambda: self._count_room() > 0, timeout)
            count = self._count_room()
            self._reserved += count
            return count

    def release(self, count: int) -> None:
        """End a reservation: the messages that it brought are claimed."""
        with self._lock:
            self._reserved -= count
            self._report()

    def claim(self, message: Message, *, timeout_seconds: float) -> bool:
        """Note a received message; False when we have it already, then only its receipt is renewed."""
        now = time.monotonic()
        with self._lock:
            is_new = message.id not in self._leases
            wait_seconds = WAIT_SECONDS if message.id in self._waiting else None
            lease = Lease(message.id, message.receipt_handle, now, now + timeout_seconds, wait_seconds=wait_seconds)
            self._leases[message.id] = lease
            self._report()
            return is_new

    def is_full_of_held(self) -> bool:
        """Tell whether mode Test has reached its bound."""
        with self._lock:
            return self._bounds.in_all is not None and len(self._held) >= self._bounds.in_all

    # --- waiting for proof ---

    def postpone(self, message_id: str) -> None:
        """Note that a message waits for proof: it is not in work meanwhile."""
        with self._lock:
            if lease := self._leases.get(message_id):
                self._waiting.add(message_id)
                self._leases[message_id] = replace(lease, wait_seconds=WAIT_SECONDS)
            self._report()

    def resume(self, message_id: str) -> bool:
        """Note that a message is in work again; False when it was given back in the meantime."""
        with self._lock:
            self._waiting.discard(message_id)
            lease = self._leases.get(message_id)
            if lease is not None:
                self._leases[message_id] = replace(lease, wait_seconds=None)
            self._report()
            return lease is not None

    # --- outcomes ---

    def ship(self, message_id: str) -> bool:
        """Note that a message waits for sinks only, unless it is done already; tells whether no more may."""
        with self._lock:
            if message_id in self._leases and not self._has_place(message_id):
                self._on_way.add(message_id)
                self._report()
            return len(self._on_way) >= self._bounds.on_way

    def finish(self, message_id: str) -> bool:
        """Note that a message is delivered; False when it was given back in the meantime."""
        with self._lock:
            self._on_way.discard(message_id)
            if message_id in self._leases:
                self._finished.add(message_id)
            self._report()
            return message_id in self._leases

    def hold(self, message_id: str) -> None:
        """Keep a delivered message invisible instead of deleting it."""
        with self._lock:
            self._on_way.discard(message_id)
            if message_id in self._leases:
                self._held.add(message_id)
            self._report()

    def settle(self, message_id: str) -> Lease | None:
        """Take a message out, to return it or because it was deleted; None when somebody else has."""
        with self._lock:
            lease = self._leases.pop(message_id, None)
            self._on_way.discard(message_id)
            self._finished.discard(message_id)
            self._held.discard(message_id)
            self._waiting.discard(message_id)
            self._report()
            return lease

    def settle_unfinished(self) -> list[Lease]:
        """Take out everything that may be given back: what is finished must not be delivered again."""
        with self._lock:
            leases = [lease for lease in self._leases.values() if lease.message_id not in self._finished]
            for lease in leases:
                del self._leases[lease.message_id]
            self._held.clear()
            self._on_way.clear()
            self._waiting.clear()
            self._report()
            return leases

    # --- leases ---

    def list_leases(self) -> list[Lease]:
        """List what may need an extension."""
        with self._lock:
            return list(self._leases.values())

    def find_lease(self, message_id: str) -> Lease | None:
        """Find a message's lease with its newest receipt; None when it was settled."""
        with self._lock:
            return self._leases.get(message_id)

    def note_extension(self, extension: Extension) -> None:
        """Note that a lease is longer now, unless it was settled or renewed in the meantime."""
        self._replace(extension.lease)

    def note_lost(self, lease: Lease) -> None:
        """Note that a receipt is no longer valid: it is not extended again; a new receive renews it."""
        self._replace(replace(lease, is_lost=True))

    def _replace(self, lease: Lease) -> None:
        with self._lock:
            current = self._leases.get(lease.message_id)
            if current is not None and current.receipt_handle == lease.receipt_handle:
                self._leases[lease.message_id] = lease

    # --- counts ---

    def count_finished(self) -> int:
        """Count the messages that are delivered and not yet deleted."""
        with self._lock:
            return len(self._finished)

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until nothing is in work and nothing waits for its deletion; False when time is up first."""
        with self._lock:
            return self._idle.wait_for(lambda: len(self._leases) == len(self._held), timeout)

    def _has_place(self, message_id: str) -> bool:
        return any(message_id in place for place in (self._finished, self._held, self._waiting))

    def _count_room(self) -> int:
        bounds = self._bounds
        elsewhere = (self._held, self._finished, self._on_way, self._waiting)
        in_work = len(self._leases) - sum(len(place) for place in elsewhere)
        is_full = (
            len(self._finished) >= bounds.finished
            or len(self._on_way) >= bounds.on_way
            or len(self._waiting) >= bounds.waiting
        )
        if is_full or in_work + self._reserved + bounds.at_once > bounds.in_work:
            return 0
        if bounds.in_all is None:
            return bounds.at_once
        return max(0, min(bounds.at_once, bounds.in_all - len(self._leases) - self._reserved))

    def _report(self) -> None:
        """Tell telemetry, and whoever waits for what has come true; called thousands of times a second."""
        self._telemetry.leases_counted(len(self._leases) - len(self._held), len(self._held))
        if self._count_room() > 0:
            self._room.notify()
        if len(self._leases) == len(self._held):
            self._idle.notify_all()
