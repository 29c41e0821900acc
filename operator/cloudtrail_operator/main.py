"""The operator put together: settings and adapters, the engine, kopf's watches, and the server for probes."""

import asyncio
import logging
import secrets
import signal
from contextlib import AsyncExitStack
from datetime import timedelta

from cloudtrail_operator import __version__, telemetry
from cloudtrail_operator.adapters.access import Access
from cloudtrail_operator.adapters.api_client import ApiClient
from cloudtrail_operator.adapters.clock import SystemClock
from cloudtrail_operator.adapters.collectors import HttpReports
from cloudtrail_operator.adapters.health_server import start_health_server
from cloudtrail_operator.adapters.kubernetes import KubernetesCluster
from cloudtrail_operator.adapters.lease import KubernetesLease
from cloudtrail_operator.adapters.recorder import EventRecorder
from cloudtrail_operator.aws_setup.trust import Identity
from cloudtrail_operator.core.flow import FlowLimits
from cloudtrail_operator.core.kinds import BACKFILLS
from cloudtrail_operator.core.workload import CollectorDefaults
from cloudtrail_operator.handlers.heartbeats import Heartbeats
from cloudtrail_operator.handlers.operator import Operator, run_together
from cloudtrail_operator.handlers.watches import Inbox, Watches
from cloudtrail_operator.ports import Permit
from cloudtrail_operator.reconcile.backfill_metrics import BackfillMetrics
from cloudtrail_operator.reconcile.backfills import BackfillReconciler
from cloudtrail_operator.reconcile.election import Alone, Election
from cloudtrail_operator.reconcile.engine import Engine
from cloudtrail_operator.reconcile.engines import Engines
from cloudtrail_operator.reconcile.reconciler import Outside, Policy, Reconciler
from cloudtrail_operator.reconcile.resync import Resync
from cloudtrail_operator.reconcile.served_kinds import ServedKinds
from cloudtrail_operator.reconcile.source_metrics import SourceMetrics
from cloudtrail_operator.reconcile.store import Store
from cloudtrail_operator.settings import Settings
from cloudtrail_operator.telemetry import REGISTRY

LOGGER = logging.getLogger(__name__)


async def run(settings: Settings, access: Access) -> None:
    """Run the operator until SIGTERM or SIGINT. Raises what makes it impossible to go on."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        election = await _build_election(settings, access, clock, stack)
        operator = await _build_operator(settings, access, clock, election or Alone(), stack)
        telemetry.lead_with(lambda: election is None or election.leading)
        server = await start_health_server(
            settings.listen_host,
            settings.listen_port,
            alive=lambda: operator.find_problems(clock, election.looked_at if election else None),
            ready=lambda: find_unready(operator, election),
        )
        stack.push_async_callback(server.cleanup)
        LOGGER.info("started", extra={"version": __version__, "server": access.server})
        if election is None:
            await run_together(stop.wait(), operator.run())
        else:
            await _run_elected(stop, operator, election)
    LOGGER.info("stopped")


async def _run_elected(stop: asyncio.Event, operator: Operator, election: Election) -> None:
    """Act while elected. The lease is given back when nothing acts any more."""

    async def lead() -> None:
        await election.won.wait()
        await operator.run()

    try:
        await run_together(stop.wait(), election.run(operator.start_anew), lead())
    finally:
        await election.release()


def find_unready(operator: Operator, election: Election | None) -> list[str]:
    """List why the process is not ready. A standby is, or a rollout would wait for it for ever."""
    if election is not None and not election.won.is_set():
        return [] if election.looked_at else ["nothing is known about the lease yet"]
    return [] if operator.resync.finished_at else ["nothing was listed yet"]


async def _build_election(
    settings: Settings, access: Access, clock: SystemClock, stack: AsyncExitStack
) -> Election | None:
    if settings.lease is None:
        return None
    # A session of its own: the lease must not wait for a free connection behind everything else.
    client = await stack.enter_async_context(ApiClient(access, clock, connections=2))
    lease = KubernetesLease(client, settings.lease.namespace, settings.lease.name)
    return Election(lease, clock, f"{settings.instance}_{secrets.token_hex(4)}")


async def _build_operator(
    settings: Settings, access: Access, clock: SystemClock, permit: Permit, stack: AsyncExitStack
) -> Operator:
    client = await stack.enter_async_context(ApiClient(access, clock))
    cluster = KubernetesCluster(client, permit)
    reports = HttpReports()
    outside = Outside(cluster, reports, EventRecorder(cluster, clock, settings.instance), clock)
    store, backfills, served, heartbeats = Store(), Store(BACKFILLS), ServedKinds(cluster), Heartbeats(clock)
    REGISTRY.register(SourceMetrics(store))
    REGISTRY.register(BackfillMetrics(backfills))
    policy = _policy(settings, access)
    engine = Engines(
        (
            Engine(store, Reconciler(store, served, outside, policy), clock),
            Engine(backfills, BackfillReconciler(backfills, store, outside, policy), clock),
        )
    )
    telemetry.measure_with(engine.count_due, lambda: len(store.source_keys()))
    resync = Resync(cluster, served, engine, clock, settings.watch_namespaces)
    watches = Watches(access, settings.watch_namespaces, Inbox(engine, resync), served, heartbeats)
    return Operator(client, engine, resync, watches)


def _policy(settings: Settings, access: Access) -> Policy:
    identity = Identity(settings.oidc_issuer or access.find_issuer(), settings.eks_cluster)
    return Policy(
        defaults=CollectorDefaults(
            image=settings.collector_image,
            node_selector=settings.collector_node_selector,
            tolerations=settings.collector_tolerations,
            pod_annotations=settings.collector_pod_annotations,
            extra_env=settings.collector_extra_env,
        ),
        allow_list=settings.allow_list,
        documents=identity if settings.aws_documents else None,
        poll_seconds=settings.poll_seconds,
        status_seconds=settings.status_seconds,
        stall_seconds=settings.stall_seconds,
        flow=FlowLimits(lag=timedelta(seconds=settings.lag_seconds)),
    )
