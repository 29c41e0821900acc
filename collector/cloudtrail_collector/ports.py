"""What the pipeline needs of the outside world."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from cloudtrail_collector.core.backfill.units import KeyPage
from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_collector.core.doctor.facts import Answer, BucketSetup, ObjectSetup, QueueSetup, Received
from cloudtrail_collector.core.gunzip import Buffer
from cloudtrail_collector.core.log_prefixes import Folder
from cloudtrail_collector.errors import AwsError
from cloudtrail_spec.backfill_task import BackfillProgress
from cloudtrail_spec.report import QueueFigures

if TYPE_CHECKING:
    from cloudtrail_collector.core.integrity.signature import PublicKey

T = TypeVar("T")
# Gets the pieces of an object's bytes and its metadata; may be called again from the start.
Consume = Callable[[Iterator[bytes], Mapping[str, str]], T]


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


class MessageDeletion(Protocol):
    """What deletes messages."""

    def delete(self, receipt_handles: Sequence[str]) -> dict[str, AwsError]:
        """Delete up to ten messages; returns what failed, by receipt handle.

        A receipt that is no longer valid fails with ReceiptLostError. Raises AwsError when the whole request failed.
        """


class MessageQueue(MessageDeletion, Protocol):
    """An SQS queue. Every method raises AwsError when the whole request failed."""

    def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        """Receive up to `limit` (1-10) messages, waiting for the first."""

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


class Listing(Protocol):
    """What there is in buckets. Every method raises AwsError."""

    def list_folder(self, bucket: str, prefix: str) -> Folder:
        """List what lies directly below a prefix."""

    def list_page(self, bucket: str, prefix: str, after: str) -> KeyPage:
        """List the keys with a prefix that sort behind `after`, up to a thousand of them."""

    def read_clock(self, bucket: str, prefix: str) -> datetime:
        """Tell S3's time, by asking for what lies below a prefix that may be listed."""


@dataclass(frozen=True, slots=True)
class NotedProgress:
    """What is noted of a share; `version` goes with the next note, None where nothing is noted yet."""

    progress: BackfillProgress | None
    version: str


class ProgressStore(Protocol):
    """Where the progress of one share is noted. Methods raise ProgressUnreachableError, ProgressRefusedError."""

    def read(self) -> NotedProgress:
        """Read what is noted."""

    def write(self, progress: BackfillProgress, version: str) -> str:
        """Note progress in place of a version; returns the new version.

        Raises ProgressConflictError when somebody has noted something else since.
        """


class EvidenceStore(Protocol):
    """Where digest files and log files are. Listing raises AwsError or OSError: without it nothing can be said."""

    def list_folder(self, prefix: str) -> Folder:
        """List what lies directly below a prefix."""

    def iterate_keys(self, prefix: str) -> Iterator[str]:
        """List the keys with a prefix, in order."""

    def read(self, bucket: str, key: str, consume: Consume[T]) -> T:
        """Read an object, piece by piece. Raises EvidenceMissingError, EvidenceUnreadableError."""

    def describe(self, key: str) -> str:
        """Say where an object is."""


class KeySource(Protocol):
    """CloudTrail's public keys."""

    def find(self, fingerprint: str, regions: tuple[str, ...], signed_at: datetime | None) -> "tuple[PublicKey, ...]":
        """Find the keys that a digest file may have been signed with, at a time that is not that of its hour.

        Raises AwsError.
        """


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


class SetupInquiry(Protocol):
    """Asks AWS how a source is set up. An answer is what AWS said, or its refusal."""

    def read_queue(self) -> Answer[QueueSetup]:
        """Read the queue's attributes."""

    def count_dead_letters(self, queue_arn: str) -> Answer[int]:
        """Count the messages in the dead-letter queue."""

    def receive(self) -> Answer[Received]:
        """Receive a message, if there is one, that stays visible to others."""

    def try_finishing(self) -> Sequence[AwsError]:
        """Find out whether messages may be given back and deleted; returns the refusals."""

    def find_region(self, bucket: str) -> Answer[str | None]:
        """Find a bucket's region."""

    def read_bucket(self, bucket: str) -> Answer[BucketSetup]:
        """Read a bucket's notifications, and who stands behind what it tells."""

    def find_log_file(self, bucket: str) -> Answer[str | None]:
        """Find the key of a log file by listing one."""

    def read_object(self, bucket: str, key: str) -> Answer[ObjectSetup]:
        """Read an object."""
