"""Runs the reconciler: takes keys from the queue, a bounded number at work, failures again later and later."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from cloudtrail_operator import telemetry
from cloudtrail_operator.core.backoff import LONGEST_SECONDS, delay_after
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_operator.errors import NotLeadingError, UnreachableError, WorkloadRejectedError
from cloudtrail_operator.ports import Clock
from cloudtrail_operator.reconcile.store import Store
from cloudtrail_operator.reconcile.work_queue import WorkQueue

AT_ONCE = 256  # looks that wait for collectors which do not answer must not keep others from theirs
UNREACHABLE_SECONDS = 15.0  # when the API server is back, nobody should have to wait for long
PAUSE_SECONDS = 1.0  # while another one leads, or nobody knows
BATCH_SECONDS = 1.0  # looks that may wait are made together: waking up for each alone takes as long as the look itself
STUCK_SECONDS = 120.0  # a look takes milliseconds, or a few timeouts of requests; this long means that it hangs


class Looker(Protocol):
    """Who looks at one source, or one backfill."""

    async def reconcile(self, key: SourceKey) -> float | None:
        """Look at it. Return after how many seconds to look again; None: not until something changes."""


class Engine:
    """The loop around a reconciler, and where watched changes come in."""

    def __init__(self, store: Store, reconciler: Looker, clock: Clock, at_once: int = AT_ONCE) -> None:
        self._store = store
        self._reconciler = reconciler
        self._clock = clock
        self._queue: WorkQueue[SourceKey] = WorkQueue(clock.monotonic)
        self._slots = asyncio.Semaphore(at_once)
        self._failures: Counter[SourceKey] = Counter()
        self._started: dict[SourceKey, float] = {}
        self._watched: dict[Kind, float] = {}
        self._held: dict[SourceKey, float] = {}
        """Until when the API server wants to hear nothing of a source, by the monotonic clock."""
        store.tell_peers(self._look_soon)

    def count_due(self) -> int:
        """Count what is due for a look. May be called from any thread."""
        return len(self._queue)

    def note_change(self, kind: Kind, manifest: Manifest, *, deleted: bool) -> None:
        """Take in a watched change and look at its source soon."""
        self._watched[kind] = self._clock.monotonic()
        if deleted:
            self._store.remove(kind, manifest)
            news = True
        else:
            news = self._store.put(kind, manifest)
        key = self._store.find_key(kind, manifest)
        if key is not None and news:
            self._look_soon(key)

    def note_page(self, kind: Kind, manifests: Iterable[Manifest]) -> int:
        """Take in a part of a list; look at the sources of what is news, and say how much that is."""
        return self._look_at([manifest for manifest in manifests if self._store.put(kind, manifest)], kind)

    def note_gone(self, kind: Kind, namespace: str | None, uids: Iterable[str], version: int | None) -> int:
        """Forget what a whole list, of a version, does not have; look at the sources of that, and say how much it is."""
        return self._look_at(self._store.retain(kind, namespace, uids, version), kind)

    def _look_at(self, changed: list[Manifest], kind: Kind) -> int:
        for manifest in changed:
            key = self._store.find_key(kind, manifest)
            if key is not None:
                self._look_soon(key)
        return len(changed)

    def _look_soon(self, key: SourceKey) -> None:
        """Look at a source at once, unless the API server asked to wait: our own write of its status is news, too."""
        self._queue.add(key, max(0.0, self._held.get(key, 0.0) - self._clock.monotonic()))

    def look_at_all(self, within_seconds: float) -> None:
        """Look at every source, spread over a time."""
        for key in self._store.source_keys():
            self._queue.add(key, random.random() * within_seconds)  # noqa: S311

    def watched_since(self, kind: Kind, moment: float) -> bool:
        """Say whether the watch of a kind has told of anything since a moment of the monotonic clock."""
        return self._watched.get(kind, -1.0) >= moment

    @property
    def stuck(self) -> list[SourceKey]:
        """The sources whose look does not end."""
        limit = self._clock.monotonic() - STUCK_SECONDS
        return [key for key, started in self._started.items() if started < limit]

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._slots.acquire()
                key = await self._queue.take()
                tasks.create_task(self._work(key))
                # One look begins, then whoever waits has his turn: hundreds at once would keep probes from an answer.
                await asyncio.sleep(0)

    async def _work(self, key: SourceKey) -> None:
        self._started[key] = started = self._clock.monotonic()
        try:
            delay = await self._reconciler.reconcile(key)
        except Exception as error:  # noqa: BLE001  (one source's failure must not end the others)
            self._retry(key, error)
        else:
            self._failures.pop(key, None)
            self._held.pop(key, None)
            telemetry.reconciled(str(key), self._clock.monotonic() - started)
            if delay is not None:
                self._queue.add(key, self._batch(delay))
        finally:
            del self._started[key]
            self._queue.done(key)
            self._slots.release()

    def _batch(self, delay: float) -> float:
        """Lengthen a delay so that looks come due together."""
        if delay < BATCH_SECONDS:
            return delay
        now = self._clock.monotonic()
        return math.ceil((now + delay) / BATCH_SECONDS) * BATCH_SECONDS - now

    def _retry(self, key: SourceKey, error: Exception) -> None:
        if isinstance(error, NotLeadingError):
            self._queue.add(key, PAUSE_SECONDS)
            return
        self._failures[key] += 1
        delay = choose_delay(error, self._failures[key], random.random())  # noqa: S311
        telemetry.reconcile_failed(str(key), error, delay)
        if isinstance(error, UnreachableError):
            self._queue.forget(key)
            self._held[key] = self._clock.monotonic() + delay
        self._queue.add(key, delay)


def choose_delay(error: Exception, failures: int, jitter: float) -> float:
    """Choose when to try again: soon when only an answer is missing, late when only a person can help."""
    if isinstance(error, UnreachableError):
        return max(error.retry_after or 0.0, delay_after(failures, jitter, UNREACHABLE_SECONDS))
    if isinstance(error, WorkloadRejectedError):
        return LONGEST_SECONDS * (1 + jitter)
    return delay_after(failures, jitter)
