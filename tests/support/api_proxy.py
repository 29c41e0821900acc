"""A proxy in front of an API server that counts requests, and that loses, refuses or interrupts them to order.

Plain HTTP on loopback towards the operator, TLS towards the API server; credentials pass through. It runs in a thread of
the test's own process, and its methods may be called from any other:

    with ApiProxy(server) as proxy:
        operator = OperatorProcess(server, tmp_path, [namespace], server_url=proxy.url)
        ...
        proxy.black_hole(existing=True, new=False)         # streams and kept connections are dead, for ever
        proxy.refuse(Refusal(429, retry_after=2), verb="patch", resource="cloudtrailsources/status", times=3)
        proxy.after_write(2, lambda seen: os.kill(pid, signal.SIGKILL))
        proxy.heal()                                       # no order is left; what is dead stays dead
        assert proxy.count("patch", "deployments") == 1

Verbs are those of RBAC: get, list, watch, create, update, patch, delete. A resource is a plural, with its subresource:
`deployments`, `cloudtrailsources/status`.
"""

import asyncio
import base64
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from localcluster.apiserver import ApiServer

WRITES = frozenset({"create", "update", "patch", "delete"})
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_HOP_HEADERS = {"connection", "keep-alive", "host", "content-length", "transfer-encoding", "expect", "accept-encoding"}
_REASONS = {
    403: "Forbidden", 409: "Conflict", 410: "Expired", 422: "Invalid", 429: "TooManyRequests",
    500: "InternalError", 503: "ServiceUnavailable",
}  # fmt: skip
_RESET = struct.pack("ii", 1, 0)  # with this SO_LINGER, close() sends RST


@dataclass(slots=True)
class Seen:
    """One request. `status` is the answer's: None while there is none, and when it was lost."""

    verb: str
    resource: str
    namespace: str | None
    name: str | None
    body: bytes = field(repr=False, default=b"")
    status: int | None = None
    at: float = 0.0
    """When it arrived, by the monotonic clock."""

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.verb in WRITES

    def matches(self, verb: str | None, resource: str | None, name: str | None = None) -> bool:
        """Say whether it is of a verb, a resource and a name; None stands for any."""
        return verb in (None, self.verb) and resource in (None, self.resource) and name in (None, self.name)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer in place of the API server's. As an event it comes inside the stream of a watch, after a 200."""

    code: int
    message: str = "refused by order of a test"
    retry_after: int | None = None
    as_event: bool = False

    def build_status(self) -> dict[str, Any]:
        """Build the Status that says so."""
        details = {} if self.retry_after is None else {"details": {"retryAfterSeconds": self.retry_after}}
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": _REASONS.get(self.code, ""), "code": self.code,
        } | details  # fmt: skip


@dataclass(slots=True)
class _Order:
    """What to do with requests that match; `times` counts down, None means always."""

    verb: str | None
    resource: str | None
    name: str | None
    refusal: Refusal
    times: int | None


@dataclass(slots=True)
class _Interruption:
    """Loses a write: `left` counts down to it."""

    left: int
    action: Callable[[Seen], None]


class ApiProxy:
    """The proxy. Use it as a context manager."""

    def __init__(self, server: ApiServer) -> None:
        self._upstream, self._tls = _read_upstream(server)
        self._lock = threading.Lock()
        self._orders: list[_Order] = []
        self._before: list[_Interruption] = []
        self._after: list[_Interruption] = []
        self._swallow_new = False
        self._dead: set[web.RequestHandler] = set()
        self._known: set[web.RequestHandler] = set()
        self._watching: dict[web.RequestHandler, Seen] = {}
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self.url = ""
        """Where the operator finds it."""
        self.requests: list[Seen] = []
        """Every request, in the order of arrival."""

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="api-proxy", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    # Orders.

    def black_hole(self, *, existing: bool = True, new: bool = True) -> None:
        """Pass nothing on any more, without a word, on connections that exist, on new ones until `heal`, or on both.

        Such a connection stays dead for ever, as when a firewall has forgotten it.
        """
        self._in_loop(lambda: self._swallow(existing=existing, new=new))

    def black_hole_watches(self, resource: str | None = None) -> None:
        """Pass nothing on any more on the connections that now carry a watch (of a resource). All others work."""

        def kill() -> None:
            self._dead.update(at for at, seen in self._watching.items() if seen.matches("watch", resource))

        self._in_loop(kill)

    def reset(self) -> None:
        """Break every connection with RST."""
        self._in_loop(self._break_all)

    def refuse(
        self,
        refusal: Refusal,
        *,
        verb: str | None = None,
        resource: str | None = None,
        name: str | None = None,
        times: int | None = None,
    ) -> None:
        """Answer matching requests with a refusal, so many times or until `heal`. Later orders go first."""
        with self._lock:
            self._orders.insert(0, _Order(verb, resource, name, refusal, times))

    def before_write(self, number: int, action: Callable[[Seen], None]) -> None:
        """Call `action` when the n-th write from now arrives (the first is 1), and lose the write: nobody carries it out."""
        with self._lock:
            self._before.append(_Interruption(number, action))

    def after_write(self, number: int, action: Callable[[Seen], None]) -> None:
        """Call `action` when the n-th write from now has been carried out, and lose its answer."""
        with self._lock:
            self._after.append(_Interruption(number, action))

    def heal(self) -> None:
        """Forget all orders. Connections that are dead stay so."""
        with self._lock:
            self._orders, self._before, self._after = [], [], []
        self._in_loop(lambda: setattr(self, "_swallow_new", False))

    # What was seen.

    def count(self, verb: str | None = None, resource: str | None = None) -> int:
        """Count the requests of a verb and a resource; None stands for any."""
        with self._lock:
            return sum(seen.matches(verb, resource) for seen in self.requests)

    def count_writes(self, *, but: tuple[str, ...] = ("leases",)) -> int:
        """Count the writes, but for those of some resources: leases are renewed all the time."""
        with self._lock:
            return sum(seen.writes and seen.resource not in but for seen in self.requests)

    def counts(self) -> Counter[tuple[str, str]]:
        """Count by verb and resource."""
        with self._lock:
            return Counter((seen.verb, seen.resource) for seen in self.requests)

    def forget(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self.requests = []

    # The thread of the proxy.

    def _in_loop(self, call: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            try:
                call()
            finally:
                done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait()

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        try:
            async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
                self._session, self._server = session, server
                await runner.setup()
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                self._started.set()
                await self._stopped.wait()
                await runner.cleanup()
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._started.set()

    def _swallow(self, *, existing: bool, new: bool) -> None:
        self._known = set(self._server.connections)
        self._dead &= self._known
        if existing:
            self._dead |= self._known
        self._swallow_new = new

    def _break_all(self) -> None:
        for connection in list(self._server.connections):
            _abort(connection.transport)

    def _is_dead(self, request: web.BaseRequest) -> bool:
        connection = request.protocol
        if self._swallow_new and connection not in self._known:
            self._dead.add(connection)
        return connection in self._dead

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = read_request(request.method, request.path_qs, await request.read())
        with self._lock:
            self.requests.append(seen)
            order = self._take_order(seen)
            interruption = _count_down(self._before, seen)
        if self._is_dead(request):
            return await _never()
        if interruption is not None:
            return await self._lose(request, seen, interruption)
        if order is not None:
            return await self._answer(request, seen, order.refusal)
        if seen.verb != "watch":
            return await self._pass_on(request, seen)
        self._watching[request.protocol] = seen
        try:
            return await self._pass_on(request, seen)
        finally:
            del self._watching[request.protocol]

    def _take_order(self, seen: Seen) -> _Order | None:
        for order in self._orders:
            if order.times != 0 and seen.matches(order.verb, order.resource, order.name):
                order.times = None if order.times is None else order.times - 1
                return order
        return None

    async def _lose(self, request: web.BaseRequest, seen: Seen, interruption: _Interruption) -> web.StreamResponse:
        interruption.action(seen)
        _abort(request.transport)
        return await _never()

    async def _answer(self, request: web.BaseRequest, seen: Seen, refusal: Refusal) -> web.StreamResponse:
        seen.status = refusal.code
        if refusal.as_event:
            line = json.dumps({"type": "ERROR", "object": refusal.build_status()}) + "\n"
            return web.Response(text=line, content_type="application/json")
        headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
        return web.json_response(refusal.build_status(), status=refusal.code, headers=headers)

    async def _pass_on(self, request: web.BaseRequest, seen: Seen) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
        url = self._upstream + request.raw_path
        try:
            async with self._session.request(
                request.method, URL(url, encoded=True), headers=headers, data=seen.body or None
            ) as answer:
                seen.status = answer.status
                with self._lock:
                    interruption = _count_down(self._after, seen)
                if interruption is not None:
                    await answer.read()
                    return await self._lose(request, seen, interruption)
                return await self._stream(request, answer)
        except aiohttp.ClientError:
            _abort(request.transport)  # what the API server does to us, we do to the operator
            return await _never()

    async def _stream(self, request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_HEADERS}
        response = web.StreamResponse(status=answer.status, headers=headers)
        if "Content-Length" in answer.headers:
            response.content_length = int(answer.headers["Content-Length"])
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            if self._is_dead(request):
                return await _never()
            await response.write(piece)
        if self._is_dead(request):
            return await _never()
        await response.write_eof()
        return response


def read_request(method: str, target: str, body: bytes = b"") -> Seen:
    """Read from a request's method and target which verb and which resource it is about."""
    parts = urlsplit(target)
    path = [part for part in parts.path.split("/") if part]
    rest = path[2:] if path[:1] == ["api"] else path[3:]
    namespace = None
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else None
    resource = "/".join([*rest[:1], *rest[2:]]) or parts.path
    verb = _VERBS.get(method, method.lower())
    if verb == "get" and name is None and rest:
        is_watch = any(pair in ("watch=true", "watch=1") for pair in parts.query.split("&"))
        verb = "watch" if is_watch else "list"
    return Seen(verb, resource, namespace, name, body, at=time.monotonic())


def _count_down(interruptions: list[_Interruption], seen: Seen) -> _Interruption | None:
    """Count a write; return the interruption whose turn it is. Leases do not count: nobody knows when they are renewed."""
    if not seen.writes or seen.resource == "leases":
        return None
    due = None
    for interruption in interruptions:
        interruption.left -= 1
        due = interruption if interruption.left == 0 else due
    return due


async def _never() -> web.StreamResponse:
    """Wait until the client gives up, which cancels this."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("a future that nobody has was completed")


def _abort(transport: asyncio.BaseTransport | None) -> None:
    if not isinstance(transport, asyncio.Transport):
        return
    with suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def _read_upstream(server: ApiServer) -> tuple[str, ssl.SSLContext]:
    document = yaml.safe_load(server.kubeconfig.read_text(encoding="utf-8"))
    cluster = document["clusters"][0]["cluster"]
    if "certificate-authority-data" in cluster:
        anchor = base64.b64decode(cluster["certificate-authority-data"]).decode()
        return cluster["server"].rstrip("/"), ssl.create_default_context(cadata=anchor)
    return cluster["server"].rstrip("/"), ssl.create_default_context(cafile=cluster["certificate-authority"])
