"""The sink `kafka` against librdkafka's mock cluster, over real sockets; another client reads what has arrived."""

import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.adapters.sinks.kafka import KafkaSink
from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.core.envelope import Envelope
from cloudtrail_collector.errors import ACK_TIMEOUT, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sinks import SinkTarget
from localcluster.certificates import Authority
from support.kafka_mock import PRODUCE_REQUEST, KafkaCluster

Build = Callable[..., KafkaSink]
PASSWORD = "correct-horse-battery"
SASL = {
    "mechanism": "PLAIN",
    "username": "collector",
    "password": {"secretKeyRef": {"name": "kafka", "key": "password"}},
}


def build_batch(*lines: bytes) -> Batch:
    envelopes = [Envelope(event_id=f"id-{line[:8].decode()}", account_id="111122223333") for line in lines]
    return Batch(b"".join(line + b"\n" for line in lines), len(lines), envelopes)


def number_lines(first: int, count: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(first, first + count)]


@pytest.fixture
def kafka() -> Iterator[KafkaCluster]:
    with KafkaCluster() as cluster:
        cluster.create_topic("events", 2)
        yield cluster


@pytest.fixture
def build(kafka: KafkaCluster, tmp_path: Path) -> Iterator[Build]:
    built: list[KafkaSink] = []

    def build_one(timeout: int = 15, **settings: Any) -> KafkaSink:
        kind = {"brokers": [kafka.bootstrap], "topic": "events"} | settings
        spec = SinkTarget.model_validate({"name": "bus", "timeoutSeconds": timeout, "kafka": kind})
        sink = KafkaSink(spec, SecretFiles(tmp_path))
        built.append(sink)
        return sink

    yield build_one
    kafka.set_down(False)
    for sink in built:
        sink.close()


def write_secret(tmp_path: Path, key: str, text: str) -> dict[str, Any]:
    (tmp_path / "kafka").mkdir(exist_ok=True)
    (tmp_path / "kafka" / key).write_text(text)
    return {"secretKeyRef": {"name": "kafka", "key": key}}


def test_every_event_is_a_message_that_another_client_reads(build: Build, kafka: KafkaCluster) -> None:
    lines = number_lines(0, 2000)
    assert list(build().deliver(build_batch(*lines))) == []
    found = kafka.read("events", 2000)
    assert sorted(message.value() or b"" for message in found) == sorted(lines)


def test_batches_of_many_threads_are_each_confirmed(build: Build, kafka: KafkaCluster) -> None:
    sink = build()
    outcomes: list[object] = []

    def deliver(thread: int) -> None:
        first = 1000 * thread
        outcomes.extend(sink.deliver(build_batch(*number_lines(first + 100 * n, 100))) for n in range(5))

    threads = [threading.Thread(target=deliver, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [[]] * 20
    assert len({message.value() for message in kafka.read("events", 2000)}) == 2000


@pytest.mark.parametrize("compression", ["None", "Gzip", "Snappy", "Lz4", "Zstd"])
def test_every_compression_can_be_read(build: Build, kafka: KafkaCluster, compression: str) -> None:
    build(compression=compression).deliver(build_batch(*number_lines(0, 50)))
    assert len(kafka.read("events", 50)) == 50


@pytest.mark.parametrize(
    ("key", "wanted"), [("EventID", b"id-1"), ("AccountID", b"111122223333"), ("Principal", None), ("None", None)]
)
def test_the_key_is_what_the_spec_says(build: Build, kafka: KafkaCluster, key: str, wanted: bytes | None) -> None:
    """The envelope has no principal: a key that is unknown is none."""
    sink = build(key=key)
    assert sink.wants_envelopes == (key != "None")
    sink.deliver(build_batch(b"1"))
    assert [message.key() for message in kafka.read("events", 1)] == [wanted]


def test_events_with_the_same_key_stay_in_order_in_one_partition(build: Build, kafka: KafkaCluster) -> None:
    build(key="AccountID").deliver(build_batch(*number_lines(0, 500)))
    found = kafka.read("events", 500)
    assert len({message.partition() for message in found}) == 1
    assert [message.value() for message in found] == number_lines(0, 500)


def test_an_event_that_is_too_large_is_rejected_and_the_others_arrive(build: Build, kafka: KafkaCluster) -> None:
    large = b"x" * 20_000
    rejections = build(maxMessageBytes=16_384).deliver(build_batch(b"1", large, b"3"))
    assert [(rejection.index, rejection.code) for rejection in rejections] == [(1, "MSG_SIZE_TOO_LARGE")]
    assert sorted(message.value() or b"" for message in kafka.read("events", 2)) == [b"1", b"3"]


@pytest.mark.parametrize("code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD])
def test_events_that_were_refused_together_are_asked_for_one_by_one(
    build: Build, kafka: KafkaCluster, code: int
) -> None:
    """A broker refuses a whole request for one message in it: the others must not go to the dead letters."""
    sink = build(key="AccountID")
    sink.deliver(build_batch(b"first"))
    kafka.fail_requests(PRODUCE_REQUEST, [code, 0, code])
    rejections = sink.deliver(build_batch(b"1", b"2", b"3"))
    assert [(rejection.index, rejection.code) for rejection in rejections] == [(1, KafkaError(code).name())]
    assert sorted(message.value() or b"" for message in kafka.read("events", 3)) == [b"1", b"3", b"first"]
    assert list(sink.deliver(build_batch(b"4"))) == []


def test_a_passing_error_of_the_broker_is_tried_again_without_a_repeat(build: Build, kafka: KafkaCluster) -> None:
    sink = build()
    kafka.fail_requests(PRODUCE_REQUEST, [KafkaError.NOT_ENOUGH_REPLICAS, KafkaError._TRANSPORT])
    assert list(sink.deliver(build_batch(*number_lines(0, 100)))) == []
    assert sorted(message.value() or b"" for message in kafka.read("events", 100)) == sorted(number_lines(0, 100))


def test_a_topic_that_may_not_be_written_is_told_in_plain_words(build: Build, kafka: KafkaCluster) -> None:
    kafka.fail_requests(PRODUCE_REQUEST, [KafkaError.TOPIC_AUTHORIZATION_FAILED] * 10)
    with pytest.raises(SinkError) as caught:
        build().deliver(build_batch(b"1"))
    assert (caught.value.reason, caught.value.code) == (Reason.SINK_MISCONFIGURED, "TOPIC_AUTHORIZATION_FAILED")
    assert caught.value.message.startswith("the user may not write to topic events")


def test_a_topic_that_does_not_exist_is_told_before_the_timeout(build: Build, kafka: KafkaCluster) -> None:
    kafka.fail_topic("nowhere", KafkaError.UNKNOWN_TOPIC_OR_PART)
    with pytest.raises(SinkError) as caught:
        build(timeout=6, topic="nowhere").deliver(build_batch(b"1"))
    assert caught.value.reason is Reason.SINK_MISCONFIGURED
    assert caught.value.message.startswith("topic nowhere does not exist")


def test_a_broker_that_is_down_ends_with_the_timeout_and_its_return_is_noticed(
    build: Build, kafka: KafkaCluster
) -> None:
    sink = build(timeout=3)
    sink.deliver(build_batch(b"1"))
    kafka.set_down(True)
    with pytest.raises(SinkError) as caught:
        sink.deliver(build_batch(b"2"))
    assert (caught.value.reason, caught.value.code) == (Reason.SINK_UNREACHABLE, ACK_TIMEOUT)
    kafka.set_down(False)
    assert_accepted_in_time(sink, build_batch(b"2"))
    assert {message.value() for message in kafka.read("events", 2)} == {b"1", b"2"}


def assert_accepted_in_time(sink: KafkaSink, batch: Batch) -> None:
    """Deliver as a feed does, again and again; within ten tries it must be accepted."""
    for attempt in range(10):
        try:
            assert list(sink.deliver(batch)) == []
        except SinkError:
            assert attempt < 9, "never accepted"
        else:
            return


def test_nobody_at_the_address_is_told_with_the_last_error(build: Build) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SinkError) as caught:
        build(timeout=3, brokers=[f"127.0.0.1:{port}"]).deliver(build_batch(b"1"))
    assert (caught.value.reason, caught.value.code) == (Reason.SINK_UNREACHABLE, ACK_TIMEOUT)
    assert "Connection refused" in caught.value.message


def test_more_than_the_queue_holds_waits_for_room(build: Build, kafka: KafkaCluster) -> None:
    """librdkafka's queue holds 100 000 messages."""
    lines = [b"%d" % number for number in range(120_000)]
    assert (
        list(build(timeout=60).deliver(Batch(b"\n".join(lines) + b"\n", len(lines), [Envelope()] * len(lines)))) == []
    )


def test_a_fatal_error_ends_the_producer_and_another_goes_on(build: Build, kafka: KafkaCluster) -> None:
    """The broker has lost count: an idempotent producer goes no further, however often it is asked."""
    sink = build()
    sink.deliver(build_batch(b"1"))
    kafka.fail_requests(PRODUCE_REQUEST, [KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER])
    with pytest.raises(SinkError) as caught:
        sink.deliver(build_batch(b"1"))
    assert caught.value.reason is Reason.SINK_UNREACHABLE
    assert caught.value.code != ACK_TIMEOUT
    assert list(sink.deliver(build_batch(b"2", b"3"))) == []
    assert {message.value() for message in kafka.read("events", 3)} == {b"1", b"2", b"3"}


@pytest.mark.parametrize("code", [KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.UNKNOWN_PRODUCER_ID])
def test_a_producer_that_the_broker_has_forgotten_goes_on(build: Build, kafka: KafkaCluster, code: int) -> None:
    sink = build()
    sink.deliver(build_batch(b"1"))
    kafka.fail_requests(PRODUCE_REQUEST, [code])
    assert_accepted_in_time(sink, build_batch(b"2"))
    assert {message.value() for message in kafka.read("events", 2)} == {b"1", b"2"}


def test_a_secret_that_is_missing_is_named(build: Build) -> None:
    with pytest.raises(SinkError) as caught:
        build(sasl=SASL).deliver(build_batch(b"1"))
    assert caught.value.reason is Reason.SINK_MISCONFIGURED
    assert caught.value.message == "Secret kafka has no key password, or does not exist"


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[int]:
    """Listen with a certificate of an authority that nobody knows."""
    pair = Authority(tmp_path / "authority").issue("broker")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(1)

    thread = threading.Thread(target=accept)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_broker_whose_certificate_nobody_vouches_for_gets_nothing(build: Build, tls_port: int) -> None:
    with pytest.raises(SinkError) as caught:
        build(timeout=3, tls={}, brokers=[f"127.0.0.1:{tls_port}"]).deliver(build_batch(b"1"))
    assert (caught.value.reason, caught.value.code) == (Reason.SINK_MISCONFIGURED, "_SSL")
    assert caught.value.message.startswith("the TLS handshake has failed")
    assert "certificate" in caught.value.message


def test_a_certificate_that_is_none_is_refused_and_its_correction_is_followed(
    build: Build, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "-----BEGIN PRIVATE KEY-----\nTOPSECRETKEYMATERIAL\n-----END PRIVATE KEY-----\n"
    tls = {
        "certificate": write_secret(tmp_path, "tls.crt", "no certificate"),
        "privateKey": write_secret(tmp_path, "tls.key", secret),
    }
    sink = build(timeout=3, tls=tls, sasl=SASL | {"password": write_secret(tmp_path, "password", PASSWORD)})
    with pytest.raises(SinkError) as caught:
        sink.deliver(build_batch(b"1"))
    assert caught.value.reason is Reason.SINK_MISCONFIGURED
    assert caught.value.message.startswith("the settings of TLS or login cannot be used")
    for text in (caught.value.message, caplog.text):
        assert "TOPSECRET" not in text
        assert PASSWORD not in text


class LoginServer:
    """Speaks as much of Kafka's protocol as a login takes, refuses every one, and keeps what it was shown."""

    def __init__(self) -> None:
        self.tokens: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError, struct.error), connection, connection.makefile("rb") as stream:
                while True:
                    (size,) = struct.unpack(">i", stream.read(4))
                    answer = self._answer(stream.read(size))
                    connection.sendall(struct.pack(">i", len(answer)) + answer)

    def _answer(self, request: bytes) -> bytes:
        kind, version, number = struct.unpack(">hhi", request[:8])
        head = struct.pack(">i", number)
        if kind == 18:  # ApiVersions: only its first version, SaslHandshake and SaslAuthenticate
            error = 35 if version else 0
            return head + struct.pack(">hi9h", error, 3, 17, 0, 1, 18, 0, 0, 36, 0, 0)
        if kind == 17:
            return head + struct.pack(">hih", 0, 1, 5) + b"PLAIN"
        self.tokens.append(request[request.index(b"\0collector\0") :])
        return head + struct.pack(">hhi", 58, -1, 0)


@pytest.fixture
def login() -> Iterator[LoginServer]:
    server = LoginServer()
    yield server
    server.close()


def test_a_refused_login_is_told_and_a_new_password_is_used_without_a_restart(
    build: Build, tmp_path: Path, login: LoginServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sink = build(
        timeout=3, brokers=[login.address], sasl=SASL | {"password": write_secret(tmp_path, "password", "old")}
    )
    with pytest.raises(SinkError) as caught:
        sink.deliver(build_batch(b"1"))
    assert (caught.value.reason, caught.value.code) == (Reason.SINK_MISCONFIGURED, "_AUTHENTICATION")
    assert caught.value.message.startswith("the login was refused")
    assert set(login.tokens) == {b"\0collector\0old"}
    write_secret(tmp_path, "password", PASSWORD)
    with pytest.raises(SinkError):
        sink.deliver(build_batch(b"1"))
    assert login.tokens[-1] == b"\0collector\0" + PASSWORD.encode()
    assert PASSWORD not in caplog.text
