"""Counts every request of the operator, reads and watches too, by a proxy between it and the API server."""

import asyncio
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench_operator.fleet import running_fleet
from bench_operator.plane import running_plane
from support.api_proxy import ApiProxy
from support.operator_process import OperatorProcess

Calls = Counter[tuple[str, str]]
REST_SECONDS = 60.0
WAIT_SECONDS = 600
SETTLE_SECONDS = 20.0  # lists are repeated 3 and 10 seconds after a start


@dataclass(frozen=True, slots=True)
class CallCounts:
    """Requests by verb and resource, in three times of an operator's life."""

    sources: int
    applying: Calls
    """From its start on an empty cluster until all sources were Ready."""
    resting: Calls
    """In a minute in which nothing changed."""
    restarting: Calls
    """After a restart with all sources there."""


def count_calls(api_server: str, sources: int) -> CallCounts:
    """Run an operator behind the proxy. The proxy takes time: nothing else is measured here."""
    with (
        running_plane(api_server) as plane,
        ApiProxy(plane.server) as proxy,
        tempfile.TemporaryDirectory(prefix="bench-operator-") as directory,
    ):
        operator = OperatorProcess(plane.server, Path(directory), [], server_url=proxy.url, pollSeconds=15)
        operator.log_level = "INFO"
        try:
            return asyncio.run(_count(plane.server.kubeconfig, operator, proxy, sources))
        finally:
            operator.stop()


async def _count(kubeconfig: Path, operator: OperatorProcess, proxy: ApiProxy, sources: int) -> CallCounts:
    async with running_fleet(kubeconfig) as (_, fleet):
        await asyncio.to_thread(operator.start)
        await fleet.apply([f"source-{number:05}" for number in range(sources)])
        await fleet.wait(lambda: len(fleet.ready) >= sources, "every source is Ready", WAIT_SECONDS)
        applying = await _take(proxy, SETTLE_SECONDS)
        resting = await _take(proxy, REST_SECONDS)
        await asyncio.to_thread(operator.stop)
        proxy.forget()
        await asyncio.to_thread(operator.start)
        return CallCounts(sources, applying, resting, await _take(proxy, SETTLE_SECONDS))


async def _take(proxy: ApiProxy, seconds: float) -> Calls:
    """Let a time pass, and take what was counted."""
    await asyncio.sleep(seconds)
    counted = proxy.counts()
    proxy.forget()
    return counted
