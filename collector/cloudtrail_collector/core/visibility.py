"""Decides which messages need their invisibility extended. Times are seconds of one monotonic clock."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

# SQS: a message is invisible for at most twelve hours since it was received.
MAX_INVISIBLE_SECONDS = 43_200


@dataclass(frozen=True, slots=True)
class Lease:
    """Our claim on one message: valid until `expires_at` unless it is extended."""

    message_id: str
    receipt_handle: str
    received_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension to ask for: the lease as it will be, and the seconds from now to ask."""

    lease: Lease
    seconds: int


def plan_extensions(leases: Iterable[Lease], *, now: float, timeout_seconds: int) -> list[Extension]:
    """Choose the leases of which half the time is over. One that has reached twelve hours is not extended again."""
    planned = []
    for lease in leases:
        if lease.expires_at - now > timeout_seconds / 2:
            continue
        left = lease.received_at + MAX_INVISIBLE_SECONDS - now
        seconds = int(min(timeout_seconds, left))
        if seconds >= 1 and now + seconds > lease.expires_at:
            planned.append(Extension(replace(lease, expires_at=now + seconds), seconds))
    return planned
