"""A server that plays S3 for GetObject and misbehaves as a test commands; it keeps what it was asked, byte for byte."""

import re
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import unquote

WRITTEN_AT = 1_795_168_800.0
_LAST_MODIFIED = "Fri, 20 Nov 2026 10:00:00 GMT"


@dataclass(frozen=True, slots=True)
class Request:
    """One request: the path as it came, the access key and region that it was signed with, and by what client."""

    method: str
    path: str
    key_id: str
    region: str
    agent: str


@dataclass(slots=True)
class Answer:
    """How an object is answered; `cut` bytes are missing at the end, `pause` seconds pass before each byte."""

    body: bytes = b""
    status: int = 200
    code: str = ""
    cut: int = 0
    pause: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


class S3StandIn:
    """Objects by bucket and key, as they are decoded from the path."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.regions: dict[str, str] = {}
        self.requests: list[Request] = []
        # The answers to the next requests, whatever they ask for.
        self.next: list[Answer] = []
        # Changes every answer.
        self.change: Callable[[Request, Answer], Answer] = lambda _, answer: answer
        self._server = _Server(self)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: Request) -> Answer:
        """Decide what a request gets."""
        self.requests.append(request)
        if self.next:
            return self.next.pop(0)
        _, bucket, key = request.path.split("/", 2)
        home = self.regions.get(bucket, request.region)
        if home != request.region:
            return Answer(status=301, code="PermanentRedirect", headers={"x-amz-bucket-region": home})
        body = self.objects.get((bucket, unquote(key)))
        answer = Answer(status=404, code="NoSuchKey") if body is None else Answer(body)
        return self.change(request, answer)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, stand_in: S3StandIn) -> None:
        self.stand_in = stand_in
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._send(self.server.stand_in.answer(self._read_request()))

    def do_HEAD(self) -> None:
        self._send(self.server.stand_in.answer(self._read_request()))

    def _read_request(self) -> Request:
        scope = re.search("Credential=([^/]+)/[0-9]+/([^/]+)/s3/", self.headers["Authorization"])
        assert scope is not None
        return Request(self.command, self.path, scope[1], scope[2], self.headers["User-Agent"])

    def _send(self, answer: Answer) -> None:
        body = answer.body
        if answer.code:
            body = f"<Error><Code>{answer.code}</Code><Message>as told</Message></Error>".encode()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Encoding", "gzip")  # what CloudTrail writes on its objects
        self.send_header("Last-Modified", _LAST_MODIFIED)
        self.send_header("ETag", '"1"')
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = bool(answer.cut or answer.pause)
        if self.command == "GET":
            self._write(body[: len(body) - answer.cut], answer.pause)

    def _write(self, body: bytes, pause: float) -> None:
        if not pause:
            self.wfile.write(body)
            return
        with suppress(OSError):  # the reader has had enough, as it should
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(pause)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        pass
