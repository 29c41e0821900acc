"""A small asynchronous client of the Kubernetes API: requests and watches with what a kubeconfig gives."""

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

Manifest = dict[str, Any]

# A watch ends by itself after this time and is opened anew; silence much longer than this is a dead connection.
WATCH_SECONDS = 240
_REQUEST_SECONDS = 30


class ApiError(Exception):
    """The API server refused a request."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class WatchExpired(Exception):  # noqa: N818 - a normal event in the life of a watch
    """The resource version is too old: list again."""


@dataclass(frozen=True, slots=True)
class Access:
    """What the current context of a kubeconfig says."""

    server: str
    authority: bytes | None
    client_certificate: bytes | None
    client_key: bytes | None
    token: str | None

    @classmethod
    def read(cls, kubeconfig: Path) -> Self:
        """Read a kubeconfig. Raises ValueError for ways to log in that are not supported (exec, auth-provider)."""
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        for key in ("exec", "auth-provider"):
            if key in user:
                raise ValueError(
                    f"the user in {kubeconfig} logs in by {key}; the node agent needs a certificate or token"
                )
        return cls(
            server=cluster["server"].rstrip("/"),
            authority=_content(cluster, "certificate-authority", kubeconfig),
            client_certificate=_content(user, "client-certificate", kubeconfig),
            client_key=_content(user, "client-key", kubeconfig),
            token=user.get("token"),
        )

    def build_tls_context(self) -> ssl.SSLContext:
        """Build what verifies the server and shows our certificate."""
        context = ssl.create_default_context(cadata=self.authority.decode() if self.authority else None)
        if self.client_certificate and self.client_key:
            # The ssl module loads certificates from files only.
            with tempfile.NamedTemporaryFile() as file:
                file.write(self.client_certificate + b"\n" + self.client_key)
                file.flush()
                context.load_cert_chain(file.name)
        return context


class Api:
    """Requests to one API server."""

    def __init__(self, access: Access, session: aiohttp.ClientSession) -> None:
        self.access = access
        self._session = session

    @classmethod
    @asynccontextmanager
    async def connect(cls, kubeconfig: Path) -> AsyncIterator[Self]:
        """Open a client; nothing is sent yet."""
        access = Access.read(kubeconfig)
        headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
        connector = aiohttp.TCPConnector(ssl=access.build_tls_context(), limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            yield cls(access, session)

    async def get(self, path: str, **query: str) -> Manifest:
        """GET."""
        return await self._request("GET", path, query=query)

    async def post(self, path: str, body: Manifest) -> Manifest:
        """POST."""
        return await self._request("POST", path, body=body)

    async def merge(self, path: str, patch: Manifest) -> Manifest:
        """PATCH by JSON merge patch."""
        return await self._request("PATCH", path, body=patch, content_type="application/merge-patch+json")

    async def delete(self, path: str, options: Manifest) -> Manifest:
        """DELETE with options."""
        return await self._request("DELETE", path, body=options)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        async with self._session.request(
            method,
            self.access.server + path,
            data=None if body is None else json.dumps(body),
            params=query,
            headers={"Content-Type": content_type, "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS),
        ) as response:
            text = await response.text()
            if response.status >= 400:
                raise ApiError(response.status, _message(text))
            answer: Manifest = json.loads(text)
            return answer

    async def watch(self, path: str, version: str, **query: str) -> AsyncIterator[tuple[str, Manifest]]:
        """Yield (type, manifest) of changes after a version until the server ends the watch; bookmarks included.

        Raises WatchExpired when the server has forgotten the version.
        """
        query |= {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query["timeoutSeconds"] = str(WATCH_SECONDS)
        # Bookmarks come about once a minute, so silence for the whole length of a watch means a dead connection.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=WATCH_SECONDS + 10)
        async with self._session.get(self.access.server + path, params=query, timeout=timeout) as response:
            if response.status >= 400:
                raise _watch_error(response.status, _message(await response.text()))
            async for line in _lines(response.content):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _watch_error(event["object"].get("code", 500), event["object"].get("message", ""))
                yield event["type"], event["object"]


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a stream into lines of any length: a Pod may be larger than the reader's limit for a line."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        await asyncio.sleep(0)


def _watch_error(code: int, message: str) -> Exception:
    return WatchExpired(message) if code == 410 else ApiError(code, message)


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200]


def _named(entries: list[Manifest], name: str) -> Manifest:
    return next(entry for entry in entries if entry["name"] == name)


def _content(section: Manifest, key: str, kubeconfig: Path) -> bytes | None:
    """Read data that stand in the kubeconfig itself or in a file that it names."""
    if embedded := section.get(f"{key}-data"):
        return base64.b64decode(str(embedded))
    if name := section.get(key):
        return (kubeconfig.parent / str(name)).read_bytes()
    return None
