"""kopf's settings and login."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import kopf

from cloudtrail_operator.adapters.access import Access
from cloudtrail_operator.handlers.heartbeats import Heartbeats
from cloudtrail_spec.base import API_GROUP

BEGIN_SECONDS = 30.0  # the API server begins a stream at once; a request that is not answered by then is lost
LOGIN_SECONDS = 5.0  # a token that is refused is not tried more often


class EndlessBackoffs:
    """Delays between attempts that never run out: kopf would end the process after the last of them."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.5, 1, 2, 3, 5), itertools.repeat(8.0))


def build_kopf_settings() -> kopf.OperatorSettings:
    """Build kopf's settings; each differs from the default for a reason."""
    settings = kopf.OperatorSettings()
    watching = settings.watching
    watching.server_timeout = 300  # a stream that ends by itself, in time, cannot be a dead one
    watching.client_timeout = 360  # the server ends it first
    watching.connect_timeout = 30
    watching.inactivity_timeout = 70  # bookmarks come every minute: longer silence means a dead connection
    watching.chunk_size = 100  # every kind is listed at the same time, and a chunk is in memory as a whole
    settings.networking.request_timeout = 30  # of lists; the default waits five minutes for a dead connection
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.posting.enabled = False  # our own recorder writes Events, without repeating itself
    settings.scanning.disabled = True  # no permission on CRDs and namespaces is needed
    settings.peering.standalone = True
    settings.persistence.finalizer = f"{API_GROUP}/finalizer"  # never added: there is nothing to undo
    settings.process.ultimate_exiting_timeout = None  # it is started anew in this process, which must not be killed
    return settings


def register_login(registry: kopf.OperatorRegistry, access: Access, heartbeats: Heartbeats) -> None:
    """Let kopf in the same way as our own client, by a session of ours that sees what the streams bring."""
    last = -LOGIN_SECONDS

    async def login(**_: Any) -> kopf.AiohttpSession:
        nonlocal last
        await asyncio.sleep(last + LOGIN_SECONDS - time.monotonic())
        last = time.monotonic()
        return kopf.AiohttpSession(server=access.server, aiohttp_session=_open_session(access, heartbeats))

    kopf.on.login(registry=registry, id="login", errors=kopf.ErrorsMode.TEMPORARY)(login)


def _open_session(access: Access, heartbeats: Heartbeats) -> aiohttp.ClientSession:
    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Send a request with the present token, and listen to the stream that answers a watch."""
        token = access.read_token()
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        async with asyncio.timeout(BEGIN_SECONDS):
            response = await handler(request)
        if "watch" in request.url.query and response.status == 200:
            heartbeats.listen(request.url.path, response)
        return response

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=access.build_tls(), limit=0), trust_env=False, middlewares=(send,)
    )
