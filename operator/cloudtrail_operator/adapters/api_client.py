"""Requests to the API server: authentication, time limits, and what its failures mean."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from cloudtrail_operator.adapters.access import Access
from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.errors import ClusterError, UnreachableError
from cloudtrail_operator.ports import Clock

APPLY = "application/apply-patch+yaml"  # JSON is YAML
REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server answered."""

    status: int
    body: Any
    retry_after: float | None = None
    """How many seconds it asks to wait."""

    @property
    def message(self) -> str:
        """The API server's own words."""
        message = self.body.get("message") if isinstance(self.body, dict) else None
        return message or "no message"


class ApiClient:
    """A session with the API server. Use it as an async context manager."""

    def __init__(self, access: Access, clock: Clock, *, connections: int = 32) -> None:
        self._access = access
        self._clock = clock
        self.turn = asyncio.Semaphore(connections)
        """To be held while a request is sent. To wait for it counts towards no time limit: that the operator has much to
        do is no failure of the API server."""
        self._tls = access.build_tls()
        self._pool: _Pool | None = None
        self.answered_at: float | None = None
        """When it answered last, by the monotonic clock."""

    async def __aenter__(self) -> Self:
        self._pool = _Pool(self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pool is not None:
            await self._pool.close()

    async def drop_connections(self) -> None:
        """Use new connections from now on: those that are kept may be dead. Requests under way are left alone."""
        if self._pool is not None:
            await self._drop(self._pool)

    async def _drop(self, pool: "_Pool") -> None:
        if pool is self._pool:
            self._pool = _Pool(self._tls)
            await pool.retire()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Manifest | None = None,
        seconds: float = REQUEST_SECONDS,
    ) -> Answer:
        """Wait for a turn and send a request. Raises as `send` does."""
        async with self.turn:
            return await self.send(method, path, params=params, body=body, seconds=seconds)

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Manifest | None = None,
        seconds: float = REQUEST_SECONDS,
    ) -> Answer:
        """Send a request. Raises UnreachableError when there is no answer, or none but that it should be sent later."""
        pool = self._pool
        if pool is None:
            raise RuntimeError("the client is used outside of its context")
        timeout = aiohttp.ClientTimeout(total=seconds, connect=min(seconds, CONNECT_SECONDS))
        try:
            async with (
                pool.use() as session,
                session.request(
                    method,
                    self._access.server + path,
                    params=params,
                    data=None if body is None else json.dumps(body),
                    headers=self._build_headers(method),
                    timeout=timeout,
                ) as response,
            ):
                answer = Answer(response.status, await _decode(response), _read_delay(response))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error, TimeoutError):
                # What has silenced one connection, such as a firewall that forgot, has silenced all that are kept.
                await self._drop(pool)
            raise UnreachableError(f"{method} {path}: {type(error).__name__}: {error}".rstrip(": ")) from error
        self.answered_at = self._clock.monotonic()
        if answer.status == 429 or answer.status >= 500:
            raise UnreachableError(describe(answer), answer.retry_after)
        return answer

    def _build_headers(self, method: str) -> dict[str, str]:
        headers = {"Content-Type": APPLY if method == "PATCH" else "application/json", "Accept": "application/json"}
        token = self._access.read_token()
        return headers | ({"Authorization": f"Bearer {token}"} if token else {})


class _Pool:
    """Connections that are kept for the next request, until they are retired."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        self._session = aiohttp.ClientSession(connector=connector)
        self._users = 0
        self._is_retired = False

    @asynccontextmanager
    async def use(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Lend the session for a request."""
        self._users += 1
        try:
            yield self._session
        finally:
            self._users -= 1
            await self._close_when_unused()

    async def retire(self) -> None:
        """Close all as soon as the last request has ended. Nobody may begin another one."""
        self._is_retired = True
        await self._close_when_unused()

    async def _close_when_unused(self) -> None:
        if self._is_retired and not self._users:
            await self.close()

    async def close(self) -> None:
        """Close all now."""
        await self._session.close()


def check(answer: Answer) -> Manifest:
    """Return the body of an answer. Raises ClusterError when the API server refused."""
    if answer.status >= 400 or not isinstance(answer.body, dict):
        raise ClusterError(describe(answer))
    return answer.body


def describe(answer: Answer) -> str:
    """Say what the API server answered, in its own words."""
    return f"Kubernetes answered {answer.status}: {answer.message}"


async def _decode(response: aiohttp.ClientResponse) -> Any:
    """Decode an answer; what stands between us and the API server may answer with a page for people."""
    try:
        return await response.json(content_type=None)
    except ValueError:
        return None


def _read_delay(response: aiohttp.ClientResponse) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None
