"""A reverse proxy on loopback in front of a stand-in for AWS that loses, delays, damages or refuses what a test says.

It runs in a thread of the test's own process, so that rules are set and the journal is read by calling methods. Requests
go on as they came, `Host` included, so that signatures still hold; only `FailedEntries` and `QuickReturns` change what
was signed.
"""

import asyncio
import fnmatch
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, assert_never
from urllib.parse import urlsplit

from localcluster.aws.aws_calls import REQUEST_ID, Call, build_error, read_call
from localcluster.aws.faults import (
    AwsFailure,
    Corrupt,
    Cut,
    Delay,
    FailedEntries,
    Fault,
    LostAnswer,
    QuickReturns,
    Reset,
    Rule,
    RuleBook,
    Silence,
    Trickle,
    Where,
    shorten_visibility,
    split_entries,
)

PIECE = 64 * 1024
MAX_HEAD = 64 * 1024
_HOP_HEADERS = {"connection", "keep-alive", "expect"}


@dataclass(slots=True)
class Exchange:
    """One request. Times are of the monotonic clock; `answered_at` is when the last of a whole answer was about to leave.

    `answer` is the body of what SQS and STS answered, b"" for S3.
    """

    call: Call
    agent: str
    asked_at: float
    fault: Fault | None = None
    status: int | None = None
    answer: bytes = b""
    answered_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def build(self, body: bytes | None = None) -> bytes:
        """Build what AWS gets: the same, on a connection of its own."""
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        for name, value in self.headers:
            if name.lower() not in _HOP_HEADERS:
                is_other_length = body is not None and name.lower() == "content-length"
                lines.append(f"{name}: {len(body or b'') if is_other_length else value}")
        head = "\r\n".join([*lines, "Connection: close", "", ""])
        return head.encode("latin-1") + (self.body if body is None else body)


@dataclass(frozen=True, slots=True)
class _Head:
    """Status line and headers of an answer; `length` is None when it is sent in chunks or until the end."""

    status: int
    lines: tuple[str, ...]
    length: int | None

    def build(self) -> bytes:
        return "\r\n".join([*self.lines, "", ""]).encode("latin-1")


class FaultProxy:
    """Proxy for `upstream` (a base URL) while the block runs; `url` is its own.

    With `returns` a back-off of minutes passes in a test's time.
    """

    def __init__(self, upstream: str, *, seed: int = 1, returns: QuickReturns | None = None) -> None:
        url = urlsplit(upstream)
        self._upstream = (url.hostname or "127.0.0.1", url.port or 80)
        self._returns = returns
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.rules = RuleBook(seed)
        self._journal: list[Exchange] = []
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._stopping = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    # --- what a test says and asks ---

    def put(self, name: str, fault: Fault, where: Where, **limits: Any) -> None:
        """Put a rule in force; `limits` are `times`, `each` and `chance` of `Rule`."""
        self.rules.put(Rule(name=name, where=where, fault=fault, **limits))

    def read_journal(self, action: str = "*") -> list[Exchange]:
        """Read the requests so far, in the order in which they came; `action` is a shell pattern."""
        return [exchange for exchange in list(self._journal) if fnmatch.fnmatchcase(exchange.call.action, action)]

    def count(self, action: str = "*") -> int:
        """Count the requests so far."""
        return len(self.read_journal(action))

    def count_actions(self) -> Counter[str]:
        """Count the requests so far by service and action."""
        return Counter(f"{exchange.call.service}:{exchange.call.action}" for exchange in list(self._journal))

    # --- the thread ---

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, sock=self._listener, limit=MAX_HEAD)
        async with server:
            await self._stopping.wait()
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._talk(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader, writer)) is not None:
                if not await self._exchange(request, reader, writer):
                    return
        except (OSError, EOFError):
            pass  # either side hung up, as it may
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, request: _Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; tells whether the connection goes on."""
        headers = {name.lower(): value for name, value in request.headers}
        call = read_call(request.method, request.target, headers, request.body)
        exchange = Exchange(call, headers.get("user-agent", ""), time.monotonic())
        exchange.fault = self.rules.choose(call)
        self._journal.append(exchange)
        match exchange.fault:
            case AwsFailure() as failure:
                await _refuse(writer, exchange, failure, request.method)
                return True
            case Silence():
                await reader.read(1)  # until the client has had enough
                return False
            case Reset():
                _reset(writer)
                return False
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case FailedEntries() as failed:
                await self._split(request, writer, exchange, failed)
                return True
            case None | Trickle() | Cut() | Corrupt() | LostAnswer():
                pass
            case _ as other:
                assert_never(other)
        return await self._forward(request, writer, exchange)

    async def _forward(self, request: _Request, writer: asyncio.StreamWriter, exchange: Exchange) -> bool:
        upstream, sender = await asyncio.open_connection(*self._upstream, limit=MAX_HEAD)
        try:
            sender.write(request.build(self._hasten(exchange.call)))
            await sender.drain()
            head = await _read_head(upstream)
            if isinstance(exchange.fault, LostAnswer):
                await upstream.read()
                _reset(writer)
                return False
            exchange.status = head.status
            if exchange.call.service == "s3" and request.method == "GET" and head.length is not None:
                return await _pass_body(upstream, writer, head, exchange)
            body = await upstream.read()
            await _pass_whole(writer, head, body, exchange)
            return True
        finally:
            sender.close()

    def _hasten(self, call: Call) -> bytes | None:
        """Build the body of a call that changes visibility as it shall be; None leaves a call as it is."""
        if self._returns is None or not call.action.startswith("ChangeMessageVisibility"):
            return None
        return json.dumps(shorten_visibility(call.arguments, self._returns)).encode()

    async def _split(
        self, request: _Request, writer: asyncio.StreamWriter, exchange: Exchange, fault: FailedEntries
    ) -> None:
        """Let AWS do a part of a batch call, and add to its answer what failed."""
        kept, failed = split_entries(fault, exchange.call.arguments)
        answer: dict[str, Any] = {"Successful": []}
        if kept:
            call = replace(exchange.call, arguments={**exchange.call.arguments, "Entries": kept})
            body = self._hasten(call) or json.dumps(call.arguments).encode()
            upstream, sender = await asyncio.open_connection(*self._upstream, limit=MAX_HEAD)
            try:
                sender.write(request.build(body))
                head = await _read_head(upstream)
                text = await upstream.read()
            finally:
                sender.close()
            if head.status != HTTPStatus.OK:
                exchange.status = head.status
                await _pass_whole(writer, head, text, exchange)
                return
            answer = json.loads(text)
        answer["Failed"] = [*answer.get("Failed", ()), *failed]
        await _answer(writer, exchange, HTTPStatus.OK, "application/x-amz-json-1.0", json.dumps(answer).encode())


# --- HTTP ---


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Request | None:
    """Read a request; None when the client has no more."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ", 2)
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    by_name = {name.lower(): value for name, value in headers}
    if "transfer-encoding" in by_name:
        raise ConnectionError("requests in chunks are not for a proxy that keeps them whole")
    if by_name.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(by_name.get("content-length", 0)))
    return _Request(method, target, headers, body)


async def _read_head(upstream: asyncio.StreamReader) -> _Head:
    first, *lines = (await upstream.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    kept = [line for line in lines if line.partition(":")[0].lower() not in _HOP_HEADERS]
    by_name = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in kept)}
    status = first.split(" ", 2)
    length = None if "transfer-encoding" in by_name else by_name.get("content-length")
    top = f"HTTP/1.1 {' '.join(status[1:])}"
    return _Head(int(status[1]), (top, *kept), None if length is None else int(length))


async def _pass_body(
    upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, head: _Head, exchange: Exchange
) -> bool:
    """Pass the body of an object on as it comes, with its fault; tells whether the connection goes on."""
    fault, length = exchange.fault, head.length or 0
    exchange.answered_at = None if length else time.monotonic()
    writer.write(head.build())
    position = 0
    end = int(length * fault.keep) if isinstance(fault, Cut) else length
    bad = int(length * fault.at) if isinstance(fault, Corrupt) else -1
    size, pause = (fault.piece, fault.pause) if isinstance(fault, Trickle) else (PIECE, 0.0)
    while position < end:
        piece = bytearray(await upstream.read(min(size, end - position)))
        if not piece:
            return False
        if position <= bad < position + len(piece):
            piece[bad - position] ^= 0xFF
        if pause:
            await asyncio.sleep(pause)
        position += len(piece)
        if position == length:
            exchange.answered_at = time.monotonic()
        writer.write(piece)
        await writer.drain()
    return end == length


async def _pass_whole(writer: asyncio.StreamWriter, head: _Head, body: bytes, exchange: Exchange) -> None:
    """Pass an answer on in one piece; one that only ends with its connection gets a length."""
    is_framed = head.length is not None or any(line.lower().startswith("transfer-encoding:") for line in head.lines)
    lines = head.lines if is_framed else (*head.lines, f"Content-Length: {len(body)}")
    exchange.answer = b"" if exchange.call.service == "s3" else body
    exchange.answered_at = time.monotonic()
    writer.write(_Head(head.status, lines, head.length).build() + body)
    await writer.drain()


async def _refuse(writer: asyncio.StreamWriter, exchange: Exchange, fault: AwsFailure, method: str) -> None:
    kind, body = build_error(exchange.call.service, fault.status, fault.code, fault.message)
    if method == "HEAD":
        body = b""
    await _answer(writer, exchange, HTTPStatus(fault.status), kind, body, fault.headers)


async def _answer(
    writer: asyncio.StreamWriter,
    exchange: Exchange,
    status: HTTPStatus,
    kind: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
) -> None:
    fixed = {"Content-Type": kind, "Content-Length": str(len(body)), "x-amzn-RequestId": REQUEST_ID}
    lines = [f"{name}: {value}" for name, value in {**fixed, **(headers or {})}.items()]
    head = "\r\n".join([f"HTTP/1.1 {status.value} {status.phrase}", *lines, "", ""])
    exchange.status = status.value
    exchange.answer = body if exchange.call.service != "s3" else b""
    exchange.answered_at = time.monotonic()
    writer.write(head.encode("latin-1") + body)
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST instead of FIN: what was sent last may be lost as well."""
    stream: socket.socket | None = writer.get_extra_info("socket")
    if stream is not None:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
