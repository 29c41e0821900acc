"""HTTP/1.1 as an asyncio protocol: enough to serve keep-alive clients of a benchmark at little cost.

A request needs a Content-Length or has no body; anything else is answered with an error that says so.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 411: "Length Required"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request; header names are lower case."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `headers` are complete lines, each ended by CR LF."""

    status: int
    body: bytes = b""
    headers: bytes = b""


Handler = Callable[[Request], Response | Awaitable[Response]]


class HttpProtocol(asyncio.Protocol):
    """One connection: requests are answered one after the other."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._buffer = bytearray()
        self._needed = 0
        self._waiting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget an answer that nobody waits for."""
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        """Collect bytes until a request is whole."""
        self._buffer += data
        while self._waiting is None and len(self._buffer) >= self._needed:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = bytes(self._buffer[:end]).split(b"\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
            if b"transfer-encoding" in headers:
                self._send(Response(411))
                self._transport.close()
                return
            whole = end + 4 + int(headers.get(b"content-length", 0))
            if len(self._buffer) < whole:
                if headers.get(b"expect", b"").lower() == b"100-continue" and len(self._buffer) == end + 4:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._needed = whole
                return
            body = bytes(self._buffer[end + 4 : whole])
            del self._buffer[:whole]
            self._needed = 0
            method, path, _ = lines[0].decode("ascii").split(" ", 2)
            self._answer(Request(method, path, headers, body))

    def _answer(self, request: Request) -> None:
        answer = self._handle(request)
        if isinstance(answer, Response):
            self._send(answer)
        else:
            self._waiting = asyncio.ensure_future(self._answer_later(answer))

    async def _answer_later(self, answer: Awaitable[Response]) -> None:
        response = await answer
        self._waiting = None
        self._send(response)
        if self._buffer:
            self.data_received(b"")

    def _send(self, response: Response) -> None:
        head = b"HTTP/1.1 %d %s\r\nContent-Length: %d\r\n%s\r\n" % (
            response.status,
            REASONS[response.status].encode(),
            len(response.body),
            response.headers,
        )
        self._transport.write(head + response.body)
