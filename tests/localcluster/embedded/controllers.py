"""Runs the controllers: whenever something changed that one of them looks at, and once a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from localcluster.embedded.deployments import DEPLOYMENTS, DeploymentController
from localcluster.embedded.errors import ApiError
from localcluster.embedded.garbage import GarbageCollector
from localcluster.embedded.jobs import JobController
from localcluster.embedded.lifecycle import CRDS, JOBS, NAMESPACES, PODS, Lifecycle
from localcluster.embedded.namespaces import Terminator
from localcluster.embedded.replicasets import REPLICASETS, ReplicaSetController
from localcluster.embedded.resources import Registry, StorageKey
from localcluster.embedded.store import Event, Store

_LOG = logging.getLogger(__name__)

COALESCE_SECONDS = 0.02
"""Changes come in bursts; one pass for all of them is enough."""
TICK_SECONDS = 1.0
"""minReadySeconds and the progress deadline pass without anything changing."""


@dataclass(slots=True)
class _Duty:
    """One controller, and whether it has something to look at."""

    reconcile: Callable[[], None]
    concerns: Callable[[StorageKey, Event], bool]
    ticks: bool = False
    due: bool = True


def _may_leave_garbage(_: StorageKey, event: Event) -> bool:
    metadata = event.obj["metadata"]
    return event.type == "DELETED" or bool(metadata.get("ownerReferences") or metadata.get("deletionTimestamp"))


class Controllers:
    """The part of a control plane that acts by itself. One task, no threads: passes never overlap with requests."""

    def __init__(self, store: Store, registry: Registry, lifecycle: Lifecycle) -> None:
        workloads = {DEPLOYMENTS, REPLICASETS, PODS}
        deployments = DeploymentController(store, registry, lifecycle)
        replicasets = ReplicaSetController(store, registry, lifecycle)
        jobs = JobController(store, registry, lifecycle)
        terminator = Terminator(store, registry, lifecycle)
        collector = GarbageCollector(store, registry, lifecycle)
        self._duties = [
            _Duty(deployments.reconcile, lambda key, _: key in workloads, ticks=True),
            _Duty(replicasets.reconcile, lambda key, _: key in {REPLICASETS, PODS}, ticks=True),
            _Duty(jobs.reconcile, lambda key, _: key in {JOBS, PODS}, ticks=True),
            _Duty(collector.reconcile, _may_leave_garbage),
            _Duty(terminator.reconcile, _ends_something),
        ]
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        store.listen(self._on_change)

    def start(self) -> None:
        """Begin to act."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Cease to act."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _on_change(self, key: StorageKey, event: Event) -> None:
        for duty in self._duties:
            if not duty.due and duty.concerns(key, event):
                duty.due = True
        if any(duty.due for duty in self._duties):
            self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                # Not wait_for: before Python 3.12 it may swallow a cancellation, and stop() would wait for ever.
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                for duty in self._duties:
                    duty.due = duty.due or duty.ticks
            self._wake.clear()
            await asyncio.sleep(COALESCE_SECONDS)
            for duty in self._duties:
                if duty.due:
                    self._pass(duty)

    def _pass(self, duty: _Duty) -> None:
        duty.due = False
        try:
            duty.reconcile()
        except ApiError as error:
            _LOG.warning("a controller was refused: %s", error.message)
        except Exception:  # noqa: BLE001 - a task boundary: reported, and tried again
            _LOG.exception("a controller failed; it runs again with the next change")


def _ends_something(key: StorageKey, event: Event) -> bool:
    if key in {NAMESPACES, CRDS}:
        return bool(event.obj["metadata"].get("deletionTimestamp"))
    return event.type == "DELETED"
