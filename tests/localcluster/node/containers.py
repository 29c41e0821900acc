"""The life of one container: start, probes, end, back-off, next start, until it is finished or told to stop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from localcluster.node.api import ApiError, Manifest
from localcluster.node.backoff import BackOff
from localcluster.node.health import HealthWatch
from localcluster.node.logs import ContainerLogs
from localcluster.node.probes import Prober, check_probes
from localcluster.node.processes import ContainerProcess, Program, StartError, run_command
from localcluster.node.references import ConfigError
from localcluster.node.status import ContainerState, ContainerView, Running, Terminated, Waiting
from localcluster.node.stopping import StopOrder, first_of

_LOG = logging.getLogger(__name__)
_CONFIG_RETRY_SECONDS = 1.0
# The kubelet's own bound.
MAX_MESSAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """What a container needs from its Pod."""

    manifest: Manifest
    restart_policy: str
    grace_seconds: float
    address: str
    logs: ContainerLogs
    process_id: Path
    message: Path  # where its program may leave a termination message
    build_program: Callable[[], Awaitable[Program]]
    note: Callable[[str, str, str], None]  # writes a Kubernetes Event: type, reason, message


class Container:
    """Supervises one container. `view` is what can be seen of it; `changed` is called after each change."""

    def __init__(
        self, plan: ContainerPlan, view: ContainerView, stop: StopOrder, back_off: BackOff, changed: Callable[[], None]
    ) -> None:
        self.view = view
        self._plan = plan
        self._stop = stop
        self._back_off = back_off
        self._changed = changed

    @property
    def name(self) -> str:
        """The container's name."""
        return self.view.name

    async def supervise(self) -> None:
        """Run it until it is finished by its restart policy, or stopped."""
        while not self._stop.given:
            ended = await self._start_and_run()
            if ended is None:
                continue
            finished = not self._restarts(ended.exit_code)
            self._show(state=ended, ready=False, started=False, finished=finished)
            if finished:
                return
            await self._wait_back_off(ended)
        self._show(finished=True)

    def _restarts(self, exit_code: int) -> bool:
        policy = self._plan.restart_policy
        if self._stop.given:
            return False
        return policy == "Always" or (policy == "OnFailure" and exit_code != 0)

    async def _start_and_run(self) -> Terminated | None:
        """Run once; None if what it needs is missing, after a pause."""
        try:
            check_probes(self._plan.manifest)
            program = await self._plan.build_program()
        except (ConfigError, UnicodeDecodeError) as error:
            await self._pause("CreateContainerConfigError", str(error))
            return None
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            _LOG.warning("container %s waits for the API server: %s", self.name, error)
            await self._stop.sleep(_CONFIG_RETRY_SECONDS)
            return None
        started_at = datetime.now(UTC)
        self._plan.message.write_bytes(b"")
        try:
            process = await ContainerProcess.start(program, self._plan.logs)
        except (StartError, OSError) as error:
            self._plan.note("Warning", "Failed", f"Error: {error}")
            return Terminated(128, "StartError", started_at, datetime.now(UTC), str(error))
        return await self._run(process, started_at)

    async def _pause(self, reason: str, message: str) -> None:
        if self.view.state != Waiting(reason, message):
            self._plan.note("Warning", "Failed", f"Error: {message}")
            self._show(state=Waiting(reason, message))
        await self._stop.sleep(_CONFIG_RETRY_SECONDS)

    async def _run(self, process: ContainerProcess, started_at: datetime) -> Terminated:
        """Watch over a running process until it ends, by itself or by us."""
        self._plan.process_id.write_text(str(process.pid), encoding="ascii")
        probes = self._plan.manifest
        self._show(
            state=Running(started_at),
            container_id=f"process://{process.pid}",
            started="startupProbe" not in probes,
            ready="startupProbe" not in probes and "readinessProbe" not in probes,
        )
        ended = asyncio.ensure_future(process.wait())
        try:
            health = self._watch_health(process.program)
            await first_of(asyncio.shield(ended), self._stop.wait(), health.watch())
            if not ended.done():
                await self._end(process, ended)
            code = await ended
        finally:
            # Only if this task is cancelled; otherwise the process has ended.
            process.kill()
            self._plan.process_id.unlink(missing_ok=True)
        reason = "Completed" if code == 0 else "Error"
        return Terminated(code, reason, started_at, datetime.now(UTC), self._find_message(code))

    def _find_message(self, code: int) -> str:
        """Return what the program left to say; or else, where that is wanted, what it said last."""
        if message := self._plan.message.read_bytes()[:MAX_MESSAGE_BYTES]:
            return message.decode(errors="replace")
        wanted = self._plan.manifest.get("terminationMessagePolicy") == "FallbackToLogsOnError" and code != 0
        return self._plan.logs.read_tail() if wanted else ""

    async def _end(self, process: ContainerProcess, ended: "asyncio.Future[int]") -> None:
        """Hook, SIGTERM, and SIGKILL when the grace period is over, which began before the hook."""
        order = self._stop
        if not order.given:
            # A failed liveness or startup probe: this container alone gets its Pod's grace period, or the probe's own.
            order = StopOrder()
            order.give(self._liveness_grace)
        await first_of(self._run_pre_stop(process.program), order.wait_out_of_time(), asyncio.shield(ended))
        process.terminate()
        await first_of(asyncio.shield(ended), order.wait_out_of_time())
        if not ended.done():
            process.kill()

    @property
    def _liveness_grace(self) -> float:
        probe = self._plan.manifest.get("livenessProbe") or {}
        return float(probe.get("terminationGracePeriodSeconds", self._plan.grace_seconds))

    async def _run_pre_stop(self, program: Program) -> None:
        hook: Manifest = (self._plan.manifest.get("lifecycle") or {}).get("preStop") or {}
        if "sleep" in hook:
            await asyncio.sleep(hook["sleep"]["seconds"])
        elif "exec" in hook:
            # The order's own time limit ends it.
            await run_command(replace(program, command=hook["exec"]["command"]), seconds=24 * 3600)
        elif "httpGet" in hook:
            problem = await Prober(self._plan.manifest, self._plan.address, program).find_problem(hook, 30)
            if problem:
                self._plan.note("Warning", "FailedPreStopHook", problem)

    def _watch_health(self, program: Program) -> HealthWatch:
        prober = Prober(self._plan.manifest, self._plan.address, program)
        return HealthWatch(self._plan.manifest, prober, self._show, self._plan.note)

    async def _wait_back_off(self, ended: Terminated) -> None:
        self._back_off = self._back_off.after_run((ended.finished_at - ended.started_at).total_seconds())
        delay = self._back_off.delay
        state: ContainerState = ended
        if delay:
            message = f"back-off {delay:g}s restarting failed container={self.name}"
            self._plan.note("Warning", "BackOff", message)
            state = Waiting("CrashLoopBackOff", message)
        self._show(state=state, last=ended)
        await self._stop.sleep(delay)
        if not self._stop.given:
            self._show(restart_count=self.view.restart_count + 1)

    def _show(self, **changes: Any) -> None:
        view = replace(self.view, **changes)
        if view != self.view:
            self.view = view
            self._changed()
