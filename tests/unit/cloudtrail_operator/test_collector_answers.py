"""What collectors answer over HTTP: bodies as servers and proxies send them, and what is no answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cloudtrail_operator.adapters.collectors import SIZE_LIMIT, HttpReports, read_body
from support.pods import build_report

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK + b"Content-Length: 2\r\n\r\n{}", b"{}"),
        (OK + b"\r\n{}", b"{}"),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", b"{}"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n", b"{}"),
    ],
)
def test_body_is_found(answer: bytes, body: bytes) -> None:
    assert read_body(answer) == body


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 503 Service Unavailable\r\n\r\n{}",
        b"HTTP/1.1 2000 ?\r\n\r\n{}",
        b"SSH-2.0-x\r\n\r\n",
        OK,
        OK + b"Content-Length: 3\r\n\r\n{}",
        OK + b"Content-Length: many\r\n\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
)
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"success|cut off|invalid literal"):
        read_body(answer)


@asynccontextmanager
async def _serving(answer: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _fetch(answer: bytes) -> object:
    async def fetch() -> object:
        async with _serving(answer) as address:
            return await HttpReports().fetch(address)

    return asyncio.run(fetch())


def test_report_is_read() -> None:
    report = str(build_report("abc")).replace("'", '"').encode()
    fetched = _fetch(OK + b"\r\n" + report)
    assert getattr(fetched, "config_hash", None) == "abc"


@pytest.mark.parametrize(
    "answer", [OK + b"\r\n{}", b"", OK + b"\r\n" + b"x" * (SIZE_LIMIT + 1)], ids=["short", "none", "long"]
)
def test_no_sensible_answer_is_none(answer: bytes) -> None:
    assert _fetch(answer) is None


def test_nobody_there_is_none() -> None:
    async def fetch() -> object:
        async with _serving(b"") as address:
            gone = address
        return await HttpReports().fetch(gone)

    assert asyncio.run(fetch()) is None
