"""Collectors over HTTP: `GET /status` becomes a CollectorReport.

Thousands of collectors are asked every few seconds, each on a connection of its own since pods come and go. A request by
hand costs less than half of what an HTTP client's takes, and is most of what an operator at rest does.
"""

import asyncio
import socket
from urllib.parse import urlsplit

from pydantic import ValidationError

from cloudtrail_operator import telemetry
from cloudtrail_spec.report import CollectorReport

TIMEOUT_SECONDS = 3.0
SIZE_LIMIT = 1024 * 1024  # a report has a few kilobytes; whatever listens there must not fill our memory
PIECE = 64 * 1024


class HttpReports:
    """Asks collectors for their reports."""

    async def fetch(self, address: str) -> CollectorReport | None:
        """Ask the collector at a base URL; None when there is no sensible answer in time."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await _get(address, "/status")
            report = CollectorReport.model_validate_json(read_body(answer))
        except (TimeoutError, OSError, ValueError, ValidationError) as error:
            telemetry.polled(address, f"{type(error).__name__}: {error}")
            return None
        telemetry.polled(address, None)
        return report


async def _get(address: str, path: str) -> bytes:
    """Send a GET and read until the server closes the connection, as it is asked to."""
    url = urlsplit(address)
    host, port = str(url.hostname), url.port or 80
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as connection:
        connection.setblocking(False)
        await loop.sock_connect(connection, (host, port))
        request = f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        answer = b""
        while piece := await loop.sock_recv(connection, PIECE):
            answer += piece
            if len(answer) > SIZE_LIMIT:
                raise ValueError(f"more than {SIZE_LIMIT} bytes")
        return answer


def read_body(answer: bytes) -> bytes:
    """Take the body out of a whole HTTP answer. Raises ValueError for one that is cut off, or tells of no success."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    if not separator or not status.startswith("HTTP/1.") or status.split(" ")[1:2] != ["200"]:
        raise ValueError(f"no success: {status[:100]}")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _join_chunks(body)  # a proxy between may send it like this
    if len(body) != int(headers.get("content-length", len(body))):
        raise ValueError("the answer is cut off")
    return body


def _join_chunks(body: bytes) -> bytes:
    joined = b""
    while True:
        size, separator, rest = body.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if length == 0:
            return joined
        if not separator or len(rest) < length + 2:
            raise ValueError("the answer is cut off")
        joined += rest[:length]
        body = rest[length + 2 :]
