"""One run with N sources: what the control plane takes alone, and what the operator takes and costs."""

import asyncio
import http.client
import time
import urllib.error
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from bench.process_figures import ProcessFigures, read_figures
from bench_operator.api import Manifest, each
from bench_operator.fleet import NAMESPACE, SOURCES, USER, Fleet, build_own, running_fleet
from bench_operator.plane import Plane, running_plane
from cloudtrail_operator.core.desired import build_desired
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import FIELD_MANAGER
from cloudtrail_operator.core.source import parse_source
from cloudtrail_operator.core.workload import CollectorDefaults
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.operator_process import OperatorProcess

WRITES = "cloudtrail_operator_writes_total"
WAIT_SECONDS = 1800
QUIET_SECONDS = 10
PROBES = 10
PROBE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Scale:
    """How many sources, for how long the operator is watched, and on which API server."""

    sources: int
    watch_seconds: float
    api_server: str


@dataclass(frozen=True, slots=True)
class Use:
    """What the operator used over a time in which nobody changed anything."""

    cores: float
    rss_bytes: int
    writes: float


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured; seconds unless the name says otherwise."""

    scale: Scale
    alone: float
    """Sources and children applied by a plain client, without an operator."""
    applied: float
    """The last source was applied; from the first apply on, like the next two."""
    children: float
    """The last Deployment was there."""
    ready: float
    """The last source was Ready."""
    slowest: float
    """The longest time from a source's apply to its Deployment, all sources being applied at once."""
    calls: dict[str, float]
    """Writes by verb and kind until everything was quiet."""
    idle: Use
    busy: Use
    """As idle, while the figures of every collector grow."""
    probes: tuple[float, ...]
    """From the apply of one more source to its Deployment, ascending."""
    restart: float
    """From the start of a new operator process until it had asked every collector."""
    restart_writes: float
    slowest_probe: float
    """The longest that /healthz took to answer, from the first apply to the end of the restart."""
    peak_rss_bytes: int


def measure(scale: Scale) -> Result:
    """Measure, on a control plane of its own for each half."""
    with running_plane(scale.api_server) as plane:
        alone = asyncio.run(_measure_alone(plane, scale))
    with running_plane(scale.api_server) as plane:
        return asyncio.run(_measure_operator(plane, scale, alone))


async def _measure_alone(plane: Plane, scale: Scale) -> float:
    """Apply every source and its children with a plain client."""
    async with running_fleet(plane.server.kubeconfig) as (api, fleet):

        async def apply_all(name: str) -> None:
            source = await api.apply(f"{SOURCES}/{name}", build_own(name), USER)
            for manifest in _build_children(source):
                path = Kind.of(manifest["kind"]).path(NAMESPACE, manifest["metadata"]["name"])
                await api.apply(path, manifest, FIELD_MANAGER)

        started = time.monotonic()
        await each(_name(scale.sources), apply_all)
        await fleet.wait(lambda: len(fleet.deployed) >= scale.sources, "every Deployment is there", WAIT_SECONDS)
        return max(fleet.deployed.values()) - started


def _build_children(source: Manifest) -> tuple[Manifest, ...]:
    spec = CloudTrailSourceSpec.model_validate(source["spec"])
    return build_desired(parse_source(source), spec, CollectorDefaults(image="example.com/collector:1")).manifests


async def _measure_operator(plane: Plane, scale: Scale, alone: float) -> Result:
    operator = plane.operator
    async with running_fleet(plane.server.kubeconfig) as (_, fleet), _probing(operator) as answer_times:
        await asyncio.to_thread(operator.start)
        names = _name(scale.sources)
        await fleet.apply(names)
        await fleet.wait(lambda: len(fleet.deployed) >= scale.sources, "every source has a Deployment", WAIT_SECONDS)
        await fleet.wait(lambda: len(fleet.ready) >= scale.sources, "every source is Ready", WAIT_SECONDS)
        started, applied = min(fleet.applied.values()), max(fleet.applied.values())
        await _wait_quiet(operator)
        calls = await asyncio.to_thread(operator.read_metric, WRITES)
        idle = await _watch(operator, scale.watch_seconds)
        fleet.collectors.busy = True
        busy = await _watch(operator, scale.watch_seconds)
        fleet.collectors.busy = False
        probes = [await _probe(fleet, f"probe-{number}") for number in range(PROBES)]
        peak = _figures(operator).peak_rss_bytes
        await fleet.wait(lambda: len(fleet.ready) >= scale.sources + PROBES, "the probes are Ready", WAIT_SECONDS)
        await _wait_quiet(operator)
        restart, restart_writes = await _restart(operator, fleet)
        return Result(
            scale=scale,
            alone=alone,
            applied=applied - started,
            children=max(fleet.deployed[name] for name in names) - started,
            ready=max(fleet.ready[name] for name in names) - started,
            slowest=max(fleet.deployed[name] - fleet.applied[name] for name in names),
            calls=calls,
            idle=idle,
            busy=busy,
            probes=tuple(sorted(probes)),
            restart=restart,
            restart_writes=restart_writes,
            slowest_probe=max(answer_times),
            peak_rss_bytes=max(peak, _figures(operator).peak_rss_bytes),
        )


@asynccontextmanager
async def _probing(operator: OperatorProcess) -> AsyncIterator[list[float]]:
    """Ask /healthz again and again, as a kubelet does; give the seconds that each answer took."""
    seconds: list[float] = []

    def ask() -> None:
        started = time.monotonic()
        # Refused while it starts anew. An answer that does not come in time counts with the time that was waited.
        with suppress(ConnectionError, http.client.HTTPException, urllib.error.URLError, TimeoutError):
            operator.read_problems()
        seconds.append(time.monotonic() - started)

    async def ask_for_ever() -> None:
        while True:
            await asyncio.to_thread(ask)
            await asyncio.sleep(PROBE_SECONDS)

    asking = asyncio.create_task(ask_for_ever())
    try:
        yield seconds
    finally:
        asking.cancel()


async def _wait_quiet(operator: OperatorProcess) -> None:
    """Wait until nothing was written for a while: the last pods' figures, the last Events."""
    before, since = -1.0, time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        await asyncio.sleep(1)
        writes = await asyncio.to_thread(operator.count_writes)
        if writes != before:
            before, since = writes, time.monotonic()


async def _watch(operator: OperatorProcess, seconds: float) -> Use:
    """See what the operator uses in a time; the time is what is measured."""
    before, writes = _figures(operator), await asyncio.to_thread(operator.count_writes)
    await asyncio.sleep(seconds)
    used = _figures(operator).since(before)
    return Use(used.cpu_seconds / seconds, used.rss_bytes, await asyncio.to_thread(operator.count_writes) - writes)


async def _probe(fleet: Fleet, name: str) -> float:
    """Apply one more source; return how long it took until its Deployment was there."""
    await fleet.apply([name])
    await fleet.wait(lambda: name in fleet.deployed, f"{name} has a Deployment", 60)
    return fleet.deployed[name] - fleet.applied[name]


async def _restart(operator: OperatorProcess, fleet: Fleet) -> tuple[float, float]:
    """Restart the operator; return how long until it knew all, and what it wrote."""
    await asyncio.to_thread(operator.stop)
    fleet.collectors.asked.clear()
    started = time.monotonic()
    await asyncio.to_thread(operator.start)
    await fleet.wait(lambda: fleet.collectors.asked >= fleet.addresses, "every collector was asked", 300)
    seconds = time.monotonic() - started
    await asyncio.sleep(QUIET_SECONDS)
    return seconds, await asyncio.to_thread(operator.count_writes)


def _figures(operator: OperatorProcess) -> ProcessFigures:
    assert operator.process is not None
    return read_figures(operator.process.pid)


def _name(count: int) -> list[str]:
    return [f"source-{number:05}" for number in range(count)]
