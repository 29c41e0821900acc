"""Which messages this process has, and what of them: the one place that says who may delete or return a message.

Receiver, workers, heartbeat and drain share it. Whoever settles a message owns its outcome; the others find it gone.
"""

import math
import threading
import time
from dataclasses import dataclass, replace

from cloudtrail_collector.core.visibility import Extension, Lease
from cloudtrail_collector.ports import Message
from cloudtrail_collector.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many messages may be in work, and how many in all (in work and held)."""

    in_work: int
    in_all: int | None = None


class Ledger:
    """Leases of messages in work, and of messages held in mode Test."""

    def __init__(self, bounds: Bounds, telemetry: Telemetry) -> None:
        self._bounds = bounds
        self._telemetry = telemetry
        self._changed = threading.Condition()
        self._leases: dict[str, Lease] = {}
        self._held: set[str] = set()

    def claim(self, message: Message, *, timeout_seconds: int) -> bool:
        """Note a received message; False when we have it already, then only its receipt is renewed."""
        now = time.monotonic()
        with self._changed:
            is_new = message.id not in self._leases
            self._leases[message.id] = Lease(message.id, message.receipt_handle, now, now + timeout_seconds)
            self._report()
            return is_new

    def settle(self, message_id: str) -> Lease | None:
        """Take a message out, to delete or return it; None when somebody else has."""
        with self._changed:
            lease = self._leases.pop(message_id, None)
            self._held.discard(message_id)
            self._report()
            return lease

    def settle_all(self) -> list[Lease]:
        """Take out everything."""
        with self._changed:
            leases = list(self._leases.values())
            self._leases.clear()
            self._held.clear()
            self._report()
            return leases

    def hold(self, message_id: str) -> None:
        """Keep a delivered message invisible instead of deleting it."""
        with self._changed:
            if message_id in self._leases:
                self._held.add(message_id)
            self._report()

    def list_leases(self) -> list[Lease]:
        """List what may need an extension."""
        with self._changed:
            return list(self._leases.values())

    def note_extension(self, extension: Extension) -> None:
        """Note that a lease is longer now, unless it was settled or renewed in the meantime."""
        self._replace(extension.lease, extension.lease.expires_at)

    def note_lost(self, lease: Lease) -> None:
        """Note that a receipt is no longer valid: it is not extended again; a new receive renews it."""
        self._replace(lease, math.inf)

    def _replace(self, lease: Lease, expires_at: float) -> None:
        with self._changed:
            current = self._leases.get(lease.message_id)
            if current is not None and current.receipt_handle == lease.receipt_handle:
                self._leases[lease.message_id] = replace(current, expires_at=expires_at)

    def count_in_work(self) -> int:
        """Count messages that are waiting for a worker or in one."""
        with self._changed:
            return len(self._leases) - len(self._held)

    def count_room(self) -> int:
        """Count the messages that may be received now."""
        with self._changed:
            return self._count_room()

    def is_full_of_held(self) -> bool:
        """Tell whether mode Test has reached its bound."""
        with self._changed:
            return self._bounds.in_all is not None and len(self._held) >= self._bounds.in_all

    def wait_for_room(self, timeout: float) -> None:
        """Wait until a message may be received, or time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._count_room() > 0, timeout)

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until nothing is in work; False when time is up first."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._leases) == len(self._held), timeout)

    def _count_room(self) -> int:
        room = self._bounds.in_work - (len(self._leases) - len(self._held))
        return room if self._bounds.in_all is None else min(room, self._bounds.in_all - len(self._leases))

    def _report(self) -> None:
        self._telemetry.leases_counted(len(self._leases) - len(self._held), len(self._held))
        self._changed.notify_all()
