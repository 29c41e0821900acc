"""Lists everything now and then: the first fill of the store, and the cure for a change that no watch told."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import chain, repeat

from cloudtrail_operator import telemetry
from cloudtrail_operator.core.kinds import CHILD_KINDS, OWNERS, Kind
from cloudtrail_operator.core.names import CHILD_SELECTOR
from cloudtrail_operator.errors import ClusterError
from cloudtrail_operator.ports import Catalog, Clock
from cloudtrail_operator.reconcile.engines import Engines
from cloudtrail_operator.reconcile.served_kinds import ServedKinds

RESYNC_SECONDS = 300.0
AFTER_START_SECONDS = (3.0, 10.0)  # between the first list and the begin of the watches something may get lost
SETTLE_SECONDS = 3.0
RETRY_SECONDS = 5.0
DISCOVERY_SECONDS = 30.0  # one small request; what an admin installs should be of use soon
GRACE_SECONDS = 10.0


class Resync:
    """Fills the engine's store by lists."""

    def __init__(
        self, catalog: Catalog, served: ServedKinds, engine: Engines, clock: Clock, namespaces: Sequence[str]
    ) -> None:
        self._catalog = catalog
        self._served = served
        self._engine = engine
        self._clock = clock
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._asked = asyncio.Event()
        self.finished_at: float | None = None
        """When everything was listed last, by the monotonic clock; None before the first time."""
        self.silent_watches: list[Kind] = []
        """Kinds of which the last list found changes while their watch told of nothing."""

    async def fill(self) -> None:
        """List everything, as often as it takes until it works: the CRD or the permissions may come later than we."""
        while True:
            try:
                await self.list_all()
            except ClusterError as error:
                telemetry.LOGGER.warning("cannot list yet", extra={"error": str(error)})
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def ask(self) -> None:
        """Ask for a list soon: a watch began anew, and did not see what was deleted before."""
        self._asked.set()

    async def run(self) -> None:
        """List everything soon after the start, when watches began anew, and now and then; until cancelled."""
        for seconds in chain(AFTER_START_SECONDS, repeat(RESYNC_SECONDS)):
            in_time = not await self._is_asked_within(seconds)
            started = self._clock.monotonic()
            try:
                changes = await self.list_all()
            except ClusterError as error:
                telemetry.LOGGER.warning("cannot list", extra={"error": str(error)})
                continue
            if in_time and seconds == RESYNC_SECONDS:
                await self._check_watches(changes, started)
                self._engine.look_at_all(within_seconds=RESYNC_SECONDS / 2)

    async def _is_asked_within(self, seconds: float) -> bool:
        """Wait until a list is asked for, and a moment longer since such requests come in swarms; or that long."""
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(SETTLE_SECONDS)
        self._asked.clear()
        return True

    async def list_all(self) -> Counter[Kind]:
        """List everything once; count by kind what was not known. Owners come last: their children are known then."""
        changes: Counter[Kind] = Counter()
        await self._discover()
        for kind in (*self._served.children, Kind.POD, *self._served.owners):
            for namespace in self._namespaces:
                changes[kind] += await self._list(kind, namespace)
        self.finished_at = self._clock.monotonic()
        return changes

    async def _list(self, kind: Kind, namespace: str | None) -> int:
        """List a kind page by page, so that never more than a page is in memory; count what was not known."""
        selector = None if kind in OWNERS else CHILD_SELECTOR
        uids: set[str] = set()
        changes = version = 0
        async for page in self._catalog.list(kind, namespace, selector):
            changes += self._engine.note_page(kind, page.items)
            uids.update(item["metadata"]["uid"] for item in page.items)
            version = page.version
        return changes + self._engine.note_gone(kind, namespace, uids, version)

    async def run_discovery(self) -> None:
        """Ask now and then which kinds are served, until cancelled."""
        while True:
            await asyncio.sleep(DISCOVERY_SECONDS)
            try:
                await self._discover()
            except ClusterError as error:
                telemetry.LOGGER.warning("cannot discover", extra={"error": str(error)})

    async def _discover(self) -> None:
        """When other kinds are served than before, forget those that went, and look at every source soon."""
        if not await self._served.look():
            return
        for kind in (*CHILD_KINDS, *OWNERS):
            if kind not in (*self._served.children, *self._served.owners):
                self._engine.note_gone(kind, None, (), None)
        telemetry.LOGGER.info("other kinds are served", extra={"autoscaler": self._served.autoscaler.name})
        self._engine.look_at_all(within_seconds=SETTLE_SECONDS)

    async def _check_watches(self, changes: Counter[Kind], started: float) -> None:
        """Find the watches that are silent though there was something to tell. A living one may be a moment late."""
        await asyncio.sleep(GRACE_SECONDS)
        self.silent_watches = [
            kind
            for kind, count in changes.items()
            if count and not self._engine.watched_since(kind, started - GRACE_SECONDS)
        ]
        for kind in self.silent_watches:
            telemetry.missed(kind.value.kind, changes[kind])
