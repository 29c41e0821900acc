"""/healthz, /readyz and /metrics of the operator."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cloudtrail_operator.telemetry import REGISTRY

Probe = Callable[[], list[str]]
"""Lists what is wrong; empty when all is well. Answers at once."""


async def start_health_server(host: str | None, port: int, *, alive: Probe, ready: Probe) -> web.AppRunner:
    """Start to serve, without a host on all addresses of the pod; the caller cleans the runner up."""
    app = web.Application()
    app.router.add_get("/healthz", _build_handler(alive))
    app.router.add_get("/readyz", _build_handler(ready))
    app.router.add_get("/metrics", _serve_metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def _build_handler(probe: Probe) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        problems = probe()
        return web.json_response({"problems": problems}, status=503 if problems else 200)

    return answer


async def _serve_metrics(_request: web.Request) -> web.StreamResponse:
    # With thousands of sources this takes a while, in which probes and reconciling go on.
    body = await asyncio.to_thread(generate_latest, REGISTRY)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
