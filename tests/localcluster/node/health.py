"""Watches over one running container by its probes: shows it started and ready, and says when it must be restarted."""

import asyncio
from collections.abc import Callable
from typing import Any

from localcluster.node.api import Manifest
from localcluster.node.probes import Prober


class HealthWatch:
    """One run of one container. `show` changes what is seen of it; `note` writes a Kubernetes Event."""

    def __init__(
        self,
        container: Manifest,
        prober: Prober,
        show: Callable[..., Any],
        note: Callable[[str, str, str], None],
    ) -> None:
        self._container = container
        self._prober = prober
        self._show = show
        self._note = note
        self._condemned = asyncio.Event()

    async def watch(self) -> None:
        """Probe until a startup or liveness probe has failed for good; for ever if none does."""
        async with asyncio.TaskGroup() as group:
            probing = group.create_task(self._probe())
            await self._condemned.wait()
            probing.cancel()

    async def _probe(self) -> None:
        if startup := self._container.get("startupProbe"):
            await self._prober.run(startup, self._report_started, once=True)
        async with asyncio.TaskGroup() as group:
            if readiness := self._container.get("readinessProbe"):
                group.create_task(self._prober.run(readiness, self._report_ready))
            if liveness := self._container.get("livenessProbe"):
                group.create_task(self._prober.run(liveness, self._report_alive))

    def _report_started(self, success: bool, problem: str) -> None:
        if success:
            self._show(started=True, ready="readinessProbe" not in self._container)
        else:
            self._condemn("Startup", problem)

    def _report_ready(self, success: bool, problem: str) -> None:
        if not success:
            self._note("Warning", "Unhealthy", f"Readiness probe failed: {problem}")
        self._show(ready=success)

    def _report_alive(self, success: bool, problem: str) -> None:
        if not success:
            self._condemn("Liveness", problem)

    def _condemn(self, kind: str, problem: str) -> None:
        name = self._container["name"]
        self._note("Warning", "Unhealthy", f"{kind} probe failed: {problem}")
        self._note("Normal", "Killing", f"Container {name} failed {kind.lower()} probe, will be restarted")
        self._condemned.set()
