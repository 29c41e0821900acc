"""One Pod's order to stop, which all its containers watch."""

import asyncio
from collections.abc import Awaitable


class StopOrder:
    """Given once; a second one may only shorten the grace period."""

    def __init__(self) -> None:
        self._given = asyncio.Event()
        self._out_of_time = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.grace = 0.0

    @property
    def given(self) -> bool:
        """Whether containers are to stop."""
        return self._given.is_set()

    def give(self, grace: float) -> None:
        """Order the stop; after `grace` seconds from now whatever still runs is killed."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + grace:
                return
            self._timer.cancel()
        self.grace = grace
        self._timer = loop.call_later(grace, self._out_of_time.set)
        self._given.set()

    async def wait(self) -> None:
        """Wait for the order."""
        await self._given.wait()

    async def wait_out_of_time(self) -> None:
        """Wait until the grace period is over."""
        await self._out_of_time.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep, but wake up at once when the order comes."""
        await first_of(self._given.wait(), seconds=seconds)


async def first_of(*awaitables: Awaitable[object], seconds: float | None = None) -> None:
    """Wait until one of them is done or time is up; the others are cancelled."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
