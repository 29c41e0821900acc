"""librdkafka's producer with the thread that polls it, and the configuration that it is made of."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.adapters.sinks.http_tls import TlsFiles, TlsMaterial
from cloudtrail_collector.logs import LOGGER_NAME
from cloudtrail_spec.sink_kinds import KafkaSink as KafkaSettings

# It speaks of connections that failed, never of messages or passwords.
log = logging.getLogger(f"{LOGGER_NAME}.kafka")

POLL_SECONDS = 0.5
# How soon a full queue is asked again for room.
ROOM_SECONDS = 0.01
# Brokers fill batches of 1 MiB; this holds many, and bounds the second copy of what is on its way.
QUEUE_KIBIBYTES = 64 * 1024

_VAGUE = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}  # noqa: SLF001

Report = Callable[[KafkaError | None, Any], None]


@dataclass(frozen=True, slots=True)
class KafkaSecrets:
    """What the Secrets of a sink hold. librdkafka reads it once: a change makes another producer."""

    tls: TlsMaterial | None
    password: bytes | None

    def hide(self, text: str) -> str:
        """Take the password out of a text."""
        return text.replace(self.password.decode(errors="replace"), "…") if self.password else text


def read_secrets(settings: KafkaSettings, secrets: SecretFiles) -> KafkaSecrets:
    """Read what there is now; costs a stat for each file. Raises SecretMissingError."""
    tls = TlsFiles(settings.tls, secrets).read() if settings.tls else None
    return KafkaSecrets(tls, secrets.read(settings.sasl.password) if settings.sasl else None)


def build_configuration(settings: KafkaSettings, secrets: KafkaSecrets, timeout_seconds: int) -> dict[str, Any]:
    """Build librdkafka's configuration. `timeout_seconds` is what a batch has in all."""
    return {
        "bootstrap.servers": ",".join(settings.brokers),
        "client.id": "cloudtrail-collector",
        "acks": "all",
        "enable.idempotence": True,
        "compression.codec": settings.compression.value.lower(),
        "message.max.bytes": settings.max_message_bytes,
        "queue.buffering.max.kbytes": max(QUEUE_KIBIBYTES, settings.max_message_bytes * 2 // 1024),
        # The partition of a key is that of the Java clients.
        "partitioner": "murmur2_random",
        "linger.ms": 5,
        # A message gives up before its batch does (librdkafka looks once a second), so that the batch can say why.
        "message.timeout.ms": max(1000, timeout_seconds * 1000 - 1500),
        # A topic that nobody knows is an answer, too, and in time.
        "topic.metadata.propagation.max.ms": min(10_000, timeout_seconds * 500),
        # Every try that fails is a line in the log.
        "reconnect.backoff.ms": 500,
        "reconnect.backoff.max.ms": 3000,
        "socket.keepalive.enable": True,
        "log.connection.close": False,
        "log_level": 4,
        **_build_security(settings, secrets),
    }


def _build_security(settings: KafkaSettings, secrets: KafkaSecrets) -> dict[str, Any]:
    scheme = "ssl" if secrets.tls else "plaintext"
    found: dict[str, Any] = {"security.protocol": f"sasl_{scheme}" if settings.sasl else scheme}
    if secrets.tls:
        material = {
            "ssl.ca.pem": secrets.tls.ca,
            "ssl.certificate.pem": secrets.tls.certificate,
            "ssl.key.pem": secrets.tls.private_key,
        }
        found |= {name: pem.decode(errors="replace") for name, pem in material.items() if pem is not None}
    if settings.sasl and secrets.password is not None:
        found["sasl.mechanism"] = settings.sasl.mechanism.value
        found["sasl.username"] = settings.sasl.username
        found["sasl.password"] = secrets.password.decode(errors="replace")
    return found


class PolledProducer:
    """A producer for many threads; it ends when it is retired and nobody holds it."""

    def __init__(self, configuration: Mapping[str, Any], name: str) -> None:
        """Raises KafkaException for a configuration that librdkafka refuses. Connects in the background."""
        self.last_error: KafkaError | None = None
        self.is_broken = False
        self._lock = threading.Lock()
        self._holders = 0
        self._is_retired = False
        self._producer = Producer({**configuration, "error_cb": self._note_error}, logger=log)
        self._thread = threading.Thread(target=self._poll, name=name, daemon=True)
        self._thread.start()

    def hold(self) -> "PolledProducer":
        """Keep it from ending."""
        with self._lock:
            self._holders += 1
        return self

    def release(self) -> None:
        """Let it end, as far as the caller is concerned."""
        with self._lock:
            self._holders -= 1

    def produce(self, topic: str, message: tuple[str | None, bytes], report: Report, deadline: float) -> None:
        """Put a key and a value into the queue; waits for room. Raises KafkaException, and TimeoutError at the deadline."""
        key, value = message
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=report)
            except BufferError:
                if time.monotonic() >= deadline:
                    raise TimeoutError from None
                time.sleep(ROOM_SECONDS)
            else:
                return

    def retire(self) -> None:
        """Let it end by itself, when nobody holds it and every message has arrived or given up."""
        with self._lock:
            self._is_retired = True

    def close(self, timeout: float) -> None:
        """End it; what has not arrived after `timeout` is given up."""
        self.retire()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._producer.purge()
            self._thread.join(timeout)

    def _note_error(self, error: KafkaError) -> None:
        # Refusals come once, and then as lost connections; that no broker is left says less than why the last one went.
        is_vague = error.code() in _VAGUE
        if self.last_error is None or not is_vague or self.last_error.code() in _VAGUE:
            self.last_error = error

    def _poll(self) -> None:
        while not self._is_over():
            self._run_unless_fatal(lambda: self._producer.poll(POLL_SECONDS))
        self._run_unless_fatal(self._producer.close)

    def _run_unless_fatal(self, call: Callable[[], object]) -> None:
        """Serve reports and errors. What is fatal is raised here, by whatever was about to be called."""
        try:
            call()
        except (KafkaException, SystemError) as error:
            log.error(
                "the Kafka producer has met a fatal error, a new one takes its place: %s", error.__cause__ or error
            )
            self.is_broken = True

    def _is_over(self) -> bool:
        with self._lock:
            return self._is_retired and self._holders == 0 and len(self._producer) == 0
