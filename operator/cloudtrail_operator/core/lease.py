"""Who may act: a Lease as it was seen, an identity and a clock become a step. Time is this process's own.

Clocks of other machines are not compared: a lease has run out when this process has not seen it change for as long as its
holder promised to renew it within.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from cloudtrail_operator.core.names import Manifest

DURATION_SECONDS = 10.0  # as long as a lease holds without being renewed: what others wait for
RENEW_SECONDS = 2.0  # how often its holder renews it
GIVE_UP_SECONDS = 7.0  # a holder that could not renew it stops to act this early: a write under way needs time to end
LOOK_SECONDS = 1.0  # how often others look whether it has run out
RETRY_SECONDS = 0.5  # how soon a failed request is repeated
LEASE_API_VERSION = "coordination.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease as the API server gave it."""

    holder: str
    """Identity of its holder; empty when it was released."""
    seconds: float
    renewed: str
    """The holder's time of the last renewal: only whether it changes is of interest."""
    transitions: int
    acquired: str
    version: str
    """The resourceVersion; empty when it does not exist (any more)."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A Lease, and since when it is known in this form, by the monotonic clock of this process."""

    lease: Lease
    since: float


class Step(Enum):
    """What to do about the lease."""

    TAKE = auto()
    """Nobody has it, or its holder is gone: take it."""
    RENEW = auto()
    """We have it: renew it."""
    WAIT = auto()
    """Another has it: look again."""
    LOST = auto()
    """We had it, and another has it now."""


def see(known: Sighting | None, lease: Lease | None, now: float) -> Sighting | None:
    """Take note of a lease that was read; None when there is none. What has not changed keeps its time.

    One that was deleted holds for as long as it would have: its holder has not noticed yet.
    """
    if lease is None:
        return None if known is None else Sighting(replace(known.lease, version=""), known.since)
    if known is not None and _identify(known.lease) == _identify(lease):
        return Sighting(lease, known.since)
    return Sighting(lease, now)


def decide(sighting: Sighting | None, identity: str, now: float, *, held: bool) -> Step:
    """Choose the next step; `held` says whether this process has had the lease."""
    if sighting is None or not sighting.lease.holder:
        return Step.TAKE
    if sighting.lease.holder == identity:
        return Step.RENEW
    if held:
        return Step.LOST
    return Step.TAKE if now - sighting.since >= sighting.lease.seconds else Step.WAIT


def parse_lease(manifest: Manifest) -> Lease:
    """Read a Lease's JSON."""
    spec = manifest.get("spec") or {}
    return Lease(
        holder=spec.get("holderIdentity") or "",
        seconds=float(spec.get("leaseDurationSeconds") or DURATION_SECONDS),
        renewed=spec.get("renewTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
        acquired=spec.get("acquireTime") or "",
        version=manifest["metadata"]["resourceVersion"],
    )


def claim(known: Lease | None, identity: str, now: datetime) -> Lease:
    """Build the lease that this identity takes or renews. The version says which one it takes the place of."""
    moment = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    is_ours = known is not None and known.holder == identity
    return Lease(
        holder=identity,
        seconds=DURATION_SECONDS,
        renewed=moment,
        transitions=0 if known is None else known.transitions + (not is_ours),
        acquired=known.acquired if known is not None and is_ours else moment,
        version="" if known is None else known.version,
    )


def build_lease(namespace: str, name: str, lease: Lease) -> Manifest:
    """Build a Lease's JSON. One without a holder is free: whoever waits takes it at its next look."""
    times = {"acquireTime": lease.acquired, "renewTime": lease.renewed}
    return {
        "apiVersion": LEASE_API_VERSION,
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace}
        | ({"resourceVersion": lease.version} if lease.version else {}),
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": int(lease.seconds),
            "leaseTransitions": lease.transitions,
        }
        | {field: time for field, time in times.items() if time},
    }


def _identify(lease: Lease) -> tuple[str, str, int]:
    return lease.holder, lease.renewed, lease.transitions
