"""PipelineSpec: everything that a collector needs to run, and nothing of how it is deployed.

The operator writes it as JSON into the ConfigMap that a collector loads; on a laptop it is an ordinary file.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from cloudtrail_spec.arn import QUEUE_ARN_PATTERN, Arn
from cloudtrail_spec.base import ApiModel, CelRule
from cloudtrail_spec.filters import FilterRule
from cloudtrail_spec.sinks import SinkSpec

MEBIBYTE = 1024 * 1024


class Mode(StrEnum):
    """What the collectors of a source do."""

    PAUSED = "Paused"
    TEST = "Test"
    ACTIVE = "Active"


class EventFormat(StrEnum):
    """How an event record looks when it leaves."""

    RAW = "Raw"
    FALCO = "Falco"
    ECS = "ECS"
    OCSF = "OCSF"


class MaskPreset(StrEnum):
    """A ready-made mask."""

    ACCESS_KEY_IDS = "AccessKeyIds"
    ASSUMED_ROLE_IDS = "AssumedRoleIds"
    SESSION_TOKENS = "SessionTokens"
    SOURCE_IPS = "SourceIPs"
    USER_NAMES = "UserNames"
    ACCOUNT_IDS = "AccountIds"


class MissingObjectPolicy(StrEnum):
    """What happens to a notification whose object is not in the bucket."""

    RETRY = "Retry"
    DROP = "Drop"


class MaskRule(ApiModel):
    """Hides values in event records before they reach a sink."""

    preset: MaskPreset = Field(description="Which values to hide.")


class ObjectsPolicy(ApiModel):
    """How objects that cannot be read are treated."""

    missing: MissingObjectPolicy = Field(
        default=MissingObjectPolicy.RETRY,
        description="What to do when an announced object does not exist: Retry leaves the message to the queue's redrive"
        " policy, Drop counts the object and treats it as done.",
    )
    max_uncompressed_bytes: Annotated[int, Field(ge=MEBIBYTE, le=4096 * MEBIBYTE)] = Field(
        default=256 * MEBIBYTE,
        description="Largest size of a log file after decompression, in bytes. A larger one is refused and its message"
        " left to the queue's redrive policy. It bounds the collector's memory: raise the memory limit with it.",
    )


class TestSettings(ApiModel):
    """Bounds of mode Test."""

    __test__: ClassVar = False  # not a test class, whatever pytest thinks of the name

    max_messages: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1000,
        description="How many messages one collector holds in mode Test. Held messages are invisible to other readers of"
        " the queue; when the bound is reached the collector stops receiving until it is restarted.",
    )


BUCKET_RULES = (
    CelRule("!self.bucket.contains('..')", "a bucket name must not contain two dots in a row", ".bucket"),
    CelRule(
        r"!self.bucket.matches('^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$')",
        "a bucket name must not look like an IP address",
        ".bucket",
    ),
    CelRule(
        "!self.bucket.startsWith('xn--') && !self.bucket.startsWith('sthree-') && !self.bucket.endsWith('-s3alias')",
        "a bucket name must not begin with xn-- or sthree- nor end with -s3alias; access point aliases are not supported",
        ".bucket",
    ),
)
REGION_RULE = CelRule(
    "has(self.endpointUrl) || self.queueArn.split(':')[3] == self.region",
    "region must be the region in queueArn (only with endpointUrl may they differ)",
    ".region",
)
SINKS_RULE = CelRule(
    "(has(self.mode) && self.mode == 'Paused') || (has(self.sinks) && size(self.sinks) > 0)",
    "modes Test and Active need at least one sink",
    ".sinks",
)


class PipelineSpec(ApiModel):
    """What to read, what to do with it, and where to send it."""

    mode: Mode = Field(
        default=Mode.PAUSED,
        description="Paused runs no collector. Test delivers events to the sinks but deletes no message: it holds up to"
        " test.maxMessages invisible and gives them back when it stops. Active deletes a message after every event of"
        " every object that it names was accepted. A change of mode is a rollout.",
    )
    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", max_length=63)] = Field(
        description="Name of the S3 bucket that the trail delivers to. Objects of other buckets are never read.",
    )
    prefix: Annotated[str, StringConstraints(max_length=512, pattern=r"^[^/\s][^\s]*$")] | None = Field(
        default=None,
        description="Only objects whose key begins with this are read, such as the trail's S3 key prefix. Objects outside"
        " it are counted as skipped.",
    )
    queue_arn: Annotated[str, StringConstraints(pattern=QUEUE_ARN_PATTERN, max_length=256)] = Field(
        description="ARN of the SQS standard queue that announces new objects (S3 event notifications, directly or"
        " through SNS).",
    )
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$", max_length=32)] = Field(
        description="AWS region of the queue.",
    )
    endpoint_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+/?$", max_length=512)] | None = Field(
        default=None,
        description="Base URL used for SQS, S3 and STS instead of AWS's public endpoints. For tests and local stand-ins.",
    )
    filters: Annotated[tuple[FilterRule, ...], Field(max_length=64)] = Field(
        default=(),
        description="Ordered filter rules; the first that matches an event record decides, no match keeps it.",
    )
    mask: Annotated[tuple[MaskRule, ...], Field(max_length=16)] = Field(
        default=(),
        description="Values to hide before events leave. Not available in this version: a source that sets it is Stalled.",
    )
    format: EventFormat = Field(
        default=EventFormat.RAW,
        description="How events leave. Raw is the record as AWS wrote it. The other formats are not available in this"
        " version: a source that asks for one is Stalled.",
    )
    sinks: Annotated[tuple[SinkSpec, ...], Field(max_length=16)] = Field(
        default=(),
        description="Where events go. Every sink gets every event; a message is done when all have accepted.",
    )
    objects: ObjectsPolicy | None = Field(None, description="How objects that cannot be read are treated.")
    test: TestSettings | None = Field(None, description="Bounds of mode Test.")
    visibility_timeout_seconds: Annotated[int, Field(ge=30, le=43_200)] | None = Field(
        default=None,
        description="How long a received message stays invisible before its timeout is extended, in seconds. Absent: the"
        " queue's own visibility timeout.",
    )

    cel_rules: ClassVar[Sequence[CelRule]] = (*BUCKET_RULES, REGION_RULE, SINKS_RULE)
    list_map_keys: ClassVar = {"filters": "name", "sinks": "name"}

    @field_validator("bucket")
    @classmethod
    def _bucket_name(cls, bucket: str) -> str:
        bad_affix = bucket.startswith(("xn--", "sthree-")) or bucket.endswith("-s3alias")
        broken = (".." in bucket, re.fullmatch(r"\d+\.\d+\.\d+\.\d+", bucket) is not None, bad_affix)
        for is_broken, rule in zip(broken, BUCKET_RULES, strict=True):
            if is_broken:
                raise ValueError(rule.message)
        return bucket

    @model_validator(mode="after")
    def _cross_field_rules(self) -> Self:
        if self.endpoint_url is None and Arn.parse(self.queue_arn).region != self.region:
            raise ValueError(REGION_RULE.message)
        if self.mode is not Mode.PAUSED and not self.sinks:
            raise ValueError(SINKS_RULE.message)
        for what, names in (("filters", [rule.name for rule in self.filters]), ("sinks", [s.name for s in self.sinks])):
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise ValueError(f"{what}: names must be unique, repeated: {', '.join(repeated)}")
        return self

    @property
    def objects_policy(self) -> ObjectsPolicy:
        """The policy in force, with its defaults."""
        return self.objects or ObjectsPolicy()

    @property
    def test_settings(self) -> TestSettings:
        """The bounds of mode Test in force, with their defaults."""
        return self.test or TestSettings()
