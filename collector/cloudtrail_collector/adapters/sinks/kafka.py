"""Produces one message an event, and waits until the brokers have confirmed all of a batch.

Messages of a batch that timed out may still arrive: their events come again with the same eventID.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from confluent_kafka import KafkaError, KafkaException

from cloudtrail_collector.adapters.kafka_producer import (
    KafkaSecrets,
    PolledProducer,
    build_configuration,
    read_secrets,
)
from cloudtrail_collector.adapters.secret_files import SecretFiles
from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.core.envelope import Envelope
from cloudtrail_collector.errors import ACK_TIMEOUT, SecretMissingError, SinkError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.sink_kinds import KafkaKey
from cloudtrail_spec.sinks import SinkTarget

CLOSE_SECONDS = 5.0

_READ_KEY: Mapping[KafkaKey, Callable[[Envelope], str | None]] = {
    KafkaKey.EVENT_ID: lambda envelope: envelope.event_id,
    KafkaKey.ACCOUNT_ID: lambda envelope: envelope.account_id,
    KafkaKey.PRINCIPAL: lambda envelope: envelope.principal,
}
# What a broker says about a message for what it is.
_REFUSED = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD}
# What it says about all messages of a request, of which perhaps one is to blame.
_REFUSED_TOGETHER = {*_REFUSED, KafkaError._INVALID_DIFFERENT_RECORD}  # noqa: SLF001
_TIMED_OUT = {KafkaError._MSG_TIMED_OUT, KafkaError._TIMED_OUT, KafkaError.REQUEST_TIMED_OUT}  # noqa: SLF001
_MISCONFIGURED = {
    KafkaError._AUTHENTICATION: "the login was refused",  # noqa: SLF001
    KafkaError.SASL_AUTHENTICATION_FAILED: "the login was refused",
    KafkaError._SSL: "the TLS handshake has failed",  # noqa: SLF001
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "the user may not write to topic {topic}",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "the user may not write idempotently (IdempotentWrite on the cluster)",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "topic {topic} does not exist",
    KafkaError._UNKNOWN_TOPIC: "topic {topic} does not exist",  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION: "topic {topic} has no partitions",  # noqa: SLF001
}

_Messages = Iterable[tuple[int, str | None, bytes]]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The messages, by their lines, that librdkafka itself does not take, and those that did not arrive."""

    refused: Mapping[int, KafkaError]
    failures: Mapping[int, KafkaError]


class _Reports:
    """What is known of the messages of one batch; the polling thread tells it."""

    def __init__(self) -> None:
        self.failures: dict[int, KafkaError] = {}
        self._left = 0
        self._changed = threading.Condition()

    def expect(self, index: int) -> Callable[[KafkaError | None, object], None]:
        """Wait for one more; returns whom to tell."""
        with self._changed:
            self._left += 1
        return partial(self._note, index)

    def _note(self, index: int, error: KafkaError | None, _message: object) -> None:
        with self._changed:
            if error is not None:
                self.failures[index] = error
            self._left -= 1
            if self._left == 0:
                self._changed.notify_all()

    def wait(self, deadline: float) -> Mapping[int, KafkaError]:
        """Return what failed, when all are known. Raises TimeoutError at the deadline."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._left == 0, max(deadline - time.monotonic(), 0.0)):
                raise TimeoutError
            return dict(self.failures)


class KafkaSink:
    """Accepts a batch when all in-sync replicas have it."""

    def __init__(self, spec: SinkTarget, secrets: SecretFiles) -> None:
        assert spec.kafka is not None  # noqa: S101  (its kind)
        self.name = spec.name
        self._settings = spec.kafka
        self._timeout_seconds = spec.timeout_seconds
        self._secret_files = secrets
        self._read_key = _READ_KEY.get(spec.kafka.key)
        self._lock = threading.Lock()
        self._producer: PolledProducer | None = None
        self._made_of: KafkaSecrets | None = None

    @property
    def wants_envelopes(self) -> bool:
        """Keys come of envelopes."""
        return self._read_key is not None

    def deliver(self, batch: Batch) -> Sequence[Rejection]:
        """Produce the batch and wait for what becomes of each message, within the timeout."""
        deadline = time.monotonic() + self._timeout_seconds
        lines = batch.lines()
        keys = map(self._read_key, batch.envelopes) if self._read_key else [None] * len(lines)
        messages = list(zip(range(len(lines)), keys, lines, strict=True))
        with self._holding() as producer:
            outcome = self._send(producer, messages, deadline)
            perhaps = [index for index, error in outcome.failures.items() if error.code() in _REFUSED_TOGETHER]
            if perhaps and len(perhaps) == len(outcome.failures):
                again = self._send_singly([messages[index] for index in sorted(perhaps)], deadline)
                outcome = _Outcome({**outcome.refused, **again.refused}, again.failures)
            return self._judge(outcome, producer, len(lines))

    def close(self) -> None:
        """End the producer; what is left of batches that timed out has some seconds to arrive."""
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(CLOSE_SECONDS)

    # --- a batch ---

    def _send(self, producer: PolledProducer, messages: _Messages, deadline: float) -> _Outcome:
        """Produce messages and wait for the reports of all. Raises SinkError where they take too long."""
        reports = _Reports()
        refused: dict[int, KafkaError] = {}
        try:
            for index, key, line in messages:
                report = reports.expect(index)
                try:
                    producer.produce(self._settings.topic, (key, line), report, deadline)
                except KafkaException as error:
                    report(None, None)
                    refused[index] = error.args[0]
            found = reports.wait(deadline)
        except TimeoutError as error:
            raise self._build_timeout(producer) from error
        local = {index: error for index, error in refused.items() if error.code() in _REFUSED}
        return _Outcome(local, {**found, **{index: refused[index] for index in refused.keys() - local.keys()}})

    def _send_singly(self, messages: _Messages, deadline: float) -> _Outcome:
        """Produce messages again, each in a request of its own, so that each has its own verdict.

        Without idempotence: there a refused message disturbs those behind it.
        """
        with self._lock:
            secrets = self._made_of or KafkaSecrets(None, None)
        changes = {"batch.num.messages": 1, "enable.idempotence": False}
        producer = self._build_producer(secrets, **changes)
        try:
            outcome = self._send(producer, messages, deadline)
        finally:
            producer.retire()
        refused = {index: error for index, error in outcome.failures.items() if error.code() in _REFUSED}
        left = {index: error for index, error in outcome.failures.items() if index not in refused}
        return _Outcome({**outcome.refused, **refused}, left)

    def _judge(self, outcome: _Outcome, producer: PolledProducer, count: int) -> Sequence[Rejection]:
        """Turn failures into rejections, or into one SinkError for all."""
        for error in outcome.failures.values():
            if error.fatal():
                producer.is_broken = True
            if error.code() in _TIMED_OUT:
                raise self._build_timeout(producer)
            raise self._translate(error, f"{len(outcome.failures)} of {count} messages did not arrive")
        producer.last_error = None
        return [Rejection(index, error.name(), error.str()) for index, error in sorted(outcome.refused.items())]

    def _build_timeout(self, producer: PolledProducer) -> SinkError:
        message = f"the brokers have not confirmed the batch within {self._timeout_seconds} s"
        last = producer.last_error
        if last is not None and last.code() in _MISCONFIGURED:
            return self._translate(last, message)
        words = f"{message}; the last error was: {last.str()}" if last else message
        return SinkError(self.name, Reason.SINK_UNREACHABLE, ACK_TIMEOUT, words)

    def _translate(self, error: KafkaError, message: str) -> SinkError:
        words = _MISCONFIGURED.get(error.code())
        if words is None:
            return SinkError(self.name, Reason.SINK_UNREACHABLE, error.name(), f"{message}: {error.str()}")
        text = f"{words.format(topic=self._settings.topic)} ({error.str()})"
        return SinkError(self.name, Reason.SINK_MISCONFIGURED, error.name(), text)

    # --- producers ---

    @contextmanager
    def _holding(self) -> Iterator[PolledProducer]:
        producer = self._hold_producer()
        try:
            yield producer
        finally:
            producer.release()

    def _hold_producer(self) -> PolledProducer:
        """Hold the producer; a new one where Secrets have changed, or the last one has met a fatal error."""
        with self._lock:
            try:
                secrets = read_secrets(self._settings, self._secret_files)
            except SecretMissingError as error:
                raise SinkError(self.name, Reason.SINK_MISCONFIGURED, "SecretMissing", str(error)) from error
            if self._producer is None or self._producer.is_broken or secrets != self._made_of:
                producer = self._build_producer(secrets)
                if self._producer is not None:
                    self._producer.retire()
                self._producer, self._made_of = producer, secrets
            return self._producer.hold()

    def _build_producer(self, secrets: KafkaSecrets, **changes: object) -> PolledProducer:
        configuration = build_configuration(self._settings, secrets, self._timeout_seconds) | changes
        try:
            return PolledProducer(configuration, f"kafka-{self.name}")
        except KafkaException as error:
            failure: KafkaError = error.args[0]
            message = f"the settings of TLS or login cannot be used: {secrets.hide(failure.str())}"
            raise SinkError(self.name, Reason.SINK_MISCONFIGURED, failure.name(), message) from None
