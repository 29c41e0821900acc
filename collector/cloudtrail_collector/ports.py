"""What the pipeline needs of the outside world."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.core.gunzip import Buffer
from cloudtrail_collector.errors import AwsError
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
    """An SQS queue. Every method raises AwsError when the whole request failed."""

    def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        """Receive up to `limit` (1-10) messages, waiting for the first."""

    def delete(self, receipt_handles: Sequence[str]) -> dict[str, AwsError]:
        """Delete up to ten messages; returns what failed, by receipt handle.

        A receipt that is no longer valid fails with ReceiptLostError.
        """

    def change_visibility(self, changes: Sequence[VisibilityChange]) -> dict[str, AwsError]:
        """Change up to ten messages; returns what failed, like `delete`."""

    def read_figures(self) -> QueueFigures:
        """Read the queue's attributes."""


class RemoteObject(Protocol):
    """An object that S3 has begun to send."""

    @property
    def size(self) -> int:
        """Its length in bytes, as stored."""

    @property
    def written_at(self) -> float | None:
        """When it was written, in seconds since 1970."""

    def read(self) -> Buffer:
        """Read it to its end, once. Raises AwsError."""


class ObjectStore(Protocol):
    """The buckets of a source."""

    def open(self, bucket: str, key: str) -> RemoteObject:
        """Ask for an object. Raises AwsError."""


class Sink(Protocol):
    """Where event records go. Several threads may deliver at once."""

    @property
    def name(self) -> str:
        """The name in the configuration."""

    @property
    def wants_envelopes(self) -> bool:
        """Whether batches must come with envelopes."""

    def deliver(self, batch: Batch) -> Sequence[Rejection]:
        """Return when the sink has accepted the batch, but for the events that it will never take; before long.

        Raises SinkError (ACK_TIMEOUT among its codes) when it is not certain that the others are accepted.
        """

    def close(self) -> None:
        """Give back what the sink holds, after the last delivery."""
