"""The fault proxy does to a real HTTP exchange what its rules say, and nothing else."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from localcluster.aws.aws_calls import read_call
from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.faults import (
    AwsFailure,
    Corrupt,
    Cut,
    Delay,
    FailedEntries,
    LostAnswer,
    QuickReturns,
    Reset,
    Rule,
    RuleBook,
    Silence,
    Trickle,
    Where,
)

BODY = bytes(range(256)) * 1000
SQS_HEADERS = {"Content-Type": "application/x-amz-json-1.0"}


class Upstream(ThreadingHTTPServer):
    """Answers a GET with BODY, and a POST with what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.posts: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_GET(self) -> None:
        self.server.hosts.append(self.headers["Host"])
        self._send(BODY)

    def do_HEAD(self) -> None:
        self._send(BODY)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append(body)
        entries = json.loads(body).get("Entries", ())
        self._send(json.dumps({"Successful": [{"Id": entry["Id"]} for entry in entries]}).encode())

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        pass


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[FaultProxy]:
    with FaultProxy(f"http://127.0.0.1:{upstream.server_port}") as running:
        yield running


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=10)
    yield connection
    connection.close()


def get(client: http.client.HTTPConnection, path: str = "/bucket/a/key", method: str = "GET") -> tuple[int, bytes]:
    client.request(method, path)
    with client.getresponse() as answer:
        return answer.status, answer.read()


def call_sqs(client: http.client.HTTPConnection, action: str, **arguments: object) -> tuple[int, dict[str, object]]:
    headers = SQS_HEADERS | {"X-Amz-Target": f"AmazonSQS.{action}"}
    client.request("POST", "/", json.dumps(arguments), headers)
    with client.getresponse() as answer:
        return answer.status, json.loads(answer.read())


def test_without_rules_everything_passes_on_one_connection(
    proxy: FaultProxy, client: http.client.HTTPConnection, upstream: Upstream
) -> None:
    assert get(client) == (200, BODY)
    first = client.sock
    assert first is not None
    assert get(client, method="HEAD") == (200, b"")
    assert call_sqs(client, "ReceiveMessage", QueueUrl="q") == (200, {"Successful": []})
    assert client.sock is first
    assert upstream.hosts == [urlsplit(proxy.url).netloc]
    journal = proxy.read_journal()
    assert [exchange.call.action for exchange in journal] == ["GetObject", "HeadObject", "ReceiveMessage"]
    assert [exchange.status for exchange in journal] == [200, 200, 200]
    assert (journal[0].call.bucket, journal[0].call.key) == ("bucket", "a/key")
    assert journal[2].answer == b'{"Successful": []}'
    times = [time or 0.0 for exchange in journal for time in (exchange.asked_at, exchange.answered_at)]
    assert times == sorted(times)
    assert times[0] > 0


def test_an_error_comes_in_the_form_of_its_service(proxy: FaultProxy, client: http.client.HTTPConnection) -> None:
    failure = AwsFailure(403, "AccessDenied", "no <you>", {"x-amz-bucket-region": "eu-west-1"})
    proxy.put("deny", failure, Where())
    client.request("GET", "/bucket/key")
    with client.getresponse() as answer:
        assert (answer.status, answer.headers["x-amz-bucket-region"]) == (403, "eu-west-1")
        assert b"<Code>AccessDenied</Code><Message>no &lt;you&gt;</Message>" in answer.read()
    assert call_sqs(client, "DeleteMessage") == (
        403,
        {"__type": "com.amazonaws.sqs#AccessDenied", "message": "no <you>"},
    )
    client.request("POST", "/", "Action=AssumeRole&Version=2011-06-15", _FORM)
    with client.getresponse() as answer:
        assert b"<ErrorResponse" in answer.read()
    assert get(client, method="HEAD") == (403, b"")


_FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def test_a_cut_body_keeps_its_length(proxy: FaultProxy, client: http.client.HTTPConnection) -> None:
    proxy.put("cut", Cut(0.25), Where(action="GetObject"), times=1)
    client.request("GET", "/bucket/key")
    with client.getresponse() as answer:
        assert answer.headers["Content-Length"] == str(len(BODY))
        with pytest.raises(http.client.IncompleteRead) as error:
            answer.read()
    assert error.value.partial == BODY[: len(BODY) // 4]
    client.close()
    assert get(client) == (200, BODY)


def test_a_corrupt_body_differs_in_one_byte(proxy: FaultProxy, client: http.client.HTTPConnection) -> None:
    proxy.put("corrupt", Corrupt(0.5), Where(service="s3"))
    status, body = get(client)
    assert (status, len(body)) == (200, len(BODY))
    assert [index for index in range(len(BODY)) if body[index] != BODY[index]] == [len(BODY) // 2]


@pytest.mark.parametrize(("fault", "seen"), [(Reset(), 0), (LostAnswer(), 1)])
def test_a_reset_ends_the_connection_before_or_after_aws_acts(
    fault: Reset | LostAnswer,
    seen: int,
    proxy: FaultProxy,
    client: http.client.HTTPConnection,
    upstream: Upstream,
) -> None:
    proxy.put("reset", fault, Where(action="DeleteMessage"))
    with pytest.raises(ConnectionResetError):
        call_sqs(client, "DeleteMessage", ReceiptHandle="r")
    assert len(upstream.posts) == seen
    assert proxy.read_journal()[0].answered_at is None


def test_silence_lasts_as_long_as_the_client_waits(proxy: FaultProxy, client: http.client.HTTPConnection) -> None:
    proxy.put("silence", Silence(), Where())
    client.timeout = 0.3
    with pytest.raises(TimeoutError):
        get(client)
    client.close()
    proxy.rules.clear()
    client.timeout = 10
    assert get(client) == (200, BODY)


def test_slow_answers_come_whole(proxy: FaultProxy, client: http.client.HTTPConnection) -> None:
    proxy.put("trickle", Trickle(len(BODY) // 4, 0.05), Where(key="a/*"))
    proxy.put("delay", Delay(0.2), Where(key="b/*"))
    for path in ("/bucket/a/1", "/bucket/b/1"):
        since = time.monotonic()
        assert get(client, path) == (200, BODY)
        assert time.monotonic() - since >= 0.2


def test_a_part_of_a_batch_fails(proxy: FaultProxy, client: http.client.HTTPConnection, upstream: Upstream) -> None:
    proxy.put("partial", FailedEntries("InternalError", sender_fault=False, count=2), Where(action="*Batch"))
    entries = [{"Id": str(number)} for number in range(3)]
    status, answer = call_sqs(client, "DeleteMessageBatch", QueueUrl="q", Entries=entries)
    assert status == 200
    assert answer["Successful"] == [{"Id": "2"}]
    failed = answer["Failed"]
    assert isinstance(failed, list)
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in failed] == [
        ("0", "InternalError", False),
        ("1", "InternalError", False),
    ]
    assert [json.loads(body)["Entries"] for body in upstream.posts] == [[{"Id": "2"}]]
    assert call_sqs(client, "DeleteMessageBatch", Entries=entries[:1])[1]["Successful"] == []


def test_long_returns_are_shortened(upstream: Upstream) -> None:
    with FaultProxy(f"http://127.0.0.1:{upstream.server_port}", returns=QuickReturns(5, 1)) as proxy:
        proxy.put("partial", FailedEntries("InternalError", sender_fault=False), Where(action="*Batch"), times=1)
        client = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=10)
        entries = [{"Id": str(seconds), "VisibilityTimeout": seconds} for seconds in (900, 5, 30)]
        for _ in range(2):
            call_sqs(client, "ChangeMessageVisibilityBatch", Entries=entries)
        call_sqs(client, "ChangeMessageVisibility", VisibilityTimeout=6)
        call_sqs(client, "ReceiveMessage", VisibilityTimeout=6)
        client.close()
    first, second, single, receive = (json.loads(body) for body in upstream.posts)
    assert [entry["VisibilityTimeout"] for entry in first["Entries"]] == [5, 1]
    assert [entry["VisibilityTimeout"] for entry in second["Entries"]] == [1, 5, 1]
    assert (single["VisibilityTimeout"], receive["VisibilityTimeout"]) == (1, 6)


def test_a_client_that_hangs_up_and_the_end_of_the_proxy_leave_nothing_behind(upstream: Upstream) -> None:
    with FaultProxy(f"http://127.0.0.1:{upstream.server_port}") as proxy:
        proxy.put("silence", Silence(), Where())
        waiting = socket.create_connection(("127.0.0.1", urlsplit(proxy.url).port or 0))
        waiting.sendall(b"GET /b/k HTTP/1.1\r\nHost: x\r\n\r\n")
        gone = socket.create_connection(("127.0.0.1", urlsplit(proxy.url).port or 0))
        gone.sendall(b"GET /b/")
        gone.close()
        deadline = time.monotonic() + 10
        while proxy.count() == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    waiting.settimeout(10)
    assert waiting.recv(1) == b""
    waiting.close()


def test_rules_are_used_up_in_all_and_by_subject() -> None:
    book = RuleBook(seed=1)
    failure = AwsFailure(404, "NoSuchKey")
    book.put(Rule(name="each", where=Where(key_regex="^a"), fault=failure, each=1, times=3))
    one, two, three, other = (read_call("GET", f"/b/{key}", {}, b"") for key in ("a1", "a2", "a3", "b1"))
    assert [book.choose(call) for call in (one, one, two, other)] == [failure, None, failure, None]
    assert book.choose(three) == failure
    assert book.choose(read_call("GET", "/b/a4", {}, b"")) is None
    assert book.count_strikes() == {"each": 3}
    book.remove("each")
    assert book.choose(read_call("GET", "/b/a5", {}, b"")) is None


def test_the_first_rule_that_is_not_used_up_decides() -> None:
    book = RuleBook(seed=1)
    book.put(Rule(name="first", where=Where(), fault=Delay(1), times=1))
    book.put(Rule(name="second", where=Where(bucket="b"), fault=Delay(2)))
    call = read_call("GET", "/b/k", {}, b"")
    assert [book.choose(call), book.choose(call)] == [Delay(1), Delay(2)]


def test_chances_are_the_same_for_a_seed_whatever_the_order() -> None:
    def draw(seed: int, keys: list[str]) -> set[str]:
        book = RuleBook(seed)
        book.put(Rule(name="some", where=Where(), fault=Reset(), chance=0.3))
        return {key for key in keys if book.choose(read_call("GET", f"/b/{key}", {}, b"")) is not None}

    keys = [f"k{number}" for number in range(1000)]
    struck = draw(1, keys)
    assert 200 < len(struck) < 400
    assert draw(1, keys[::-1]) == struck
    assert draw(2, keys) != struck


@pytest.mark.parametrize(
    ("request_line", "headers", "body", "expected"),
    [
        ("GET /b/a%2Bb/%C3%A9", {}, b"", ("s3", "GetObject", "a+b/é")),
        ("PUT /b/k?x-id=PutObject", {}, b"", ("s3", "PutObject", "k")),
        ("GET /b?list-type=2", {}, b"", ("s3", "GET ?list-type=2", "")),
        ("PUT /b", {}, b"", ("s3", "PUT bucket", "")),
        ("POST /", {"x-amz-target": "AmazonSQS.ReceiveMessage"}, b"{}", ("sqs", "ReceiveMessage", "")),
        ("POST /", {"content-type": _FORM["Content-Type"]}, b"Action=AssumeRole&A=", ("sts", "AssumeRole", "")),
    ],
)
def test_calls_are_told_apart(
    request_line: str, headers: dict[str, str], body: bytes, expected: tuple[str, str, str]
) -> None:
    method, target = request_line.split(" ", 1)
    call = read_call(method, target, headers, body)
    assert (call.service, call.action, call.key) == expected
