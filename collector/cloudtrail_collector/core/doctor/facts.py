"""What was asked of AWS, and what it answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cloudtrail_collector.core.notification import ObjectRef
from cloudtrail_collector.errors import AwsError
from cloudtrail_spec.arn import Arn, build_bucket_arn
from cloudtrail_spec.log_prefix import find_log_prefix
from cloudtrail_spec.report import QueueFigures

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the questions are about, and who asks."""

    queue_arn: str
    queue_url: str
    prefix: str | None
    asker: str | None = None
    """ARN of the identity that asks; None while nobody knows."""

    @property
    def queue(self) -> Arn:
        """The queue's ARN in its parts."""
        return Arn.parse(self.queue_arn)

    @property
    def log_prefix(self) -> str:
        """What the keys of all log files begin with."""
        return find_log_prefix(self.prefix)

    def bucket_arn(self, bucket: str, key: str | None = None) -> str:
        """Build the ARN of a bucket, or of an object in it."""
        return build_bucket_arn(self.queue.partition, bucket, key)


@dataclass(frozen=True, slots=True)
class Seen(Generic[T_co]):
    """AWS has answered."""

    value: T_co


Answer = Seen[T_co] | AwsError
"""What AWS answered, or why it did not."""


@dataclass(frozen=True, slots=True)
class QueueSetup:
    """The attributes of a queue."""

    figures: QueueFigures
    policy: str | None = None
    """Its policy, as JSON."""
    key: str | None = None
    """Its KMS key, by id, ARN or alias; None: SQS's own keys, or none."""


@dataclass(frozen=True, slots=True)
class Received:
    """What one receive has shown; the message was visible again at once."""

    message: bool
    announced: ObjectRef | None = None


@dataclass(frozen=True, slots=True)
class ObjectSetup:
    """An object that was read."""

    key: str
    kms_key: str | None = None


@dataclass(frozen=True, slots=True)
class BucketSetup:
    """What a bucket says of itself."""

    notification: Mapping[str, Any]
    """Its notification configuration, as AWS writes it."""
    topics: Mapping[str, Answer[tuple[str, ...]]]
    """Who subscribes to each topic that it tells, by the topic's ARN."""
    rules: Answer[tuple[str, ...]] | None = None
    """Names of the rules of EventBridge that send to the queue; None: the bucket does not tell EventBridge."""
    region: str | None = None
    """Where the bucket is, if S3 has told by the way."""
