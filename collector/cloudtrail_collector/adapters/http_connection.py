"""One HTTP/1.1 connection of which every exchange has a deadline for all of it: name, connect, TLS, request and answer.

http.client reads the answers. Its own timeout is for each read: a server that sends a byte now and then would hold its
caller for ever. Requests are written here, at a third of the CPU.
"""

import base64
import io
import select
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from typing import cast
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

CONNECT_SECONDS = 5.0
READ_BYTES = 64 * 1024
PORTS = {"http": 80, "https": 443}


class TooLateError(TimeoutError):
    """The deadline passed before the exchange was over."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Message
    body: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """How to get to a server: its URL, the proxy on the way, and whom to trust."""

    url: SplitResult
    tls: ssl.SSLContext | None = None
    proxy: SplitResult | None = None

    @property
    def host(self) -> str:
        """The Host header: the port is left out where the scheme implies it."""
        name = f"[{self.url.hostname}]" if ":" in (self.url.hostname or "") else self.url.hostname or ""
        return name if find_port(self.url) == PORTS[self.url.scheme] else f"{name}:{find_port(self.url)}"

    @property
    def target(self) -> str:
        """What a request line asks for where nothing else is wanted: path and query of the URL."""
        return self.url._replace(scheme="", netloc="", fragment="").geturl() or "/"


@dataclass(frozen=True, slots=True)
class Post:
    """What is sent, when all must be over (monotonic), and how much of the answer's body is wanted (None: all).

    `target` is path and query (None: the route's).
    """

    body: bytes | memoryview
    headers: Mapping[str, str]
    deadline: float
    max_answer_bytes: int | None = None
    target: str | None = None


class Connection:
    """Connected when it exists; for one thread at a time."""

    def __init__(self, route: Route, deadline: float) -> None:
        near = route.proxy or route.url
        self._target, self._target_prefix = route.target, ""
        self._proxy_headers: dict[str, str] = {}
        self._socket = _TimedSocket(_connect(near.hostname or "", find_port(near), deadline), deadline)
        try:
            if route.proxy is not None:
                self._go_through(route.proxy, route)
            if route.tls is not None:
                self._socket.start_tls(route.tls, route.url.hostname or "")
        except BaseException:
            self._socket.end()
            raise
        self._is_open = True

    @property
    def is_usable(self) -> bool:
        """Tell whether another request may be sent: the server has neither closed it nor sent what nobody asked for."""
        return self._is_open and not self._socket.has_input()

    def close(self) -> None:
        """Close it."""
        self._socket.end()

    def exchange(self, post: Post) -> Answer:
        """POST and read the answer. Raises TooLateError, another OSError or http.client.HTTPException.

        An answer that is longer than wanted is not read on: the connection is of no use then.
        """
        self._socket.deadline = post.deadline
        try:
            # A server that refuses a body may say why before it has read all of it, and close.
            with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                self._socket.send(self._build_head(post), post.body)
            with HTTPResponse(cast("socket.socket", self._socket), method="POST") as response:
                response.begin()
                # Unlike read(n), read() complains when the answer breaks off.
                body = response.read() if post.max_answer_bytes is None else response.read(post.max_answer_bytes)
                self._is_open = response.isclosed() and not response.will_close
                return Answer(response.status, response.headers, body)
        except TimeoutError as error:
            raise TooLateError("the deadline has passed") from error

    def _build_head(self, post: Post) -> bytes:
        """Raises ValueError where a header would be more than one line, or is not in Latin-1."""
        lines = [f"POST {self._target_prefix}{post.target or self._target} HTTP/1.1", "Accept-Encoding: identity"]
        lines += [f"{name}: {value}" for name, value in post.headers.items()]
        lines += [f"{name}: {value}" for name, value in self._proxy_headers.items()]
        lines += [f"Content-Length: {len(post.body)}", "", ""]
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
            raise ValueError("a header has a line break")
        return head.encode("latin-1")

    def _go_through(self, proxy: SplitResult, route: Route) -> None:
        """Ask the proxy for a tunnel where TLS is spoken; else it wants whole URLs."""
        credentials = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
        basic = base64.b64encode(credentials.encode()).decode()
        headers = {"Proxy-Authorization": f"Basic {basic}"} if proxy.username else {}
        if route.tls is None:
            self._target_prefix, self._proxy_headers = f"{route.url.scheme}://{route.host}", headers
            return
        name = f"{route.url.hostname}:{find_port(route.url)}"
        lines = [f"CONNECT {name} HTTP/1.1", f"Host: {name}", *(f"{key}: {value}" for key, value in headers.items())]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        response = HTTPResponse(cast("socket.socket", self._socket), method="CONNECT")
        response.begin()
        if response.status != 200:
            raise ConnectionError(f"the proxy {proxy.hostname} answered {response.status}")


class _TimedSocket:
    """A socket as http.client uses it, of which every call ends at the deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self.deadline = deadline

    def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        self._limit()
        self._sock = context.wrap_socket(self._sock, server_hostname=name)

    def sendall(self, data: bytes | memoryview) -> None:
        self._limit()
        self._sock.sendall(data)

    def send(self, head: bytes, body: bytes | memoryview) -> None:
        """Send both, in one piece where the system takes that."""
        if isinstance(self._sock, ssl.SSLSocket):
            self.sendall(head)
            self.sendall(body)
            return
        self._limit()
        sent = self._sock.sendmsg([head, body]) - len(head)
        if sent < len(body):
            self.sendall(memoryview(body)[sent:] if sent >= 0 else head[sent:] + body)

    def receive_into(self, buffer: memoryview) -> int:
        self._limit()
        return self._sock.recv_into(buffer)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self), READ_BYTES)

    def has_input(self) -> bool:
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def end(self) -> None:
        self._sock.close()

    def _limit(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TooLateError("the deadline has passed")
        self._sock.settimeout(left)


class _Reader(io.RawIOBase):
    """Closing it closes nothing: http.client closes an answer when it was read, and the connection goes on."""

    def __init__(self, sock: _TimedSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._sock.receive_into(buffer)


def find_port(url: SplitResult) -> int:
    """Return the port that a URL names or implies."""
    return url.port or PORTS[url.scheme]


def find_proxy(url: SplitResult) -> SplitResult | None:
    """Find the proxy on the way to a URL, in the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY; None: there is none."""
    proxy = None if proxy_bypass(url.netloc.rpartition("@")[2]) else getproxies().get(url.scheme)
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None


def _connect(host: str, port: int, deadline: float) -> socket.socket:
    """Try every address of a host, each for some seconds."""
    failure: OSError = OSError(f"{host} has no address")
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is no name of a host") from error
    for family, kind, protocol, _, address in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TooLateError("the deadline has passed")
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(CONNECT_SECONDS, left))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure
