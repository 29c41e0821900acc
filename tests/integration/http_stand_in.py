"""An HTTP server, with TLS where wanted, that keeps what it was sent and answers as a test decides; also a proxy."""

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from localcluster.certificates import Authority


@dataclass(frozen=True, slots=True)
class Received:
    """A request; `body` is uncompressed, `sent_bytes` what it was on the wire."""

    target: str
    headers: Message
    body: bytes
    sent_bytes: int

    @property
    def lines(self) -> list[bytes]:
        """The lines of NDJSON."""
        assert self.body.endswith(b"\n")
        return self.body.split(b"\n")[:-1]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Decide = Callable[[Received], Reply]


class HttpStandIn:
    """Answers POSTs by `decide`; as a proxy it opens tunnels (`tunnels` has whereto), and answers whole URLs itself."""

    def __init__(self, decide: Decide = lambda _: Reply(), *, tls: ssl.SSLContext | None = None) -> None:
        self.decide = decide
        self.requests: list[Received] = []
        self.tunnels: list[tuple[str, Message]] = []
        self.connections = 0
        self._server = _Server(self, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.port = self._server.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def accepted(self) -> list[bytes]:
        """The lines of the requests that `decide` answers with 200; it must be a function of the request alone."""
        return [line for one in list(self.requests) if self.decide(one).status == 200 for line in one.lines]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, stand_in: HttpStandIn, tls: ssl.SSLContext | None) -> None:
        super().__init__(("0.0.0.0", 0), _build_handler(stand_in))
        self._stand_in = stand_in
        self._tls = tls

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._stand_in.connections += 1
        if self._tls is not None:
            # The handshake is made by the thread that reads.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """What a client breaks off is for the client's test to see."""


def _build_handler(stand_in: HttpStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # an answer in one piece: in two, the second waits for the client's acknowledgement

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(sent) if self.headers["Content-Encoding"] == "gzip" else sent
            received = Received(self.path, self.headers, body, len(sent))
            stand_in.requests.append(received)
            reply = stand_in.decide(received)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def do_CONNECT(self) -> None:
            stand_in.tunnels.append((self.path, self.headers))
            host, _, port = self.path.partition(":")
            with socket.create_connection((host, int(port))) as far:
                self.send_response(200)
                self.end_headers()
                self.wfile.flush()
                back = threading.Thread(target=_pump, args=(far, self.connection), daemon=True)
                back.start()
                _pump(self.connection, far)
                back.join()
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
            pass

    return Handler


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def build_server_tls(authority: Authority, *, name: str = "server", clients: Authority | None = None) -> ssl.SSLContext:
    """Build the server's side of TLS; it asks for certificates of the authority `clients`."""
    pair = authority.issue(name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.certificate)
    return context
