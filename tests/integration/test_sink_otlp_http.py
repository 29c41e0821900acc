"""The otlpHttp sink against a server that reads with the official protobuf classes."""

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from cloudtrail_collector import __version__
from cloudtrail_collector.adapters.sinks.otlp_http import OtlpHttpSink
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.core.envelope import read_envelopes
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import SinkSpec
from integration.http_stand_in import Reply
from integration.otlp_server import PROTOBUF, Log, OtlpServer, explain, reject
from support.real_records import read_real_records
from support.secret_folder import SecretFolder

LINES = [f'{{"eventTime":"2026-11-20T10:00:{n:02}Z","eventID":"{n}", "n":1.0}}'.encode() for n in range(20)]
TEXTS = [line.decode() for line in LINES]
RECORD = (
    b'{"eventTime":"2026-11-20T10:00:00Z","eventID":"e-1","eventName":"StartInstances","eventSource":"ec2.amazonaws.com",'
    b'"awsRegion":"eu-west-1","recipientAccountId":"111122223333",'
    b'"userIdentity":{"arn":"arn:aws:iam::111122223333:user/Mary","principalId":"AIDAEXAMPLE"}}'
)


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    with OtlpServer() as running:
        yield running


def build_sink(server: OtlpServer, secrets: SecretFolder, timeout_seconds: int = 20, **otlp: Any) -> OtlpHttpSink:
    spec = {"name": "otel", "timeoutSeconds": timeout_seconds, "otlpHttp": {"url": server.url} | otlp}
    return OtlpHttpSink(SinkSpec.model_validate(spec), secrets.files)


def build_batch(lines: list[bytes] = LINES) -> Batch:
    return Batch(b"".join(line + b"\n" for line in lines), len(lines), read_envelopes(lines))


def fail(sink: OtlpHttpSink, lines: list[bytes] = LINES) -> SinkError:
    with closing(sink), pytest.raises(SinkError) as caught:
        sink.deliver(build_batch(lines))
    return caught.value


def test_an_event_becomes_a_log_record(server: OtlpServer, secrets: SecretFolder) -> None:
    more = [{"name": "service.name", "value": "org-trail"}, {"name": "team", "value": "blue"}]
    with closing(build_sink(server, secrets, resourceAttributes=more)) as sink:
        assert sink.deliver(build_batch([RECORD])) == []
    [log] = server.logs
    assert server.requests[0].headers["Content-Encoding"] == "gzip"
    assert log.resource == {
        "service.name": "org-trail",
        "team": "blue",
        "cloud.provider": "aws",
        "cloud.account.id": "111122223333",
        "cloud.region": "eu-west-1",
    }
    assert log.scope == f"cloudtrail-collector {__version__}"
    assert log.attributes == {
        "log.record.uid": "e-1",
        "aws.cloudtrail.event_id": "e-1",
        "rpc.service": "ec2.amazonaws.com",
        "rpc.method": "StartInstances",
        "aws.principal.arn": "arn:aws:iam::111122223333:user/Mary",
    }
    assert log.record.body.string_value == RECORD.decode()
    assert log.record.event_name == "StartInstances"
    assert log.record.time_unix_nano == 1_795_168_800_000_000_000
    assert log.record.observed_time_unix_nano > 0
    assert (log.record.severity_number, log.record.severity_text) == (9, "INFO")


@pytest.mark.parametrize(
    ("path", "target"), [("", "/v1/logs"), ("/", "/v1/logs"), ("/v1/logs?tenant=a", "/v1/logs?tenant=a")]
)
def test_the_usual_path_is_added_where_there_is_none(
    server: OtlpServer, secrets: SecretFolder, path: str, target: str
) -> None:
    token = secrets.write("otel", "token", b"secret")
    with closing(build_sink(server, secrets, url=server.url + path, auth={"bearer": token})) as sink:
        sink.deliver(build_batch())
    assert [one.target for one in server.requests] == [target]
    assert server.requests[0].headers["Authorization"] == "Bearer secret"
    assert server.read_bodies() == TEXTS


@pytest.mark.parametrize("status", [400, 422])
def test_events_at_fault_are_found(server: OtlpServer, secrets: SecretFolder, status: int) -> None:
    def judge(logs: list[Log]) -> Reply:
        is_bad = any(log.attributes["log.record.uid"] in {"2", "11"} for log in logs)
        return explain(status, "attribute too\nlong") if is_bad else Reply(200, b"", PROTOBUF)

    server.judge = judge
    with closing(build_sink(server, secrets)) as sink:
        rejections = sink.deliver(build_batch())
    assert [(one.index, one.code, one.message) for one in rejections] == [
        (2, str(status), "attribute too long"),
        (11, str(status), "attribute too long"),
    ]
    assert server.read_bodies() == [text for number, text in enumerate(TEXTS) if number not in {2, 11}]


def test_a_request_that_is_too_large_goes_in_parts(server: OtlpServer, secrets: SecretFolder) -> None:
    server.max_records = 6
    with closing(build_sink(server, secrets)) as sink:
        assert sink.deliver(build_batch()) == []
    assert server.read_bodies() == TEXTS


def test_a_single_event_that_is_rejected_is_known(server: OtlpServer, secrets: SecretFolder) -> None:
    server.judge = lambda _: reject(1, "too old")
    with closing(build_sink(server, secrets)) as sink:
        [rejection] = sink.deliver(build_batch(LINES[:1]))
    assert (rejection.index, rejection.code, rejection.message) == (0, "PartialSuccess", "too old")


def test_where_some_are_rejected_all_are_and_none_is_sent_again(server: OtlpServer, secrets: SecretFolder) -> None:
    """The protocol forbids to send again what may be accepted, and does not say what is not."""
    server.judge = lambda _: reject(2, "too old")
    with closing(build_sink(server, secrets)) as sink:
        rejections = sink.deliver(build_batch())
    assert [one.index for one in rejections] == list(range(20))
    assert {one.message for one in rejections} == {
        "2 of the 20 events of this batch are rejected, and the server does not say which: too old"
    }
    assert len(server.requests) == 1


def test_where_none_is_accepted_the_batch_goes_again_in_parts(server: OtlpServer, secrets: SecretFolder) -> None:
    def judge(logs: list[Log]) -> Reply:
        is_old = [log.attributes["log.record.uid"] == "1" for log in logs]
        return reject(len(logs), "too old") if any(is_old) else Reply(200, b"", PROTOBUF)

    server.judge = judge
    with closing(build_sink(server, secrets)) as sink:
        assert [(one.index, one.message) for one in sink.deliver(build_batch())] == [(1, "too old")]
    assert len(server.requests) > 1


def test_a_sink_that_rejects_every_event_makes_no_dead_letters(server: OtlpServer, secrets: SecretFolder) -> None:
    server.judge = lambda logs: reject(len(logs), "no such tenant")
    error = fail(build_sink(server, secrets))
    assert error.reason is Reason.SINK_REJECTED
    assert "rather the sink's settings" in error.message


def test_a_warning_rejects_nothing(server: OtlpServer, secrets: SecretFolder) -> None:
    server.judge = lambda _: reject(0, "this endpoint goes away in 2027")
    with closing(build_sink(server, secrets)) as sink:
        assert sink.deliver(build_batch()) == []


@pytest.mark.parametrize(
    ("body", "rejected"),
    [
        (b"{}", 0),
        (b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"late"},"more":1}', 20),
    ],
)
def test_an_answer_in_json_is_understood(server: OtlpServer, secrets: SecretFolder, body: bytes, rejected: int) -> None:
    server.judge = lambda _: Reply(200, body, {"Content-Type": "application/json"})
    with closing(build_sink(server, secrets)) as sink:
        assert len(sink.deliver(build_batch())) == rejected


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_an_answer_of_somebody_else_accepts_nothing(server: OtlpServer, secrets: SecretFolder, kind: str) -> None:
    server.judge = lambda _: Reply(200, b"<html>Welcome</html>", {"Content-Type": kind})
    assert "does not answer as an OTLP server does" in fail(build_sink(server, secrets)).message


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_says_when_to_come_again(server: OtlpServer, secrets: SecretFolder, status: int) -> None:
    reply = explain(status, "queue is full")
    server.faults = [Reply(status, reply.body, {"Retry-After": "3", **PROTOBUF})]
    error = fail(build_sink(server, secrets))
    assert (error.reason, error.code, error.retry_after) == (Reason.SINK_REJECTED, str(status), 3)
    assert error.message.endswith(": queue is full")


def test_a_wrong_url_is_told(server: OtlpServer, secrets: SecretFolder) -> None:
    error = fail(build_sink(server, secrets, url=f"{server.url}/logs"))
    assert "has nothing at this url (404 Not Found): 404 page not found" in error.message


def test_a_connection_that_breaks_is_a_failure_of_the_whole_batch(server: OtlpServer, secrets: SecretFolder) -> None:
    server.faults = [ConnectionResetError()]
    assert fail(build_sink(server, secrets)).reason is Reason.SINK_UNREACHABLE


def test_a_server_that_does_not_answer_is_a_timeout(
    server: OtlpServer, secrets: SecretFolder, request: pytest.FixtureRequest
) -> None:
    over = threading.Event()
    request.addfinalizer(over.set)

    def hang(_: list[Log]) -> Reply:
        over.wait(30)
        return Reply(503)

    server.judge = hang
    assert fail(build_sink(server, secrets, timeout_seconds=1)).code == ACK_TIMEOUT


@pytest.mark.third_party_data
def test_real_records_arrive_byte_for_byte(server: OtlpServer, secrets: SecretFolder) -> None:
    records = list(read_real_records())
    with closing(build_sink(server, secrets)) as sink:
        assert sink.deliver(build_batch(records)) == []
    assert sorted(server.read_bodies()) == sorted(record.decode() for record in records)
