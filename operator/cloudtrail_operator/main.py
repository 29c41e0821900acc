"""The operator put together: settings and adapters, the engine, kopf's watches, and the server for probes."""

import asyncio
import logging
import socket
from contextlib import AsyncExitStack

import kopf

from cloudtrail_operator import __version__
from cloudtrail_operator.adapters.access import Access
from cloudtrail_operator.adapters.clock import SystemClock
from cloudtrail_operator.adapters.collectors import HttpReports
from cloudtrail_operator.adapters.health_server import start_health_server
from cloudtrail_operator.adapters.kubernetes import KubernetesCluster
from cloudtrail_operator.adapters.recorder import EventRecorder
from cloudtrail_operator.core.workload import CollectorDefaults
from cloudtrail_operator.handlers.startup import build_kopf_settings, register_login
from cloudtrail_operator.handlers.watches import Inbox, register_watches
from cloudtrail_operator.reconcile.engine import Engine
from cloudtrail_operator.reconcile.reconciler import Outside, Policy, Reconciler
from cloudtrail_operator.reconcile.resync import RESYNC_SECONDS, Resync
from cloudtrail_operator.reconcile.store import Store
from cloudtrail_operator.settings import Settings

LOGGER = logging.getLogger(__name__)


async def run(settings: Settings, access: Access) -> None:
    """Run the operator until SIGTERM or SIGINT. Raises what makes it impossible to go on."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(KubernetesCluster(access))
        reports = await stack.enter_async_context(HttpReports())
        recorder = EventRecorder(cluster, clock, socket.gethostname())
        store = Store()
        engine = Engine(store, Reconciler(store, Outside(cluster, reports, recorder, clock), _policy(settings)), clock)
        resync = Resync(cluster, engine, clock, settings.watch_namespaces)
        server = await start_health_server(
            settings.listen_host,
            settings.listen_port,
            alive=lambda: find_problems(engine, resync, clock),
            ready=lambda: [] if resync.finished_at else ["nothing was listed yet"],
        )
        stack.push_async_callback(server.cleanup)
        LOGGER.info("started", extra={"version": __version__, "server": access.server})
        await resync.fill()
        await _run_together(settings, access, engine, resync)
    LOGGER.info("stopped")


def find_problems(engine: Engine, resync: Resync, clock: SystemClock) -> list[str]:
    """List why the process should be restarted. That the API server is away for a while is no reason."""
    problems = [f"the look at {key} does not end" for key in engine.stuck]
    if resync.finished_at and clock.monotonic() - resync.finished_at > 3 * RESYNC_SECONDS:
        problems.append("nothing was listed for a long time")
    problems += [f"the watch of {kind.value.kind} is silent" for kind in resync.silent_watches]
    return problems


async def _run_together(settings: Settings, access: Access, engine: Engine, resync: Resync) -> None:
    """Run kopf, which ends on a signal, and beside it what ends with it. The end of any ends all."""
    watches = asyncio.create_task(_watch(settings, access, Inbox(engine, resync)), name="watches")
    beside = [
        asyncio.create_task(engine.run(), name="engine"),
        asyncio.create_task(resync.run(), name="resync"),
    ]
    try:
        done, _ = await asyncio.wait([watches, *beside], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (watches, *beside):
            task.cancel()
        await asyncio.gather(watches, *beside, return_exceptions=True)
    for task in done:
        task.result()


async def _watch(settings: Settings, access: Access, inbox: Inbox) -> None:
    registry = kopf.OperatorRegistry()
    kopf_settings = build_kopf_settings()
    register_login(registry, access)
    register_watches(registry, kopf_settings, inbox)
    await kopf.operator(
        registry=registry,
        settings=kopf_settings,
        standalone=True,
        clusterwide=not settings.watch_namespaces,
        namespaces=settings.watch_namespaces,
    )


def _policy(settings: Settings) -> Policy:
    return Policy(
        defaults=CollectorDefaults(
            image=settings.collector_image,
            node_selector=settings.collector_node_selector,
            tolerations=settings.collector_tolerations,
            pod_annotations=settings.collector_pod_annotations,
        ),
        poll_seconds=settings.poll_seconds,
        status_seconds=settings.status_seconds,
        stall_seconds=settings.stall_seconds,
    )
