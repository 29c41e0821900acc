"""Keeps one of several operators at work: it takes and renews a Lease, and says whether this process may act.

While the API server does not answer, the leader stops to act but does not end: when it answers again and nobody else has
taken the lease, it goes on. A leader that has lost the lease to another ends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from cloudtrail_operator import telemetry
from cloudtrail_operator.core.lease import (
    DURATION_SECONDS,
    GIVE_UP_SECONDS,
    LOOK_SECONDS,
    RENEW_SECONDS,
    RETRY_SECONDS,
    Lease,
    Sighting,
    Step,
    claim,
    decide,
    see,
)
from cloudtrail_operator.errors import ClusterError, LeaseLostError, NotLeadingError
from cloudtrail_operator.ports import Clock, LeaseFile


class Alone:
    """The permit of an operator that has no others beside it."""

    def seconds_to_write(self) -> float:
        """Return how long a write may take."""
        return float("inf")


class Election:
    """One candidate, from its first look at the lease to its release."""

    def __init__(self, lease: LeaseFile, clock: Clock, identity: str) -> None:
        self._lease = lease
        self._clock = clock
        self._identity = identity
        self._sighting: Sighting | None = None
        self._held = False
        self._renewed_at = float("-inf")
        self.won = asyncio.Event()
        """Set when this process has become the leader for the first time."""
        self.looked_at: float | None = None
        """When the API server told about the lease last, by the monotonic clock; None before the first time."""

    @property
    def leading(self) -> bool:
        """Whether this process may act now."""
        return self._held and self._clock.monotonic() < self._renewed_at + GIVE_UP_SECONDS

    def seconds_to_write(self) -> float:
        """Return how long a write that is sent now may take. Raises NotLeadingError when none may be sent.

        Asked just before every write: a process that was frozen for a while finds out here that its time is over.
        """
        if not self.leading:
            raise NotLeadingError("this operator does not hold the lease: it writes nothing")
        return self._renewed_at + DURATION_SECONDS - self._clock.monotonic()

    async def run(self, when_answered_again: Callable[[], Awaitable[None]]) -> None:
        """Take the lease when it is free, and renew it; until cancelled. Raises LeaseLostError.

        It is the first to find out that connections have died and work again, and tells.
        """
        failed = False
        while True:
            try:
                delay = await self._look()
            except ClusterError as error:
                telemetry.lease_failed(error)
                failed, delay = True, RETRY_SECONDS
            else:
                if failed:
                    await when_answered_again()
                failed = False
            await asyncio.sleep(delay)

    async def release(self) -> None:
        """Give the lease back, so that another need not wait until it runs out. To be called when all work has ended."""
        if not self._held:
            return
        self._renewed_at = float("-inf")
        try:
            await self._read()  # the last renewal may have been cut off before its answer came
            if self._sighting is not None and self._sighting.lease.holder == self._identity:
                await self._lease.write(replace(self._sighting.lease, holder="", seconds=1))
                telemetry.LOGGER.info("released the lease", extra={"identity": self._identity})
        except ClusterError as error:
            telemetry.lease_failed(error)

    async def _look(self) -> float:
        """Do the next step; return after how many seconds to look again."""
        if not self._held:  # who holds it knows it: renewing fails when that is no longer true
            await self._read()
        step = decide(self._sighting, self._identity, self._clock.monotonic(), held=self._held)
        if step is Step.LOST:
            raise self._lose()
        return LOOK_SECONDS if step is Step.WAIT else await self._write()

    async def _read(self) -> None:
        lease = await self._lease.read()
        self.looked_at = self._clock.monotonic()
        self._sighting = see(self._sighting, lease, self.looked_at)

    async def _write(self) -> float:
        """Take or renew the lease. It counts from before the request was sent: nobody knows how long that took."""
        asked_at = self._clock.monotonic()
        known = None if self._sighting is None else self._sighting.lease
        written = await self._lease.write(claim(known, self._identity, self._clock.now()))
        self.looked_at = self._clock.monotonic()
        if written is None:
            return await self._look_again()
        self._sighting = see(self._sighting, written, asked_at)
        self._renewed_at = asked_at
        if not self._held:
            self._held = True
            telemetry.LOGGER.info("leading", extra=_describe(written))
            self.won.set()
        return RENEW_SECONDS

    async def _look_again(self) -> float:
        """Find out who was faster. It may have been ourselves, by a request whose answer was lost."""
        await self._read()
        step = decide(self._sighting, self._identity, self._clock.monotonic(), held=self._held)
        if step is Step.LOST:
            raise self._lose()
        return LOOK_SECONDS if step is Step.WAIT else RETRY_SECONDS

    def _lose(self) -> LeaseLostError:
        self._renewed_at, self._held = float("-inf"), False
        holder = self._sighting.lease.holder if self._sighting else "nobody"
        return LeaseLostError(f"the lease is held by {holder} now: this operator ends, and starts anew as a standby")


def _describe(lease: Lease) -> dict[str, object]:
    return {"identity": lease.holder, "transitions": lease.transitions}
