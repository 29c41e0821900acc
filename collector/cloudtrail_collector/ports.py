"""What the pipeline needs of the outside world."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cloudtrail_collector.core.batching import Batch
from cloudtrail_spec.report import QueueFigures


@dataclass(frozen=True, slots=True)
class Message:
    """A received message. `sent_at` is in seconds since 1970, None when SQS did not say."""

    id: str
    receipt_handle: str
    body: str
    receive_count: int
    sent_at: float | None


@dataclass(frozen=True, slots=True)
class VisibilityChange:
    """A message's receipt, and the seconds from now that it shall stay invisible."""

    receipt_handle: str
    seconds: int


class MessageQueue(Protocol):
    """An SQS queue. Every method raises AwsError."""

    def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        """Receive up to `limit` (1-10) messages, waiting for the first."""

    def delete(self, receipt_handle: str) -> None:
        """Delete a message. Raises ReceiptLostError when the receipt is no longer valid."""

    def change_visibility(self, changes: Sequence[VisibilityChange]) -> list[VisibilityChange]:
        """Change up to ten messages; returns those whose receipt is no longer valid."""

    def read_figures(self) -> QueueFigures:
        """Read the queue's attributes."""


class ObjectStore(Protocol):
    """A bucket."""

    def fetch(self, key: str) -> bytes:
        """Read an object as it is stored. Raises AwsError."""


class Sink(Protocol):
    """Where event records go."""

    @property
    def name(self) -> str:
        """The name in the configuration."""

    def deliver(self, batch: Batch) -> None:
        """Return when the sink has accepted the whole batch. Raises SinkError."""
