"""The queue as the collector's own client of SQS sees it: at moto, and at servers that answer as the test commands."""

import json
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cloudtrail_collector.adapters.aws import AwsClients
from cloudtrail_collector.adapters.sqs import SqsQueue
from cloudtrail_collector.adapters.sqs_caller import SqsCaller
from cloudtrail_collector.errors import AwsError, ReceiptLostError
from cloudtrail_collector.ports import VisibilityChange
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import PipelineSpec
from integration.queues import announce, count_messages
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage
from localcluster.certificates import Authority

ARN = "arn:aws:sqs:us-east-1:111122223333:trail"
_callers: list[SqsCaller] = []


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Keys, and nothing else that steers a client."""
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    yield monkeypatch
    while _callers:
        _callers.pop().close()


class Timed:
    """Keeps the operations whose duration was observed."""

    def __init__(self) -> None:
        self.operations: list[str] = []

    def __call__(self, operation: str, seconds: float) -> None:
        assert seconds >= 0
        self.operations.append(operation)


def connect(endpoint: str, arn: str = ARN, observe: Callable[[str, float], None] | None = None) -> SqsQueue:
    """Build a queue."""
    base = {"mode": "Active", "bucket": "trail", "queueArn": arn, "region": "us-east-1", "endpointUrl": endpoint}
    spec = PipelineSpec.model_validate(base | {"sinks": [{"name": "out", "discard": {}}]})
    _callers.append(SqsCaller(AwsClients(spec, connections=2), observe or Timed()))
    return SqsQueue(_callers[-1], spec)


class StandIn(ThreadingHTTPServer):
    """Answers a POST with the next of `answers` (status, headers, body); as a proxy, it lets tunnels through."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://localhost:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no event."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)
        self.server.headers.append(dict(self.headers.items()))
        status, headers, body = self.server.answers.pop(0) if self.server.answers else (200, {}, b"{}")
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.server.paths.append(self.path)
        self.server.headers.append(dict(self.headers.items()))
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_relay, args=(far, self.connection), daemon=True)
            back.start()
            _relay(self.connection, far)
            back.join()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        pass


def _relay(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[StandIn]:
    """Run a stand-in."""
    with StandIn(tls) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _refuse(code: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    document = {"__type": f"com.amazonaws.sqs#{code}", "message": "as told"}
    return 400, headers, json.dumps(document).encode()


def test_messages_are_received_extended_returned_and_deleted(aws: AwsEndpoint, storage: TrailStorage) -> None:
    timed = Timed()
    queue = connect(aws.url, storage.queue_arn, timed)
    for number in range(3):
        announce(aws, storage, f"message {number} é")
    messages = queue.receive(10, 1)
    assert {message.body for message in messages} == {f"message {number} é" for number in range(3)}
    assert [message.receive_count for message in messages] == [1, 1, 1]
    first, second, third = (message.receipt_handle for message in messages)
    assert queue.change_visibility([VisibilityChange(first, 60), VisibilityChange(second, 0)]) == {}
    assert queue.delete([first, third]) == {}
    assert count_messages(aws, storage.queue_url) == (1, 0)
    assert queue.receive(10, 0)[0].receive_count == 2
    operations = ["ReceiveMessage", "ChangeMessageVisibilityBatch", "DeleteMessageBatch", "ReceiveMessage"]
    assert timed.operations == operations


def test_figures_hold_the_depth_of_the_dead_letter_queue_where_it_may_be_asked(
    aws: AwsEndpoint, storage: TrailStorage
) -> None:
    figures = connect(aws.url, storage.queue_arn).read_figures()
    assert (figures.dead_letter_visible, figures.visibility_timeout_seconds) == (0, 30)
    assert figures.dead_letter_queue_arn is not None
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=figures.dead_letter_queue_arn.rpartition(":")[2])["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="failed too often")
    assert connect(aws.url, storage.queue_arn).read_figures().dead_letter_visible == 1
    sqs.delete_queue(QueueUrl=url)
    timed = Timed()
    queue = connect(aws.url, storage.queue_arn, timed)
    for _ in range(3):
        assert queue.read_figures().dead_letter_visible is None
    assert len(timed.operations) == 4  # who was refused does not ask again at once


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        (_refuse("OverLimit"), "OverLimit", Reason.THROTTLED),
        (
            _refuse("QueueDoesNotExist", **{"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"}),
            "AWS.SimpleQueueService.NonExistentQueue",
            Reason.QUEUE_NOT_FOUND,
        ),
        ((403, {}, b"<html>nginx</html>"), "403", Reason.ACCESS_DENIED),
        ((200, {}, b"<html>welcome to this hotel</html>"), "200", Reason.AWS_ERROR),
        ((413, {}, b"[]"), "413", Reason.AWS_ERROR),
    ],
)
def test_errors_have_the_code_that_boto3_gives(
    answer: tuple[int, dict[str, str], bytes], code: str, reason: Reason
) -> None:
    with serving() as server:
        server.answers = [answer]
        with pytest.raises(AwsError) as caught:
            connect(server.url).receive(10, 0)
        assert (caught.value.code, caught.value.reason) == (code, reason)
        assert (caught.value.action, caught.value.resource) == ("sqs:ReceiveMessage", ARN)
        assert len(server.paths) == 1


@pytest.mark.parametrize("failure", [(503, {}, b""), (0, {}, b"")])
def test_what_breaks_once_is_tried_again_at_once(failure: tuple[int, dict[str, str], bytes]) -> None:
    with serving() as server:
        queue = connect(server.url)
        server.answers = [failure]
        assert queue.receive(10, 0) == []
        server.answers = [failure] * 3
        with pytest.raises(AwsError) as caught:
            queue.receive(10, 0)
        assert caught.value.code in {"503", "ConnectionClosedError"}


def test_a_batch_says_of_each_message_what_became_of_it() -> None:
    failed: list[dict[str, str | bool]] = [
        {"Id": "1", "Code": "ReceiptHandleIsInvalid", "SenderFault": True, "Message": "expired"},
        {"Id": "2", "Code": "InternalError", "SenderFault": False},
    ]
    answer: tuple[int, dict[str, str], bytes] = (
        200,
        {},
        json.dumps({"Successful": [{"Id": "0"}], "Failed": failed}).encode(),
    )
    with serving() as server:
        server.answers = [answer, answer, _refuse("ReceiptHandleIsInvalid")]
        queue = connect(server.url)
        for refused in (
            queue.delete(["a", "b", "c"]),
            queue.change_visibility([VisibilityChange(receipt, 30) for receipt in "abc"]),
        ):
            assert refused.keys() == {"b", "c"}
            assert isinstance(refused["b"], ReceiptLostError)
            assert not isinstance(refused["c"], ReceiptLostError)
            assert refused["c"].code == "InternalError"
        lost = queue.delete(["a", "b"])
        assert [type(failure) for failure in lost.values()] == [ReceiptLostError, ReceiptLostError]


def test_nobody_at_the_endpoint_is_told_apart() -> None:
    with pytest.raises(AwsError) as caught:
        connect("http://127.0.0.1:9").receive(10, 0)
    assert (caught.value.code, caught.value.reason) == ("EndpointConnectionError", Reason.ENDPOINT_UNREACHABLE)


def test_a_plain_proxy_gets_whole_urls_and_its_password(environment: pytest.MonkeyPatch) -> None:
    with serving() as proxy:
        environment.setenv("HTTP_PROXY", proxy.url.replace("//", "//user:p%40ss@"))
        assert connect("http://sqs.example.com:8080").receive(10, 0) == []
        assert proxy.paths == ["http://sqs.example.com:8080/"]
        assert proxy.headers[0]["Host"] == "sqs.example.com:8080"
        assert proxy.headers[0]["Proxy-Authorization"] == "Basic dXNlcjpwQHNz"
        environment.setenv("NO_PROXY", "localhost")
        assert connect(proxy.url).receive(10, 0) == []
        assert proxy.paths[1:] == ["/"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def tls_server(authority: Authority) -> AbstractContextManager[StandIn]:
    pair = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return serving(context)


def test_tls_is_spoken_through_a_tunnel_with_a_bundle_of_one_s_own(
    tls_server: AbstractContextManager[StandIn], authority: Authority, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with tls_server as server, serving() as proxy:
        environment.setenv("AWS_CA_BUNDLE", str(shutil.copy(authority.certificate, tmp_path)))
        environment.setenv("HTTPS_PROXY", proxy.url)
        queue = connect(server.url)
        assert queue.receive(10, 0) == []
        assert queue.receive(10, 0) == []
        assert proxy.paths == [server.url.removeprefix("https://")]
        assert server.paths == ["/", "/"]
        assert "Proxy-Authorization" not in server.headers[0]


def test_a_bundle_that_is_not_there_is_an_error_of_the_request(
    tls_server: AbstractContextManager[StandIn], environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with tls_server as server:
        environment.setenv("AWS_CA_BUNDLE", str(tmp_path / "absent"))
        with pytest.raises(AwsError) as caught:
            connect(server.url).receive(10, 0)
        assert (caught.value.code, caught.value.reason) == ("SSLError", Reason.ENDPOINT_UNREACHABLE)


def test_a_certificate_of_an_unknown_authority_is_refused(tls_server: AbstractContextManager[StandIn]) -> None:
    with tls_server as server:
        with pytest.raises(AwsError) as caught:
            connect(server.url).receive(10, 0)
        assert (caught.value.code, caught.value.reason) == ("SSLError", Reason.ENDPOINT_UNREACHABLE)
        assert server.paths == []
