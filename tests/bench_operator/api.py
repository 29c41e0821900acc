"""A plain client of the Kubernetes API with an administrator's access, for many requests at once and for watches."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp

from cloudtrail_operator.adapters.access import read_kubeconfig

Manifest = dict[str, Any]
Item = TypeVar("Item")

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
AT_ONCE = 32  # requests in flight: more do not make the API server of a small machine any faster
BUSY_TRIES = 60
TOO_MANY_REQUESTS = 429  # also while the storage of a new kind is being made
LONGEST_LINE = 2 * 1024 * 1024


class ApiError(RuntimeError):
    """The API server refused a request."""


class Api:
    """Sends requests. Use it as an async context manager."""

    def __init__(self, kubeconfig: Path) -> None:
        self._access = read_kubeconfig(kubeconfig)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._access.build_tls(), limit=0)
        token = self._access.read_token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            read_bufsize=LONGEST_LINE,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.close()

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is used outside of its context")
        return self._session

    async def apply(self, path: str, manifest: Manifest, manager: str) -> Manifest:
        """Apply a manifest server-side."""
        return await self.send("PATCH", path, manifest, APPLY, fieldManager=manager, force="true")

    async def send(
        self, method: str, path: str, body: Manifest | None, media: str = "application/json", **params: str
    ) -> Manifest:
        """Send a request and return the decoded answer; come again when the server is busy. Raises ApiError."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": media, "Accept": "application/json"}
        url = self._access.server + path
        for _ in range(BUSY_TRIES):
            async with self._open.request(method, url, params=params, data=data, headers=headers) as response:
                answer: Manifest = await response.json(content_type=None)
                if response.status < 400:
                    return answer
            if response.status != TOO_MANY_REQUESTS:
                break
            await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
        raise ApiError(f"{method} {path}: {response.status} {answer.get('message')}")

    async def watch(self, path: str, **params: str) -> AsyncIterator[Manifest]:
        """Give what exists, and every change from then on, as watch events; begin anew when the stream ends."""
        while True:
            listed = await self.send("GET", path, None, **params)
            for item in listed["items"]:
                yield {"type": "ADDED", "object": item}
            version = listed["metadata"]["resourceVersion"]
            options = params | {"watch": "true", "resourceVersion": version}
            async with self._open.get(self._access.server + path, params=options) as response:
                async for line in response.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    yield event


async def each(items: Iterable[Item], do: Callable[[Item], Awaitable[object]], at_once: int = AT_ONCE) -> None:
    """Do something with every item, a bounded number at a time."""
    rest = iter(items)

    async def work() -> None:
        for item in rest:
            await do(item)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(work())
