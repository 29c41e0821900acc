"""The loop around the reconciler leaves others their turn."""

import asyncio
from itertools import pairwise

from cloudtrail_operator.adapters.clock import SystemClock
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_operator.reconcile.engine import Engine
from cloudtrail_operator.reconcile.store import Store
from support.sources import build_source

SOURCES = 300


class Counting:
    """Looks that find nothing to wait for, as after a restart, and how many there were."""

    def __init__(self) -> None:
        self.looks = 0

    async def reconcile(self, _key: SourceKey) -> None:
        self.looks += 1


def test_hundreds_of_looks_that_are_due_leave_a_probe_its_turn() -> None:
    async def run() -> list[int]:
        store, reconciler = Store(), Counting()
        engine = Engine(store, reconciler, SystemClock())
        for number in range(SOURCES):
            manifest = build_source(f"source-{number}", "team")
            manifest["metadata"] |= {"uid": str(number), "resourceVersion": "1"}
            engine.note_change(Kind.SOURCE, manifest, deleted=False)
        working = asyncio.create_task(engine.run())
        seen = [0]
        while reconciler.looks < SOURCES:
            await asyncio.sleep(0)
            seen.append(reconciler.looks)
        working.cancel()
        return [after - before for before, after in pairwise(seen)]

    assert max(asyncio.run(asyncio.wait_for(run(), 30))) <= 2
