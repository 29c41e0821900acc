"""Lists everything now and then: the first fill of the store, and the cure for a change that no watch told."""

import asyncio
from collections.abc import Sequence

from cloudtrail_operator import telemetry
from cloudtrail_operator.core.kinds import CHILD_KINDS, Kind
from cloudtrail_operator.core.names import CHILD_SELECTOR
from cloudtrail_operator.errors import ClusterError
from cloudtrail_operator.ports import Catalog, Clock
from cloudtrail_operator.reconcile.engine import Engine

RESYNC_SECONDS = 300.0
RETRY_SECONDS = 5.0


class Resync:
    """Fills the engine's store by lists."""

    def __init__(self, catalog: Catalog, engine: Engine, clock: Clock, namespaces: Sequence[str]) -> None:
        self._catalog = catalog
        self._engine = engine
        self._clock = clock
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self.finished_at: float | None = None
        """When everything was listed last, by the monotonic clock; None before the first time."""

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

    async def run(self) -> None:
        """List everything now and then, until cancelled."""
        while True:
            await asyncio.sleep(RESYNC_SECONDS)
            try:
                await self.list_all()
            except ClusterError as error:
                telemetry.LOGGER.warning("cannot list", extra={"error": str(error)})
            self._engine.look_at_all(within_seconds=RESYNC_SECONDS / 2)

    async def list_all(self) -> None:
        """List everything once. Sources come last: when one is looked at, its children are known."""
        for kind in (*CHILD_KINDS, Kind.POD, Kind.SOURCE):
            selector = None if kind is Kind.SOURCE else CHILD_SELECTOR
            for namespace in self._namespaces:
                self._engine.note_list(kind, namespace, await self._catalog.list(kind, namespace, selector))
        self.finished_at = self._clock.monotonic()
