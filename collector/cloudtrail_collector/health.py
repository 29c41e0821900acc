"""The HTTP side: /healthz, /readyz, /metrics, /status, /samples."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from cloudtrail_collector.status_board import MAX_SAMPLES, StatusBoard

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the answers come from. A probe returns why not; an empty list means yes."""

    board: StatusBoard
    registry: CollectorRegistry
    find_dead: Callable[[], list[str]]
    find_unready: Callable[[], list[str]]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    content_type: str
    body: bytes


class HttpServer:
    """Serves until `stop`; a thread for each request. Without a host it listens on all addresses of the pod."""

    def __init__(self, host: str, port: int, sources: Sources) -> None:
        everywhere = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104  (kubelet and operator are outside)
        self._server = _Server((host or everywhere, port), sources)
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Start to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to serve."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], sources: Sources) -> None:
        self.sources = sources
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the DNS for our own name, as the base class does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # "::" means IPv4, too
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no event."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        """Answer."""
        url = urlsplit(self.path)
        routes: dict[str, Callable[[], _Answer]] = {
            "/healthz": lambda: _answer_probe(self.server.sources.find_dead()),
            "/readyz": lambda: _answer_probe(self.server.sources.find_unready()),
            "/metrics": self._answer_metrics,
            "/status": self._answer_status,
            "/samples": lambda: self._answer_samples(url.query),
        }
        route = routes.get(url.path)
        answer = route() if route else _Answer(HTTPStatus.NOT_FOUND, TEXT, b"not found\n")
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Requests are not logged: probes would drown the rest."""

    def _answer_metrics(self) -> _Answer:
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        return _Answer(HTTPStatus.OK, content_type, encode(self.server.sources.registry))

    def _answer_status(self) -> _Answer:
        report = self.server.sources.board.build_report()
        return _Answer(HTTPStatus.OK, "application/json", report.model_dump_json(by_alias=True).encode() + b"\n")

    def _answer_samples(self, query: str) -> _Answer:
        text = parse_qs(query).get("limit", [str(MAX_SAMPLES)])[-1]
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            return _Answer(HTTPStatus.BAD_REQUEST, TEXT, b"limit must be a whole number\n")
        samples = self.server.sources.board.read_samples(int(text))
        return _Answer(HTTPStatus.OK, "application/x-ndjson", b"".join(line + b"\n" for line in samples))


def _answer_probe(faults: list[str]) -> _Answer:
    if faults:
        return _Answer(HTTPStatus.SERVICE_UNAVAILABLE, TEXT, "\n".join([*faults, ""]).encode())
    return _Answer(HTTPStatus.OK, TEXT, b"ok\n")
