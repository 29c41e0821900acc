"""Startup, readiness and liveness probes: when to try, what counts, and the three ways of trying."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Self

import aiohttp

from localcluster.node.api import Manifest
from localcluster.node.processes import Program, run_command
from localcluster.node.references import ConfigError


@dataclass(frozen=True, slots=True)
class ProbeTiming:
    """The thresholds of a probe, with Kubernetes' defaults."""

    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int

    @classmethod
    def parse(cls, probe: Manifest) -> Self:
        """Read them from a manifest."""
        return cls(
            initial_delay=probe.get("initialDelaySeconds") or 0,
            period=probe.get("periodSeconds") or 10,
            timeout=probe.get("timeoutSeconds") or 1,
            successes=probe.get("successThreshold") or 1,
            failures=probe.get("failureThreshold") or 3,
        )


@dataclass(frozen=True, slots=True)
class ProbeTally:
    """Results in a row, and the verdict so far: None until a threshold is reached."""

    verdict: bool | None = None
    last: bool | None = None
    run: int = 0

    def add(self, success: bool, timing: ProbeTiming) -> "ProbeTally":
        """Count one more result."""
        run = self.run + 1 if success is self.last else 1
        tally = replace(self, last=success, run=run)
        return replace(tally, verdict=success) if run >= (timing.successes if success else timing.failures) else tally


def check_probes(container: Manifest) -> None:
    """Raise ConfigError for a probe that is tried in a way that the agent does not know."""
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container.get(name)
        if probe and not probe.keys() & {"httpGet", "tcpSocket", "exec"}:
            raise ConfigError(f"{name} of container {container['name']} is of a kind that is not supported")


Report = Callable[[bool, str], None]


class Prober:
    """Tries the probes of one running container."""

    def __init__(self, container: Manifest, address: str, program: Program) -> None:
        self._container = container
        self._address = address
        self._program = program

    async def run(self, probe: Manifest, report: Report, *, once: bool = False) -> None:
        """Try at the probe's pace and report each time a verdict is reached or changes, with the failure's cause.

        With `once` (a startup probe) it ends at the first verdict.
        """
        timing = ProbeTiming.parse(probe)
        tally = ProbeTally()
        await asyncio.sleep(timing.initial_delay)
        while True:
            problem = await self.find_problem(probe, timing.timeout)
            before, tally = tally.verdict, tally.add(problem is None, timing)
            if tally.verdict is not None and tally.verdict is not before:
                report(tally.verdict, problem or "")
                if once:
                    return
            await asyncio.sleep(timing.period)

    async def find_problem(self, probe: Manifest, seconds: float) -> str | None:
        """Try once; returns what went wrong, or None."""
        try:
            async with asyncio.timeout(seconds):
                return await self._choose(probe)(probe, seconds)
        except TimeoutError:
            return f"no answer within {seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"

    def _choose(self, probe: Manifest) -> Callable[[Manifest, float], Awaitable[str | None]]:
        if "httpGet" in probe:
            return self._get
        return self._connect if "tcpSocket" in probe else self._execute

    async def _get(self, probe: Manifest, seconds: float) -> str | None:
        request = probe["httpGet"]
        scheme, host = request.get("scheme", "HTTP").lower(), request.get("host") or self._address
        url = f"{scheme}://{host}:{self._find_port(request['port'])}{request.get('path') or '/'}"
        headers = {header["name"]: header["value"] for header in request.get("httpHeaders") or []}
        # As the kubelet: certificates are not checked.
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            good = 200 <= response.status < 400
            return None if good else f"HTTP probe failed with statuscode: {response.status}"

    async def _connect(self, probe: Manifest, seconds: float) -> str | None:
        check = probe["tcpSocket"]
        _, writer = await asyncio.open_connection(check.get("host") or self._address, self._find_port(check["port"]))
        writer.close()
        await writer.wait_closed()
        return None

    async def _execute(self, probe: Manifest, seconds: float) -> str | None:
        command = probe["exec"]["command"]
        code = await run_command(replace(self._program, command=command), seconds)
        return None if code == 0 else f"command ended with code {code}"

    def _find_port(self, port: int | str) -> int:
        if isinstance(port, int):
            return port
        for declared in self._container.get("ports") or []:
            if declared.get("name") == port:
                return int(declared["containerPort"])
        return int(port)
