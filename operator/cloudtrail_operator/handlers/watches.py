"""kopf's watches of sources, backfills, children and pods. Each hands what it sees to the engine, and writes nothing.

Handlers for events only leave no finalizer and no annotation behind; their errors would be ignored, so they do nothing
that can fail.

kopf runs in a thread of its own, and is started anew when it fails: it takes every task that began after it for its own
and ends them all when it ends, and what one watch cannot cope with ends all of them.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import kopf

from cloudtrail_operator import telemetry
from cloudtrail_operator.adapters.access import Access
from cloudtrail_operator.core.backoff import count_failure, delay_after
from cloudtrail_operator.core.kinds import OWNERS, Kind
from cloudtrail_operator.core.names import CHILD_SELECTOR
from cloudtrail_operator.handlers.heartbeats import Heartbeats
from cloudtrail_operator.handlers.startup import build_kopf_settings, register_login
from cloudtrail_operator.reconcile.engines import Engines
from cloudtrail_operator.reconcile.resync import Resync
from cloudtrail_operator.reconcile.served_kinds import ServedKinds

LONGEST_DELAY_SECONDS = 15.0
END_SECONDS = 3.0
WELL_SECONDS = 60.0  # after so long without a failure the next one is a first one

Take: TypeAlias = Callable[[Kind, Any], None]


@dataclass(frozen=True, slots=True)
class Inbox:
    """Who takes what the watches see."""

    engine: Engines
    resync: Resync

    def take(self, kind: Kind, event: Any) -> None:
        """Take a watched event. One without a type comes from the list with which a watch begins."""
        if event["type"] is None:
            self.resync.ask()
        self.engine.note_change(kind, dict(event["object"]), deleted=event["type"] == "DELETED")


@dataclass(frozen=True, slots=True)
class Watches:
    """All watches, for as long as `run` runs."""

    access: Access
    namespaces: Sequence[str]
    inbox: Inbox
    served: ServedKinds
    heartbeats: Heartbeats

    async def run(self) -> None:
        """Watch until cancelled: anew when other kinds are served, and after a failure."""
        failures = 0
        while True:
            started = time.monotonic()
            children = self.served.children
            session = _Session(self, (*self.served.owners, *children, Kind.POD))
            others = asyncio.create_task(self.served.wait_for_others(children))
            try:
                await asyncio.wait([session.ended, others], return_when=asyncio.FIRST_COMPLETED)
            finally:
                others.cancel()
                session.stop()
            await asyncio.wait([session.ended], timeout=END_SECONDS)
            error = session.ended.exception() if session.ended.done() else None
            if error is None:
                failures = 0
            else:
                failures = count_failure(failures, time.monotonic() - started, WELL_SECONDS)
                delay = delay_after(failures, random.random(), LONGEST_DELAY_SECONDS)  # noqa: S311
                telemetry.watches_failed(error, delay)
                await asyncio.sleep(delay)


class _Session:
    """kopf in a thread, until it fails or is stopped."""

    def __init__(self, watches: Watches, kinds: Sequence[Kind]) -> None:
        self._watches = watches
        self._kinds = kinds
        self._outside = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._inside: asyncio.AbstractEventLoop | None = None
        self._flag: asyncio.Event | None = None
        self.ended: asyncio.Future[None] = self._outside.create_future()
        """Done when kopf has ended; with its failure, if it failed."""
        watches.heartbeats.expect(kind.path(place) for kind in kinds for place in watches.namespaces or (None,))
        threading.Thread(target=self._run, name="watches", daemon=True).start()

    def stop(self) -> None:
        """Let kopf end."""
        self._stopped.set()
        inside, flag = self._inside, self._flag
        if inside is not None and flag is not None:
            _tell(inside, flag.set)

    def _run(self) -> None:
        try:
            asyncio.run(self._watch())
        except Exception as error:  # noqa: BLE001  (whatever it is, watching begins anew)
            _tell(self._outside, self._end, error)

    def _end(self, error: BaseException | None) -> None:
        if self.ended.done():
            return
        if error is None and not self._stopped.is_set():
            error = RuntimeError("the watches ended by themselves")
        self._stopped.set()
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)

    async def _watch(self) -> None:
        """Run kopf until one of its tasks ends. What it does to end the others takes seconds, or never ends."""
        self._flag, self._inside = asyncio.Event(), asyncio.get_running_loop()
        if self._stopped.is_set():
            self._flag.set()
        existing = asyncio.all_tasks()
        tasks = await self._start_kopf(self._flag)
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        failures = [task.exception() for task in done if not task.cancelled()]
        _tell(self._outside, self._end, next(filter(None, failures), None))
        await kopf.run_tasks(tasks, ignored=existing)

    async def _start_kopf(self, stop_flag: asyncio.Event) -> Collection[asyncio.Task[Any]]:
        namespaces = self._watches.namespaces
        registry, settings = kopf.OperatorRegistry(), build_kopf_settings()
        register_login(registry, self._watches.access, self._watches.heartbeats)
        _register_watches(registry, settings, self._kinds, self._hand_over)
        return await kopf.spawn_tasks(
            registry=registry,
            settings=settings,
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=stop_flag,
        )

    def _hand_over(self, kind: Kind, event: Any) -> None:
        if not self._stopped.is_set():
            _tell(self._outside, self._watches.inbox.take, kind, event)


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: Any) -> None:
    """Let the loop of another thread make a call. One that has ended needs no news."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *args)


def _register_watches(
    registry: kopf.OperatorRegistry, settings: kopf.OperatorSettings, kinds: Iterable[Kind], take: Take
) -> None:
    """Register a watch for every kind that the operator reads. kopf gives up on a kind that is not served."""
    for kind in kinds:
        group, _, version = kind.value.api_version.rpartition("/")
        _register_watch(registry, kind, (group, version), take)
        if kind not in OWNERS:
            # Let the API server filter: it knows of many ConfigMaps and Pods that are none of our business.
            settings.watching.label_selectors[group, version, kind.value.plural] = CHILD_SELECTOR


def _register_watch(registry: kopf.OperatorRegistry, kind: Kind, place: tuple[str, str], take: Take) -> None:
    group, version = place

    async def note(event: Any, **_: Any) -> None:
        take(kind, event)

    kopf.on.event(group=group, version=version, plural=kind.value.plural, id=kind.value.plural, registry=registry)(note)
