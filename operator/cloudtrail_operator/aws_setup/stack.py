"""A source and what its owner chose → everything that a template makes, before it is written in a language.

All policies are here; `cloudformation` and `terraform` only say the same resources in their own words.
"""

import re
from dataclasses import dataclass
from typing import Any

from cloudtrail_operator.aws_setup import references as to
from cloudtrail_operator.aws_setup.choices import Choices, Wiring, find_problems
from cloudtrail_operator.aws_setup.documents import Document
from cloudtrail_operator.aws_setup.key_prefix import find_trail_prefix
from cloudtrail_operator.aws_setup.policy import Surroundings
from cloudtrail_operator.aws_setup.problems import SetupError
from cloudtrail_operator.aws_setup.reader import Reader, find_foreign_reader, plan_reader
from cloudtrail_operator.aws_setup.trust import Identity
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_spec.log_prefix import SUFFIX, find_log_prefix
from cloudtrail_spec.source import CloudTrailSourceSpec

RETENTION_SECONDS = 14 * 24 * 3600  # the longest that SQS keeps a message
VISIBILITY_SECONDS = 120  # extended by collectors as long as they work on a message; how long a lost one's waits
MAX_RECEIVES = 10  # rollouts, scaling in and mode Test give messages back, which counts too


@dataclass(frozen=True, slots=True)
class Stack:
    """What a template makes."""

    key: SourceKey
    spec: CloudTrailSourceSpec
    choices: Choices
    reader: Reader | None
    """The role that reads; None where it is in another account."""
    foreign_reader: str | None
    """ARN of a role or user in another account that reads."""

    @property
    def makes_bucket(self) -> bool:
        """Whether the bucket is part of it."""
        return not self.choices.existing_bucket

    @property
    def log_prefix(self) -> str:
        """What the keys of all log files begin with."""
        return find_log_prefix(self.spec.prefix)

    @property
    def trail_prefix(self) -> str:
        """The trail's own prefix: nothing, or a text that ends with a slash."""
        return find_trail_prefix(self.spec.prefix)

    @property
    def bucket_arns(self) -> list[str]:
        """The buckets that announce log files."""
        return [to.BUCKET_ARN, *(f"arn:{to.PARTITION}:s3:::{bucket}" for bucket in self.spec.extra_buckets)]

    @property
    def trail_arns(self) -> list[str]:
        """The trails that deliver to the bucket."""
        return [to.NAMED_TRAIL_ARN] if self.choices.trail else list(self.choices.trail_arns)

    @property
    def notification(self) -> Document:
        """What `aws s3api put-bucket-notification-configuration` wants for a bucket that exists."""
        if self.choices.wiring is Wiring.EVENT_BRIDGE:
            return {"EventBridgeConfiguration": {}}
        rules = [{"Name": "prefix", "Value": self.log_prefix}, {"Name": "suffix", "Value": SUFFIX}]
        what = {"Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
        if self.choices.wiring is Wiring.SNS:
            return {"TopicConfigurations": [{"TopicArn": to.TOPIC_ARN, **what}]}
        return {"QueueConfigurations": [{"QueueArn": to.QUEUE_ARN, **what}]}

    @property
    def event_pattern(self) -> dict[str, Any]:
        """The events of EventBridge that announce log files; a backslash makes a character of a wildcard literal."""
        prefix = re.sub(r"[\\*]", lambda match: f"\\{match[0]}", self.log_prefix)
        return {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {
                "bucket": {"name": [to.BUCKET, *self.spec.extra_buckets]},
                "object": {"key": [{"wildcard": f"{prefix}*{SUFFIX}"}]},
            },
        }


def plan_stack(
    spec: CloudTrailSourceSpec, key: SourceKey, choices: Choices, identity: Identity, surroundings: Surroundings
) -> Stack:
    """Decide what to make. Raises SetupError with every mistake."""
    problems = find_problems(spec, choices)
    foreign, reader = None, None
    try:
        foreign = find_foreign_reader(spec, identity)
        reader = None if foreign else plan_reader(spec, key, identity, surroundings, choices.own_key)
    except SetupError as error:
        problems += error.problems
    if problems:
        raise SetupError(problems)
    return Stack(key, spec, choices, reader, foreign)
