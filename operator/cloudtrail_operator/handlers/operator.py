"""What acts: the engine, the lists and the watches, run together; and what tells that one of them has died."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from cloudtrail_operator.adapters.api_client import ApiClient
from cloudtrail_operator.handlers.watches import Watches
from cloudtrail_operator.ports import Clock
from cloudtrail_operator.reconcile.engines import Engines
from cloudtrail_operator.reconcile.resync import RESYNC_SECONDS, Resync


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator that acts from `run` on. Before that it asks the API server nothing: a standby costs nothing.

    To list everything takes seconds even with thousands of sources; that is soon enough for whoever takes over.
    """

    client: ApiClient
    engine: Engines
    resync: Resync
    watches: Watches

    async def run(self) -> None:
        """List everything, then watch and reconcile, until cancelled."""
        await self.resync.fill()
        await run_together(self.watches.run(), self.engine.run(), self.resync.run(), self.resync.run_discovery())

    async def start_anew(self) -> None:
        """Ask again for everything, on new connections: the old ones may have died, and the watches with them."""
        await self.client.drop_connections()
        self.resync.ask()

    def find_problems(self, clock: Clock, lease_seen_at: float | None) -> list[str]:
        """List why the process should be restarted. That the API server is away for a while is no reason."""
        problems = [f"the look at {key} does not end" for key in self.engine.stuck]
        if self.resync.finished_at and clock.monotonic() - self.resync.finished_at > 3 * RESYNC_SECONDS:
            problems.append("nothing was listed for a long time")
        problems += [f"the watch of {kind.value.kind} told of no change" for kind in self.resync.silent_watches]
        answered_at = max(filter(None, (self.client.answered_at, lease_seen_at)), default=None)
        silent = self.watches.heartbeats.find_silent(answered_at)
        return problems + [f"the watch of {path} is silent" for path in silent]


async def run_together(*parts: Coroutine[Any, Any, Any]) -> None:
    """Run all until one of them ends or fails; then end the others."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
