"""Which source to look at next: each key at most once in the queue, never twice at work, now or later."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")


class WorkQueue(Generic[Key]):
    """A delaying queue without duplicates. Not for several threads; one task takes, any number add."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._counter = itertools.count()
        self._at_work: set[Key] = set()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Count the keys that are due now. May be called from any thread."""
        now = self._monotonic()
        return sum(due <= now for due in list(self._due.values()))

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Ask for a look at a key. The earlier of two requests counts; at work it waits until that is done."""
        due = self._monotonic() + delay
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        if key not in self._at_work:
            self._push(key, due)

    async def take(self) -> Key:
        """Wait for the next key that is due. It is at work from now on, until `done`."""
        while True:
            due = self._drop_stale()
            now = self._monotonic()
            if due is not None and due <= now:
                key = heapq.heappop(self._heap)[2]
                del self._due[key]
                self._at_work.add(key)
                return key
            self._changed.clear()
            try:
                async with asyncio.timeout(None if due is None else due - now):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: Key) -> None:
        """Note that the work on a key is over; what was added meanwhile counts now."""
        self._at_work.discard(key)
        if key in self._due:
            self._push(key, self._due[key])

    def forget(self, key: Key) -> None:
        """Drop a key's request."""
        self._due.pop(key, None)

    def _push(self, key: Key, due: float) -> None:
        heapq.heappush(self._heap, (due, next(self._counter), key))
        self._changed.set()

    def _drop_stale(self) -> float | None:
        """Drop entries that an earlier request replaced; return when the next one is due."""
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) == due and key not in self._at_work:
                return due
            heapq.heappop(self._heap)
        return None
