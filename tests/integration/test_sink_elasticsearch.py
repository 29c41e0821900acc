"""The elasticsearch sink against a server that answers bulk requests item by item, and with faults to order."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudtrail_collector.adapters.sinks.elasticsearch import ElasticsearchSink
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.core.envelope import Envelope, read_envelopes
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import SinkSpec
from integration.collector_process import Collector, wait_until
from integration.elasticsearch_server import ElasticsearchServer
from integration.http_sink import HttpSinkServer, to_sink
from integration.http_stand_in import Reply
from integration.queues import is_empty, put
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import generate_log_files
from support.secret_folder import SecretFolder, refer_to


def build_record(number: int, **changes: Any) -> bytes:
    record = {"eventID": f"id-{number}", "eventTime": "2026-01-31T23:59:59Z", "eventName": "ListBuckets"} | changes
    return json.dumps({name: value for name, value in record.items() if value is not None}).encode()


RECORDS = [build_record(number) for number in range(20)]


@pytest.fixture
def server() -> Iterator[ElasticsearchServer]:
    with ElasticsearchServer() as running:
        yield running


@pytest.fixture
def build(server: ElasticsearchServer, secrets: SecretFolder) -> Any:
    def build_sink(timeout_seconds: int = 20, path: str = "", **changes: Any) -> ElasticsearchSink:
        kind = {"url": server.url + path, "index": "cloudtrail"} | changes
        spec = {"name": "search", "timeoutSeconds": timeout_seconds, "elasticsearch": kind}
        return ElasticsearchSink(SinkSpec.model_validate(spec), secrets.files)

    return build_sink


def build_batch(records: list[bytes]) -> Batch:
    return Batch(b"".join(record + b"\n" for record in records), len(records), read_envelopes(records))


def fail(sink: ElasticsearchSink, records: list[bytes] = RECORDS) -> SinkError:
    with closing(sink), pytest.raises(SinkError) as caught:
        sink.deliver(build_batch(records))
    return caught.value


# --- what arrives ---


@pytest.mark.parametrize("compression", ["Gzip", "None"])
def test_documents_have_the_event_id_and_repeats_change_nothing(
    compression: str, build: Any, server: ElasticsearchServer
) -> None:
    with closing(build(compression=compression, path="/es/")) as sink:
        assert not sink.deliver(build_batch(RECORDS))
        changed = [build_record(number, eventName="Other") for number in range(15, 25)]
        assert not sink.deliver(build_batch(changed))
    documents = server.read_documents("cloudtrail")
    assert sorted(documents) == sorted(f"id-{number}" for number in range(25))
    assert [documents[f"id-{number}"]["eventName"] for number in (0, 19, 20)] == ["ListBuckets", "ListBuckets", "Other"]
    assert [json.loads(record) for record in RECORDS] == [documents[f"id-{number}"] for number in range(20)]
    request = server.requests[0]
    assert request.target.startswith("/es/_bulk?")
    assert request.headers["Content-Type"] == "application/x-ndjson"
    assert (request.sent_bytes < len(request.body)) == (compression == "Gzip")
    assert server.connections == 1


def test_index_writes_again_what_is_there(build: Any, server: ElasticsearchServer) -> None:
    with closing(build(operation="Index")) as sink:
        sink.deliver(build_batch(RECORDS))
        sink.deliver(build_batch([build_record(3, eventName="Other")]))
    documents = server.read_documents("cloudtrail")
    assert len(documents) == 20
    assert documents["id-3"]["eventName"] == "Other"


def test_the_index_is_named_by_the_time_of_the_event_in_utc(build: Any, server: ElasticsearchServer) -> None:
    times = ["2026-01-31T23:59:59Z", "2026-02-01T01:30:00+02:00", "2025-12-31T23:00:00-02:00"]
    with closing(build(index="ct-{year}-{month}-{date}")) as sink:
        sink.deliver(build_batch([build_record(number, eventTime=text) for number, text in enumerate(times)]))
    assert {name: sorted(found) for name, found in server.indices.documents.items()} == {
        "ct-2026-2026.01-2026.01.31": ["id-0", "id-1"],
        "ct-2026-2026.01-2026.01.01": ["id-2"],
    }


@pytest.mark.parametrize("changes", [{"eventTime": None}, {"eventTime": "2026-02-30T00:00:00Z"}, {"eventTime": "soon"}])
def test_an_event_without_a_time_goes_to_the_index_of_today(
    changes: dict[str, Any], build: Any, server: ElasticsearchServer
) -> None:
    before = datetime.now(UTC)
    envelope = Envelope(event_id="a", event_time=changes["eventTime"])
    with closing(build(index="ct-{date}")) as sink:
        assert not sink.deliver(Batch(b'{"eventID":"a"}\n', 1, [envelope]))
    (name,) = server.indices.documents
    assert name in {f"ct-{moment:%Y.%m.%d}" for moment in (before, datetime.now(UTC))}


def test_events_without_an_id_get_one_and_long_ids_keep_repeats_from_counting(
    build: Any, server: ElasticsearchServer
) -> None:
    records = [build_record(0, eventID=None), build_record(0, eventID=""), build_record(0, eventID="ü" * 400)]
    strange = build_record(0, eventID='a"\\\n')
    with closing(build()) as sink:
        assert not sink.deliver(build_batch([*records, strange]))
        assert not sink.deliver(build_batch([*records[2:], strange]))
    documents = server.read_documents("cloudtrail")
    assert len(documents) == 4
    assert 'a"\\\n' in documents


@pytest.mark.parametrize("kind", ["apiKey", "basic"])
def test_credentials_come_from_secrets(
    kind: str, build: Any, server: ElasticsearchServer, secrets: SecretFolder
) -> None:
    secret = secrets.write("es", "secret", b"s3cret\n")
    auth: dict[str, Any] = {"apiKey": secret}
    server.indices.authorization = "ApiKey s3cret"
    if kind == "basic":
        auth = {"basic": {"username": "ann", "password": secret}}
        server.indices.authorization = "Basic " + base64.b64encode(b"ann:s3cret").decode()
    with closing(build(auth=auth)) as sink:
        assert not sink.deliver(build_batch(RECORDS))
    secrets.write("es", "secret", b"wrong")
    failure = fail(build(auth=auth))
    assert (failure.reason, failure.code) == (Reason.SINK_REJECTED, "401")
    assert "refuses the credentials (401 Unauthorized): security_exception: unable to authenticate" in failure.message


def test_an_ingest_pipeline_is_named_in_the_request(build: Any, server: ElasticsearchServer) -> None:
    server.indices.pipelines = ("geo+ip",)
    with closing(build(pipeline="geo+ip")) as sink:
        assert not sink.deliver(build_batch(RECORDS))
    assert "pipeline with id [other] does not exist" in fail(build(pipeline="other"), RECORDS[:1]).message


# --- what is refused ---


def test_documents_that_do_not_fit_the_mapping_are_rejected_and_the_others_indexed(
    build: Any, server: ElasticsearchServer
) -> None:
    server.indices.strict_fields = frozenset({"eventID", "eventTime", "eventName"})
    records = [*RECORDS, build_record(20, surprise=1), b"not json", build_record(22, eventTime="soon")]
    with closing(build()) as sink:
        rejections = sink.deliver(build_batch(records))
        assert not sink.deliver(build_batch(RECORDS))
    assert [(one.index, one.code) for one in rejections] == [
        (20, "strict_dynamic_mapping_exception"),
        (21, "document_parsing_exception"),
        (22, "document_parsing_exception"),
    ]
    assert "dynamic introduction of [surprise]" in rejections[0].message
    assert len(server.read_documents("cloudtrail")) == 20


def test_an_index_that_fits_no_document_makes_no_dead_letters(build: Any, server: ElasticsearchServer) -> None:
    server.indices.strict_fields = frozenset({"other"})
    failure = fail(build())
    assert "refuses every event" in failure.message
    assert "strict" in failure.message
    with closing(build()) as sink:
        assert len(sink.deliver(build_batch(RECORDS[:8]))) == 8


def test_a_request_that_is_too_large_is_sent_in_parts(build: Any, server: ElasticsearchServer) -> None:
    server.indices.max_request_bytes = 1000
    huge = build_record(20, eventName="x" * 2000)
    with closing(build(compression="None")) as sink:
        rejections = sink.deliver(build_batch([*RECORDS, huge]))
    assert [(one.index, one.code) for one in rejections] == [(20, "413")]
    assert len(server.read_documents("cloudtrail")) == 20


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"auto_create": False}, "index_not_found_exception: no such index [cloudtrail]"),
        ({"read_only": True}, "disk usage exceeded flood-stage watermark"),
        ({"forbidden": True}, "is unauthorized for user [ann]"),
        ({"is_data_stream": True}, "only write ops with an op_type of create are allowed"),
    ],
)
def test_what_is_wrong_with_the_index_fails_the_batch_at_once(
    change: dict[str, Any], said: str, build: Any, server: ElasticsearchServer
) -> None:
    for name, value in change.items():
        setattr(server.indices, name, value)
    failure = fail(build(operation="Index"), RECORDS[:3])
    assert failure.reason is Reason.SINK_REJECTED
    assert "cannot take events" in failure.message
    assert said in failure.message
    assert len(server.requests) == 1


# --- what is not taken now ---


def test_items_that_are_rejected_for_load_are_sent_again_alone(build: Any, server: ElasticsearchServer) -> None:
    server.indices.busy = 5
    with closing(build()) as sink:
        assert not sink.deliver(build_batch(RECORDS))
    assert [len(one.lines) // 2 for one in server.requests] == [20, 5]
    assert list(server.read_documents("cloudtrail")) == [f"id-{n}" for n in [*range(5, 20), *range(5)]]


def test_rejections_keep_their_lines_when_others_are_sent_again(build: Any, server: ElasticsearchServer) -> None:
    records = [*RECORDS[:3], b"not json", *RECORDS[3:6], b"nor this"]
    server.indices.busy = 4
    with closing(build()) as sink:
        rejections = sink.deliver(build_batch(records))
    assert sorted(one.index for one in rejections) == [3, 7]
    assert len(server.read_documents("cloudtrail")) == 6


def test_t31_a_store_that_stays_busy_fails_the_batch_within_the_timeout(
    build: Any, server: ElasticsearchServer
) -> None:
    server.indices.busy = 1_000_000
    started = time.monotonic()
    failure = fail(build(timeout_seconds=1))
    assert time.monotonic() - started < 15
    assert (failure.reason, failure.code) == (Reason.SINK_REJECTED, "429")
    assert "too busy for some events for 1 s: es_rejected_execution_exception" in failure.message
    assert len(server.requests) > 1


def test_close_ends_the_wait_for_a_busy_store(build: Any, server: ElasticsearchServer) -> None:
    server.indices.busy = 1_000_000
    sink = build(timeout_seconds=300)
    failures: list[SinkError] = []
    thread = threading.Thread(target=lambda: failures.append(fail(sink)))
    thread.start()
    while not server.requests and thread.is_alive():
        thread.join(0.01)
    sink.close()
    thread.join(60)
    assert [failure.code for failure in failures] == ["429"]


@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        (Reply(429, b"", {"Retry-After": "7"}), "429", "asks to slow down"),
        (
            Reply(503, b'{"error":{"type":"x_exception","reason":"no master"},"status":503}'),
            "503",
            ": x_exception: no master",
        ),
        (Reply(200, b"<html>welcome</html>"), "UnreadableAnswer", "does not answer like Elasticsearch or OpenSearch"),
        (Reply(200, b'{"errors":true,"items":[]}'), "UnreadableAnswer", "0 items for 20 events"),
        (Reply(200, b'{"errors":true,"items":[{"create":{"status":201}}'), "UnreadableAnswer", "is not that of a bulk"),
    ],
)
def test_an_answer_that_says_nothing_of_the_events_fails_the_batch(
    reply: Reply, code: str, said: str, build: Any, server: ElasticsearchServer
) -> None:
    server.decide = lambda _: reply
    failure = fail(build())
    assert (failure.reason, failure.code) == (Reason.SINK_REJECTED, code)
    assert said in failure.message
    assert failure.retry_after == (7 if code == "429" else None)


def test_t31_a_store_that_does_not_answer_has_a_deadline(build: Any, server: ElasticsearchServer) -> None:
    ended = threading.Event()

    def wait(_: object) -> Reply:
        ended.wait(20)
        return Reply()

    server.decide = wait
    failure = fail(build(timeout_seconds=1))
    ended.set()
    assert (failure.reason, failure.code) == (Reason.SINK_UNREACHABLE, ACK_TIMEOUT)


def test_events_survive_a_store_with_many_faults(build: Any, server: ElasticsearchServer) -> None:
    """Whatever was accepted of a batch that failed, the next attempt makes it whole, and nothing twice."""
    with closing(build(timeout_seconds=1)) as sink:
        for busy in (50, 7, 0):
            server.indices.busy = busy
            try:
                rejections = sink.deliver(build_batch(RECORDS))
            except SinkError:
                continue
            assert not rejections
    assert sorted(server.read_documents("cloudtrail")) == sorted(f"id-{number}" for number in range(20))


# --- the whole path ---


def test_a_collector_indexes_a_log_file_and_what_the_store_refuses_is_a_dead_letter(
    aws: AwsEndpoint,
    storage: TrailStorage,
    start: Callable[..., Collector],
    server: ElasticsearchServer,
    dead_letters: HttpSinkServer,
    secrets: SecretFolder,
) -> None:
    """The key comes late, and half of the first items find the store busy."""
    (file,) = generate_log_files(1, seed=310)
    server.indices.authorization = "ApiKey k3y"
    server.indices.busy = 5
    server.indices.refused = frozenset(file.event_ids[:2])
    auth = {"apiKey": refer_to("es", "key")}
    kind = {"url": server.url, "index": "ct-{year}", "auth": auth}
    collector = start(
        {"CLOUDTRAIL_SECRETS_DIRECTORY": str(secrets.directory)},
        sinks=[{"name": "search", "elasticsearch": kind, "retry": {"maxAttempts": 100, "maxDelaySeconds": 1}}],
        deadLetterSink=to_sink(dead_letters, "lost"),
    )
    put(aws, storage, file)
    wait_until(lambda: collector.read_check("SinksAccepting")["status"] == "False", "the missing Secret to be noticed")
    check = collector.read_check("SinksAccepting")
    assert check["reason"] == "SinkMisconfigured"
    assert "Secret es has no key key" in check["message"]
    secrets.write("es", "key", b"k3y\n")
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    indexed = {key for documents in server.indices.documents.values() for key in documents}
    assert indexed == set(file.event_ids[2:])
    letters = dead_letters.read_dead_letters()
    assert {json.loads(letter["record"])["eventID"] for letter in letters} == set(file.event_ids[:2])
