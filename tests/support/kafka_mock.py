"""librdkafka's own mock cluster in this process, on real ports, with faults to order.

confluent-kafka brings the library, but no names in Python for what commands the mock; so they are called in the library.
"""

import ctypes
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import confluent_kafka
from confluent_kafka import Consumer, Message, TopicPartition

PRODUCER = 0
PRODUCE_REQUEST, INIT_PRODUCER_ID_REQUEST = 0, 22


def _load() -> ctypes.CDLL:
    folder = Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
    library = ctypes.CDLL(str(next(folder.glob("librdkafka-*.so*"))))
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_destroy.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.rd_kafka_mock_cluster_destroy.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    library.rd_kafka_mock_topic_set_error.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.rd_kafka_mock_broker_set_down.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    library.rd_kafka_mock_broker_set_up.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    library.rd_kafka_mock_push_request_errors_array.argtypes = [
        ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int),
    ]  # fmt: skip
    return library


class KafkaCluster:
    """A cluster of one broker while the block runs."""

    def __init__(self) -> None:
        self._library = _load()
        self._client = self._library.rd_kafka_new(PRODUCER, None, ctypes.create_string_buffer(512), 512)
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, 1)
        self.bootstrap = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)

    def create_topic(self, topic: str, partitions: int) -> None:
        """Create a topic; one that is asked for without has four partitions."""
        assert self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1) == 0

    def fail_topic(self, topic: str, error: int) -> None:
        """Answer questions about the topic with an error."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), error)

    def fail_requests(self, request: int, errors: Sequence[int]) -> None:
        """Answer the next requests of a kind with these errors, one each; 0 lets one pass."""
        array = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(errors), array)

    def set_down(self, is_down: bool) -> None:
        """Close the broker's port and its connections, or open it again."""
        change = self._library.rd_kafka_mock_broker_set_down if is_down else self._library.rd_kafka_mock_broker_set_up
        assert change(self._cluster, 1) == 0

    def read(self, topic: str, count: int) -> list[Message]:
        """Read a topic from its beginning until there are as many messages, and no more come."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": str(uuid.uuid4()),
                "auto.offset.reset": "earliest",
                "enable.partition.eof": False,
            }
        )
        found: list[Message] = []
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
            deadline = time.monotonic() + 20
            while len(found) < count:
                assert time.monotonic() < deadline, f"{len(found)} of {count} messages came"
                if (message := consumer.poll(0.2)) is not None and message.error() is None:
                    found.append(message)
            while (message := consumer.poll(0.5)) is not None:
                found.append(message)
        finally:
            consumer.close()
        return found
