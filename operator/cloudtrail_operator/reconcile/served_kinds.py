"""Which kinds the API server serves: some come and go with what is installed in the cluster."""

import asyncio

from cloudtrail_operator.core.kinds import BACKFILL_KINDS, CHILD_KINDS, KEDA_KINDS, Kind
from cloudtrail_operator.core.scaling import Autoscaler
from cloudtrail_operator.ports import Catalog


class ServedKinds:
    """What discovery told last; nothing that is optional before the first look."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._has_keda = False
        self._has_backfills = False
        self._changed = asyncio.Event()

    @property
    def owners(self) -> tuple[Kind, ...]:
        """Our own kinds. An older CRD file has no backfills; sources are asked for until they are there."""
        return (Kind.SOURCE, Kind.BACKFILL) if self._has_backfills else (Kind.SOURCE,)

    @property
    def children(self) -> tuple[Kind, ...]:
        """The kinds of children that can be listed and watched."""
        absent = (*(() if self._has_keda else KEDA_KINDS), *(() if self._has_backfills else BACKFILL_KINDS))
        return tuple(kind for kind in CHILD_KINDS if kind not in absent)

    @property
    def autoscaler(self) -> Autoscaler:
        """What scales Deployments here."""
        return Autoscaler.KEDA if self._has_keda else Autoscaler.HPA

    async def look(self) -> bool:
        """Ask the API server; say whether the answer is another than before. Raises ClusterError."""
        before = self.children
        has_backfills = await self._serves(Kind.BACKFILL)
        self._has_keda, self._has_backfills = await self._serves(*KEDA_KINDS), has_backfills
        if self.children != before:
            self._changed.set()
            self._changed = asyncio.Event()  # the next change is another one
        return self.children != before

    async def _serves(self, *kinds: Kind) -> bool:
        """Ask whether all of some kinds, which are of one group, are served."""
        served = await self._catalog.list_served(kinds[0].value.api_version)
        return served.issuperset(kind.value.plural for kind in kinds)

    async def wait_for_others(self, children: tuple[Kind, ...]) -> None:
        """Wait until other kinds of children are served than the given ones."""
        while self.children == children:
            await self._changed.wait()
