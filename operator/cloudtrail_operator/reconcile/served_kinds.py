"""Which kinds of children the API server serves: some come and go with what is installed in the cluster."""

import asyncio

from cloudtrail_operator.core.kinds import CHILD_KINDS, KEDA_KINDS, Kind
from cloudtrail_operator.core.scaling import Autoscaler
from cloudtrail_operator.ports import Catalog


class ServedKinds:
    """What discovery told last; nothing that is optional before the first look."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._has_keda = False
        self._changed = asyncio.Event()

    @property
    def children(self) -> tuple[Kind, ...]:
        """The kinds of children that can be listed and watched."""
        return tuple(kind for kind in CHILD_KINDS if self._has_keda or kind not in KEDA_KINDS)

    @property
    def autoscaler(self) -> Autoscaler:
        """What scales Deployments here."""
        return Autoscaler.KEDA if self._has_keda else Autoscaler.HPA

    async def look(self) -> bool:
        """Ask the API server; say whether the answer is another than before. Raises ClusterError."""
        served = await self._catalog.list_served(Kind.SCALED_OBJECT.value.api_version)
        before, self._has_keda = self._has_keda, served.issuperset(kind.value.plural for kind in KEDA_KINDS)
        if self._has_keda is not before:
            self._changed.set()
            self._changed = asyncio.Event()  # the next change is another one
        return self._has_keda is not before

    async def wait_for_others(self, children: tuple[Kind, ...]) -> None:
        """Wait until other kinds of children are served than the given ones."""
        while self.children == children:
            await self._changed.wait()
