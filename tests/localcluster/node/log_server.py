"""Serves container logs the way a kubelet does, so that `kubectl logs` works through a real API server.

Only where the agent logs in by certificate: that certificate then serves, and callers need one of the same authority,
which the API server has. (The embedded API server reads the log files itself.)
"""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from localcluster.node.api import Access
from localcluster.node.layout import NodeLayout

_FOLLOW_SECONDS = 0.2


@asynccontextmanager
async def serving_logs(access: Access, layout: NodeLayout) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port, 0 if logs cannot be served safely."""
    if not (access.authority and access.client_certificate and access.client_key):
        yield 0
        return
    application = web.Application()
    application.add_routes([web.get("/containerLogs/{namespace}/{pod}/{container}", _LogServer(layout).answer)])
    # A request in flight may follow a log for ever; it ends with the agent.
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_build_tls_context(access))
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _build_tls_context(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cadata=access.authority.decode() if access.authority else None
    )
    context.verify_mode = ssl.CERT_REQUIRED
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\n".join(filter(None, (access.client_certificate, access.client_key))))
        file.flush()
        context.load_cert_chain(file.name)
    return context


class _LogServer:
    def __init__(self, layout: NodeLayout) -> None:
        self._layout = layout

    async def answer(self, request: web.Request) -> web.StreamResponse:
        namespace, pod = request.match_info["namespace"], request.match_info["pod"]
        container, query = request.match_info["container"], request.query
        uids = [record.uid for record in self._layout.records(namespace, {}) if record.name == pod]
        name = f"{container}.previous.log" if query.get("previous") == "true" else f"{container}.log"
        path = self._layout.pod_logs(uids[-1] if uids else "unknown") / name
        if not await asyncio.to_thread(path.exists):
            return web.Response(status=404, text=f"container {container} of pod {pod} has no such log\n")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        content = await asyncio.to_thread(path.read_bytes)
        await response.write(select_tail(content, query.get("tailLines")))
        if query.get("follow") == "true":
            await self._follow(response, path, len(content), self._layout.process_id(uids[-1], container))
        return response

    async def _follow(self, response: web.StreamResponse, path: Path, offset: int, process_id: Path) -> None:
        """Send what is appended until the container has ended."""
        while True:
            running = await asyncio.to_thread(process_id.exists)
            added = await asyncio.to_thread(_read_from, path, offset)
            await response.write(added)
            offset += len(added)
            if not running:
                return
            await asyncio.sleep(_FOLLOW_SECONDS)


def _read_from(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()


def select_tail(content: bytes, lines: str | None) -> bytes:
    """Return the last lines, or all."""
    if lines is None:
        return content
    count = int(lines)
    return b"".join(content.splitlines(keepends=True)[-count:]) if count else b""
