"""Sinks over real sockets and pipes: what they accept, and that every delivery has an end."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cloudtrail_collector.adapters.http_connection import Post, Route
from cloudtrail_collector.adapters.http_pool import HttpPool
from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.adapters.sinks.http import HttpSink
from cloudtrail_collector.adapters.sinks.stdout import LineWriter, find_rest_of_line
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import SinkSpec

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BATCH = Batch(memoryview(b"one\ntwo\n"), 2)
Script = Callable[[socket.socket, int], None]


class Peer:
    """A server of which a script plays each connection, by its number; it counts the requests that it read."""

    def __init__(self, script: Script) -> None:
        self.connections = 0
        self.bodies: list[bytes] = []
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/ingest?token=1"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def read(self, connection: socket.socket) -> bytes:
        """Read one request; returns its head."""
        text = b""
        while b"\r\n\r\n" not in text:
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError
            text += piece
        head, _, body = text.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        self.bodies.append(body)
        return head

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._play, args=(connection, self.connections), daemon=True).start()

    def _play(self, connection: socket.socket, number: int) -> None:
        with connection:
            try:
                self._script(connection, number)
            except OSError:
                return


@contextmanager
def running(script: Callable[[Peer, socket.socket, int], None]) -> Iterator[Peer]:
    """Run a peer."""
    peer = Peer(lambda connection, number: script(peer, connection, number))
    try:
        yield peer
    finally:
        peer.close()


def _build_sink(peer: Peer, timeout_seconds: int = 20) -> HttpSink:
    spec = {"name": "siem", "http": {"url": peer.url}, "timeoutSeconds": timeout_seconds}
    return HttpSink(SinkSpec.model_validate(spec), SecretFiles(Path("/nonexistent")))


def _deliver(peer: Peer, timeout_seconds: int = 20) -> None:
    with closing(_build_sink(peer, timeout_seconds)) as sink:
        sink.deliver(BATCH)


def test_one_connection_serves_many_batches() -> None:
    heads = []

    def play(peer: Peer, connection: socket.socket, _: int) -> None:
        while True:
            heads.append(peer.read(connection))
            connection.sendall(OK)

    with running(play) as peer, closing(_build_sink(peer)) as sink:
        for _ in range(3):
            sink.deliver(BATCH)
        assert (peer.connections, peer.bodies) == (1, [b"one\ntwo\n"] * 3)
    assert heads[0].startswith(b"POST /ingest?token=1 HTTP/1.1\r\n")
    assert f"Host: {peer.url.split('/')[2]}".encode() in heads[0]


@pytest.mark.parametrize("parting", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
def test_a_connection_that_the_sink_closed_meanwhile_costs_nothing(parting: bytes) -> None:
    """Some proxies say so with an answer that nobody asked for."""
    closed = threading.Event()

    def play(peer: Peer, connection: socket.socket, _: int) -> None:
        peer.read(connection)
        connection.sendall(OK + parting)
        connection.shutdown(socket.SHUT_WR)
        closed.set()
        connection.recv(1)

    with running(play) as peer, closing(_build_sink(peer)) as sink:
        for number in (1, 2, 3):
            sink.deliver(BATCH)
            assert closed.wait(20)
            closed.clear()
            assert (peer.connections, len(peer.bodies)) == (number, number)


def test_a_used_connection_that_breaks_under_a_batch_is_replaced_once() -> None:
    def play(peer: Peer, connection: socket.socket, number: int) -> None:
        peer.read(connection)
        connection.sendall(OK)
        peer.read(connection)
        if number > 1:
            connection.sendall(OK)

    with running(play) as peer, closing(_build_sink(peer)) as sink:
        sink.deliver(BATCH)
        sink.deliver(BATCH)
        assert (peer.connections, len(peer.bodies)) == (2, 3)


def test_a_connection_that_is_in_use_when_its_pool_is_closed_is_closed_after_its_exchange() -> None:
    arrived, closing_down, ended = threading.Event(), threading.Event(), threading.Event()

    def play(peer: Peer, connection: socket.socket, _: int) -> None:
        peer.read(connection)
        arrived.set()
        closing_down.wait(20)
        connection.sendall(OK)
        if not connection.recv(1):
            ended.set()

    with running(play) as peer:
        sink = _build_sink(peer)
        thread = threading.Thread(target=sink.deliver, args=(BATCH,))
        thread.start()
        assert arrived.wait(20)
        sink.close()
        closing_down.set()
        thread.join(20)
        assert ended.wait(20)


def test_a_header_of_two_lines_is_not_sent() -> None:
    with running(lambda peer, connection, _: [peer.read(connection)].clear()) as peer:
        pool = HttpPool(Route(urlsplit(peer.url)))
        with closing(pool), pytest.raises(ValueError, match="line break"):
            pool.post(Post(b"x", {"X-Name": "a\r\nX-Other: b"}, time.monotonic() + 20))
        assert peer.bodies == []


def test_a_new_connection_that_breaks_is_a_failure() -> None:
    with running(lambda peer, connection, _: [peer.read(connection)].clear()) as peer:
        with pytest.raises(SinkError) as caught:
            _deliver(peer)
        assert (caught.value.reason, caught.value.code) == (Reason.SINK_UNREACHABLE, "RemoteDisconnected")
        assert len(peer.bodies) == 1


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"]
)
def test_t31_an_answer_that_trickles_has_the_same_deadline_as_none(answer: bytes) -> None:
    def play(peer: Peer, connection: socket.socket, _: int) -> None:
        peer.read(connection)
        connection.sendall(answer)
        while answer:
            connection.sendall(b"x")
            time.sleep(0.1)
        connection.recv(1)

    with running(play) as peer:
        started = time.monotonic()
        with pytest.raises(SinkError) as caught:
            _deliver(peer, timeout_seconds=1)
        assert 1 <= time.monotonic() - started < 15
        assert (caught.value.reason, caught.value.code) == (Reason.SINK_UNREACHABLE, ACK_TIMEOUT)
        assert "within 1 s" in caught.value.message


def test_t31_a_sink_that_reads_nothing_has_a_deadline() -> None:
    ended = threading.Event()
    with running(lambda *_: [ended.wait(20)].clear()) as peer:
        with pytest.raises(SinkError) as caught:
            _build_sink(peer, 1).deliver(Batch(b"x" * 50_000_000 + b"\n", 1))
        assert caught.value.code == ACK_TIMEOUT
        ended.set()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "503"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "302"),
        (b"HTTP/1.0 409 Conflict\r\n\r\nno", "409"),
    ],
)
def test_what_is_not_accepted_is_refused(answer: bytes, code: str) -> None:
    def play(peer: Peer, connection: socket.socket, _: int) -> None:
        peer.read(connection)
        connection.sendall(answer)

    with running(play) as peer, pytest.raises(SinkError) as caught:
        _deliver(peer)
    assert (caught.value.reason, caught.value.code) == (Reason.SINK_REJECTED, code)


def test_an_endless_answer_is_not_read() -> None:
    def play(peer: Peer, connection: socket.socket, _: int) -> None:
        peer.read(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    with running(play) as peer, closing(_build_sink(peer)) as sink:
        sink.deliver(BATCH)
        sink.deliver(BATCH)
        assert peer.connections == 2


def test_batches_of_many_threads_do_not_mix_in_a_pipe() -> None:
    reader, descriptor = os.pipe()
    writer = LineWriter(descriptor)
    batches = [(f"{number:03}" * 5000 + "\n").encode() * 3 for number in range(20)]
    threads = [threading.Thread(target=writer.write, args=(batch, 20)) for batch in batches]
    for thread in threads:
        thread.start()
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read(sum(map(len, batches)))
    for thread in threads:
        thread.join()
    size = len(batches[0])
    assert sorted(text[start : start + size] for start in range(0, len(text), size)) == batches
    os.close(descriptor)


def test_t31_a_reader_that_sleeps_holds_nobody_and_no_line_is_cut() -> None:
    reader, descriptor = os.pipe()
    writer = LineWriter(descriptor)
    begun, waiting, after = b"a" * 300_000 + b"\n", b"b" * 10 + b"\n", b"c" * 10 + b"\n"
    for batch in (begun, waiting):
        with pytest.raises(TimeoutError):
            writer.write(batch, 0.3)
    result: list[bytes] = []
    with os.fdopen(reader, "rb") as pipe:
        thread = threading.Thread(target=lambda: result.append(pipe.read(len(begun) + len(after))))
        thread.start()
        writer.write(after, 20)
        thread.join()
    # What was begun is ended, what was not is called off: its message comes again.
    assert result == [begun + after]
    os.close(descriptor)


def test_a_line_that_an_error_has_cut_is_ended_before_the_next() -> None:
    assert find_rest_of_line(b"one\ntwo\n", 0) == b""
    assert find_rest_of_line(b"one\ntwo\n", 4) == b""
    assert find_rest_of_line(memoryview(b"one\ntwo\n"), 5) == b"wo\n"
    assert find_rest_of_line(b"one\ntwo\n", 3) == b"\n"
    assert find_rest_of_line(b"one\ntwo\n", 8) == b""
