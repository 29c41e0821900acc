"""Decides which messages need their invisibility extended. Times are seconds of one monotonic clock."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

# SQS: a message is invisible for at most twelve hours since it was received.
MAX_INVISIBLE_SECONDS = 43_200


@dataclass(frozen=True, slots=True)
class Lease:
    """Our claim on one message: valid until `expires_at` unless it is extended.

    Until it was extended once (`is_extended`), that is no more than what the queue's timeout was believed to be when the
    message came. `is_lost`: SQS no longer knows the receipt. `wait_seconds`: the message waits for long, and is extended
    by so much at a time.
    """

    message_id: str
    receipt_handle: str
    received_at: float
    expires_at: float
    is_extended: bool = False
    is_lost: bool = False
    wait_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension to ask for: the lease as it will be, and the seconds from now to ask."""

    lease: Lease
    seconds: int


def plan_extensions(leases: Iterable[Lease], *, now: float, timeout_seconds: int) -> list[Extension]:
    """Choose the leases of which half the time is over. One that has reached twelve hours is not extended again."""
    planned = []
    for lease in leases:
        expires_at = _find_expiry(lease, timeout_seconds)
        wanted = max(timeout_seconds, lease.wait_seconds or 0)
        if lease.is_lost or expires_at - now > wanted / 2:
            continue
        left = lease.received_at + MAX_INVISIBLE_SECONDS - now
        seconds = int(min(wanted, left))
        if seconds >= 1 and now + seconds > expires_at:
            planned.append(Extension(replace(lease, expires_at=now + seconds, is_extended=True), seconds))
    return planned


def _find_expiry(lease: Lease, timeout_seconds: int) -> float:
    """A queue whose timeout was shortened since then may mean less than was believed."""
    return lease.expires_at if lease.is_extended else min(lease.expires_at, lease.received_at + timeout_seconds)


def choose_turn_seconds(timeout_seconds: int) -> float:
    """Return how often to look for leases to extend: four times between a half and the whole of the shortest timeouts."""
    return min(0.5, timeout_seconds / 8)
