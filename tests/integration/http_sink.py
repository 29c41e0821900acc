"""A server that plays an HTTP sink and answers as the test commands."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """A body that was accepted, and when, by the monotonic clock."""

    body: bytes
    at: float


def to_sink(sink: "HttpSinkServer", name: str = "siem", **options: Any) -> dict[str, Any]:
    """Build the spec of a sink that POSTs to the server."""
    return {"name": name, "http": {"url": sink.url}, **options}


class HttpSinkServer:
    """Keeps what it accepted; `status` is the next answers, and while `gate` is closed nobody is answered.

    `decide` takes the place of `status` where the answer depends on the body; it may wait, and NO_ANSWER hangs up.
    """

    def __init__(self) -> None:
        self.status = 200
        self.decide: Callable[[bytes], int] = lambda _: self.status
        self.gate = threading.Event()
        self.gate.set()
        # For the use of `decide`.
        self.hold = threading.Event()
        self.arrived = threading.Event()
        self.journal: list[Accepted] = []
        self.refused = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._build_handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/ingest"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def keep(self, body: bytes) -> None:
        """Note that a body is about to be accepted."""
        self.journal.append(Accepted(body, time.monotonic()))

    @property
    def accepted(self) -> list[bytes]:
        """The accepted bodies."""
        return [entry.body for entry in list(self.journal)]

    def read_lines(self) -> list[bytes]:
        """Read the accepted lines."""
        return [line for body in self.accepted for line in body.split(b"\n")[:-1]]

    def count_events(self) -> Counter[str]:
        """Count the accepted records by eventID."""
        return Counter(json.loads(line)["eventID"] for line in self.read_lines())

    def has_exactly(self, events: Counter[str]) -> bool:
        """Say whether these eventIDs were accepted, each as often as this."""
        return self.count_events() == events

    def read_dead_letters(self) -> list[dict[str, Any]]:
        """Read what a dead-letter sink got: the `deadLetter` of each line, with `record` where there is one."""
        lines = [json.loads(line) for line in self.read_lines()]
        return [line["deadLetter"] | {name: line[name] for name in line if name != "deadLetter"} for line in lines]

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.arrived.set()
                sink.gate.wait(60)
                status = sink.decide(body)
                if status == 200:
                    sink.keep(body)
                else:
                    sink.refused += 1
                if status == NO_ANSWER:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
                pass

        return Handler
