"""Stands in for any number of collectors: one server that tells them apart by the address that was connected to."""

import asyncio
import json
import resource
from datetime import UTC, datetime

from support.pods import build_report

PORT = 8080
FIRST_BLOCK = 128  # 127.128.0.0 and on: tests on the same machine use other blocks of 127.0.0.0/8
PER_BLOCK = 65_536


def build_address(number: int) -> str:
    """Give the pod of a number a loopback address of its own."""
    block, rest = divmod(number, PER_BLOCK)
    return f"127.{FIRST_BLOCK + block}.{rest // 256}.{rest % 256}"


class Collectors:
    """Answers GET /status for every pod that it was told of. Every report has a fresh `lastReceiveAt`."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        """The addresses that were asked since somebody emptied this."""
        self.busy = False
        """Whether figures grow from answer to answer, as they do while events flow."""
        self._reports: dict[str, tuple[str, str]] = {}
        self._servers: list[asyncio.Server] = []
        self._read = 0
        _raise_file_limit()

    async def serve(self, address: str, config_hash: str) -> None:
        """Answer for one more pod from now on, or for a pod that has another configuration now."""
        is_new = address not in self._reports
        report = build_report(config_hash, lastReceiveAt="<now>", events={"read": 0, "emitted": 0})
        self._reports[address] = config_hash, json.dumps(report)
        if is_new:
            loop = asyncio.get_running_loop()
            self._servers.append(await loop.create_server(lambda: _Connection(self), address, PORT))

    def answer(self, address: str) -> bytes:
        """Build the report of the pod at an address."""
        self.asked.add(address)
        body = self._reports[address][1].replace("<now>", datetime.now(UTC).isoformat())
        if self.busy:
            self._read += 1
            body = body.replace('"read": 0', f'"read": {self._read}')
        return body.encode()

    def close(self) -> None:
        """Stop to answer."""
        for server in self._servers:
            server.close()


class _Connection(asyncio.Protocol):
    """One connection. Requests are complete in one piece: they are short and have no body."""

    def __init__(self, collectors: Collectors) -> None:
        self._collectors = collectors

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        body = self._collectors.answer(self._transport.get_extra_info("sockname")[0])
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)
        if b"connection: close" in data.lower():
            self._transport.close()


def _raise_file_limit() -> None:
    """Allow as many open files as the machine does: each pod takes one for listening."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
