"""One look at a source, when the API server's answer to our own write tells more than the watch has told."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cloudtrail_operator.adapters.clock import SystemClock
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import FIELD_MANAGER, Manifest
from cloudtrail_operator.core.notices import Notice
from cloudtrail_operator.core.source import Owner, SourceKey
from cloudtrail_operator.errors import UnreachableError
from cloudtrail_operator.ports import Page
from cloudtrail_operator.reconcile.engine import Engine
from cloudtrail_operator.reconcile.reconciler import Outside, Policy, Reconciler
from cloudtrail_operator.reconcile.served_kinds import ServedKinds
from cloudtrail_operator.reconcile.store import Store
from cloudtrail_spec.report import CollectorReport
from support.observations import DEFAULTS
from support.sources import build_source

KEY = SourceKey("default", "org-trail")
WAIT_SECONDS = 0.5
REQUESTS_OF_A_LOOK = 2  # the status, and then that it could not be written


class Server:
    """An API server with one source, whose user changes it just before our status arrives. It has nothing else."""

    def __init__(self, **changes: Any) -> None:
        self.source = build_source(bucket="No")
        self.source["metadata"] |= {"uid": "u", "generation": 1, "resourceVersion": "1"}
        self._changes = changes

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        raise AssertionError(kind, namespace, name)

    async def apply(self, manifest: Manifest, *, manager: str = FIELD_MANAGER) -> Manifest:
        raise AssertionError(manifest, manager)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        metadata = self.source["metadata"] | self._changes | {"resourceVersion": "2"}
        return self.source | {"metadata": metadata, "status": manifest["status"]}

    async def delete(self, manifest: Manifest) -> None:
        raise AssertionError(manifest)

    async def list_served(self, api_version: str) -> frozenset[str]:
        raise AssertionError(api_version)

    def list(self, kind: Kind, namespace: str | None, selector: str | None) -> AsyncIterator[Page]:
        raise AssertionError(kind, namespace, selector)

    async def fetch(self, address: str) -> CollectorReport | None:
        raise AssertionError(address)

    async def record(self, owner: Owner, notice: Notice) -> None:
        """Keep nothing."""


@pytest.mark.parametrize(
    ("changes", "delay"),
    [
        ({}, None),
        ({"generation": 2}, 0.0),
        ({"annotations": {"cloudtrail-operator.io/reconcile-requested-at": "now"}}, 0.0),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, 0.0),
    ],
    ids=str,
)
def test_change_that_only_our_own_write_tells_is_looked_at_at_once(changes: Manifest, delay: float | None) -> None:
    async def look() -> float | None:
        server, store = Server(**changes), Store()
        store.put(Kind.SOURCE, server.source)
        outside = Outside(server, server, server, SystemClock())
        return await Reconciler(store, ServedKinds(server), outside, Policy(DEFAULTS)).reconcile(KEY)

    assert asyncio.run(look()) == delay


class BusyServer(Server):
    """An API server that asks once to wait, and whose watch tells of the source at the same moment."""

    def __init__(self) -> None:
        super().__init__()
        self.engine: Engine | None = None
        self.asked_at: list[float] = []
        self.granted = asyncio.Event()

    async def apply_status(self, manifest: Manifest) -> Manifest:
        self.asked_at.append(time.monotonic())
        if len(self.asked_at) > REQUESTS_OF_A_LOOK:
            self.granted.set()
            return await super().apply_status(manifest)
        assert self.engine is not None
        version = str(1 + len(self.asked_at))
        told = self.source | {"metadata": self.source["metadata"] | {"resourceVersion": version}}
        self.engine.note_change(Kind.SOURCE, told, deleted=False)
        raise UnreachableError("later", retry_after=WAIT_SECONDS)


def test_news_do_not_shorten_the_time_that_the_api_server_asks_for() -> None:
    """KO-13: what is told meanwhile may be our own write of the status."""

    async def run() -> list[float]:
        server, store, clock = BusyServer(), Store(), SystemClock()
        reconciler = Reconciler(store, ServedKinds(server), Outside(server, server, server, clock), Policy(DEFAULTS))
        server.engine = engine = Engine(store, reconciler, clock)
        engine.note_change(Kind.SOURCE, server.source, deleted=False)
        working = asyncio.create_task(engine.run())
        async with asyncio.timeout(10):
            await server.granted.wait()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return server.asked_at

    *refused, granted = asyncio.run(run())
    assert granted - refused[-1] >= WAIT_SECONDS
