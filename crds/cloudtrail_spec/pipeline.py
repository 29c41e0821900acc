"""PipelineSpec: everything that a collector needs to run, and nothing of how it is deployed.

The operator writes it as JSON into the ConfigMap that a collector loads; on a laptop it is an ordinary file.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from cloudtrail_spec.arn import QUEUE_ARN_PATTERN, ROLE_ARN_PATTERN, Arn
from cloudtrail_spec.base import ApiModel, CelRule
from cloudtrail_spec.bucket_name import BucketName
from cloudtrail_spec.event_metrics import MetricRule
from cloudtrail_spec.filters import FilterRule
from cloudtrail_spec.formats import EventFormat, RawOptions
from cloudtrail_spec.integrity import Integrity
from cloudtrail_spec.masks import MaskRule
from cloudtrail_spec.sinks import SinkSpec, SinkTarget

MEBIBYTE = 1024 * 1024


class Mode(StrEnum):
    """What the collectors of a source do."""

    PAUSED = "Paused"
    TEST = "Test"
    ACTIVE = "Active"


class MissingObjectPolicy(StrEnum):
    """What happens to a notification whose object is not in the bucket."""

    RETRY = "Retry"
    DROP = "Drop"
    DEAD_LETTER = "DeadLetter"


class LogClass(StrEnum):
    """The kinds of log files that trails deliver, by the folder in their key."""

    CLOUDTRAIL = "CloudTrail"
    INSIGHT = "Insight"
    NETWORK_ACTIVITY = "NetworkActivity"
    AGGREGATED = "Aggregated"


DEFAULT_CLASSES = (LogClass.CLOUDTRAIL, LogClass.INSIGHT, LogClass.NETWORK_ACTIVITY)


RegionName = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$", max_length=32)]
AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$", max_length=12)]
EndpointUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+/?$", max_length=512)]


class ObjectsPolicy(ApiModel):
    """Which of the announced objects are read, and how those that cannot be read are treated."""

    classes: Annotated[tuple[LogClass, ...], Field(min_length=1, max_length=4)] | None = Field(
        default=None,
        description="Kinds of log files to read: CloudTrail (management and data events), Insight, NetworkActivity,"
        " Aggregated (five-minute summaries of data events; records of another shape). Absent: all but Aggregated."
        " Digest files are never read as events.",
    )
    account_ids: Annotated[tuple[AccountId, ...], Field(min_length=1, max_length=1000)] | None = Field(
        default=None,
        description="Only log files of these accounts are read, by the account in the object's key. Absent: all accounts.",
    )
    regions: Annotated[tuple[RegionName, ...], Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="Only log files of these regions are read, by the region in the object's key. Absent: all regions.",
    )
    missing: MissingObjectPolicy = Field(
        default=MissingObjectPolicy.RETRY,
        description="What to do when an announced object does not exist: Retry leaves the message to the queue's redrive"
        " policy, Drop counts the object and treats it as done, DeadLetter tells deadLetterSink and treats it as done.",
    )
    max_uncompressed_bytes: Annotated[int, Field(ge=MEBIBYTE, le=16_384 * MEBIBYTE)] = Field(
        default=1024 * MEBIBYTE,
        description="Largest size of a log file after decompression, in bytes. A larger one is refused: it goes to"
        " deadLetterSink, or is left to the queue's redrive policy when there is none. Large files are read in pieces, so"
        " that this does not bound memory but time. AWS's own limit is 50 MB compressed.",
    )


class Deduplication(ApiModel):
    """Drops event records that this collector has delivered before."""

    window_size: Annotated[int, Field(ge=1000, le=1_000_000)] = Field(
        default=100_000,
        description="How many delivered eventIDs one collector remembers, about 100 bytes each. Replicas do not share"
        " them, and a restart forgets them.",
    )


class AssumedRole(ApiModel):
    """A role that is assumed with the credentials of the pod (role chaining), such as one in the account of the trail."""

    role_arn: Annotated[str, StringConstraints(pattern=ROLE_ARN_PATTERN, max_length=2048)] = Field(
        description="ARN of the role. Its trust policy must name the role that the pod has."
    )
    external_id: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+=,.@:/-]+$", min_length=2, max_length=1224)] | None
    ) = Field(None, description="External id that the role's trust policy asks for. Not a secret.")


class Endpoints(ApiModel):
    """Base URLs of single AWS services, such as VPC endpoints without private DNS. Each overrides endpointUrl."""

    sqs: EndpointUrl | None = Field(None, description="Base URL for SQS.")
    s3: EndpointUrl | None = Field(None, description="Base URL for S3; objects are addressed path-style.")
    sts: EndpointUrl | None = Field(None, description="Base URL for STS.")
    cloudtrail: EndpointUrl | None = Field(
        None, description="Base URL for CloudTrail, which integrity asks for public keys; the same in all regions."
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
EXTRA_BUCKET_RULES = tuple(
    CelRule(
        f"!has(self.extraBuckets) || self.extraBuckets.all(bucket, {rule.rule.replace('self.bucket', 'bucket')})",
        rule.message,
        ".extraBuckets",
    )
    for rule in BUCKET_RULES
)
REGION_RULE = CelRule(
    "has(self.endpointUrl) || (has(self.endpoints) && has(self.endpoints.sqs))"
    " || self.queueArn.split(':')[3] == self.region",
    "region must be the region in queueArn (only with an endpoint of your own may they differ)",
    ".region",
)
DEAD_LETTER_RULE = CelRule(
    "!has(self.objects) || !has(self.objects.missing) || self.objects.missing != 'DeadLetter' || has(self.deadLetterSink)",
    "objects.missing: DeadLetter needs deadLetterSink",
    ".objects",
)
DEAD_LETTER_NAME_RULE = CelRule(
    "!has(self.deadLetterSink) || !has(self.sinks) || !self.sinks.exists(sink, sink.name == self.deadLetterSink.name)",
    "deadLetterSink needs a name that no other sink has",
    ".deadLetterSink",
)
ARCHIVE_MESSAGE = "an s3 sink must not write to a bucket that the source reads"
ARCHIVE_RULES = (
    CelRule(
        "!has(self.sinks) || !self.sinks.exists(sink, has(sink.s3) && (sink.s3.bucket == self.bucket"
        " || (has(self.extraBuckets) && sink.s3.bucket in self.extraBuckets)))",
        ARCHIVE_MESSAGE,
        ".sinks",
    ),
    CelRule(
        "!has(self.deadLetterSink) || !has(self.deadLetterSink.s3) || !(self.deadLetterSink.s3.bucket == self.bucket"
        " || (has(self.extraBuckets) && self.deadLetterSink.s3.bucket in self.extraBuckets))",
        ARCHIVE_MESSAGE,
        ".deadLetterSink",
    ),
)
METADATA_RULE = CelRule(
    "!has(self.sinks) || self.sinks.all(sink, !has(sink.elasticsearch)"
    " || (has(sink.format) ? sink.format : has(self.format) ? self.format : 'Raw') != 'Raw'"
    " || !(has(sink.raw) ? has(sink.raw.metadata) && sink.raw.metadata"
    " : has(self.raw) && has(self.raw.metadata) && self.raw.metadata))",
    "an elasticsearch sink takes no field _source: give it raw: {metadata: false}",
    ".sinks",
)
INTEGRITY_PREFIX = r"(^|/)AWSLogs/(o-[a-z0-9]+/)?[0-9]{12}/."
INTEGRITY_RULE = CelRule(
    f"!has(self.integrity) || !has(self.prefix) || !self.prefix.matches('{INTEGRITY_PREFIX}')",
    "integrity needs a prefix that ends with the account's folder or before it: digest files lie beside log files",
    ".prefix",
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
    bucket: BucketName = Field(
        description="Name of the S3 bucket that the trail delivers to. Objects of buckets that are neither named here nor"
        " in extraBuckets are never read.",
    )
    extra_buckets: Annotated[tuple[BucketName, ...], Field(max_length=16)] = Field(
        default=(),
        description="More buckets whose objects the same queue announces and that are read the same way.",
    )
    prefix: Annotated[str, StringConstraints(max_length=512, pattern=r"^[^/\s][^\s]*$")] | None = Field(
        default=None,
        description="Only objects whose key begins with this are read, such as the trail's S3 key prefix. Objects outside"
        " it are counted as skipped.",
    )
    queue_arn: Annotated[str, StringConstraints(pattern=QUEUE_ARN_PATTERN, max_length=256)] = Field(
        description="ARN of the SQS standard queue that announces new objects (S3's notifications, directly, through SNS or"
        " EventBridge, or CloudTrail's own through SNS).",
    )
    region: RegionName = Field(
        description="AWS region of the queue.",
    )
    endpoint_url: EndpointUrl | None = Field(
        default=None,
        description="Base URL used for SQS, S3 and STS instead of AWS's public endpoints. For tests and local stand-ins.",
    )
    endpoints: Endpoints | None = Field(None, description=str(Endpoints.__doc__))
    assume_role: AssumedRole | None = Field(None, description=str(AssumedRole.__doc__))
    filters: Annotated[tuple[FilterRule, ...], Field(max_length=64)] = Field(
        default=(),
        description="Ordered filter rules; the first that matches an event record decides, no match keeps it.",
    )
    mask: Annotated[tuple[MaskRule, ...], Field(max_length=16)] = Field(
        default=(),
        description="Values to hide in event records before they leave. No sink, no sample and no log line gets a value"
        " that is hidden; a record that cannot be read is then reported without its text.",
    )
    format: EventFormat = Field(
        default=EventFormat.RAW,
        description="How events leave, unless a sink says otherwise. Raw is the record as AWS wrote it, byte for byte when"
        " nothing in it is masked. Falco: the fields of Falco's CloudTrail plugin. ECS: Elastic Common Schema. OCSF: Open"
        " Cybersecurity Schema Framework.",
    )
    raw: RawOptions | None = Field(None, description=str(RawOptions.__doc__))
    metrics: Annotated[tuple[MetricRule, ...], Field(max_length=32)] = Field(
        default=(), description="Rules that count event records in Prometheus counters."
    )
    sinks: Annotated[tuple[SinkSpec, ...], Field(max_length=16)] = Field(
        default=(),
        description="Where events go. Every sink gets every event, or those that its fieldSelectors match; a message is done"
        " when each has accepted what it takes.",
    )
    dead_letter_sink: SinkTarget | None = Field(
        None,
        description="Where log files and event records go that cannot be read, with the reason, the bucket, the key and the"
        " record's index, as one JSON object a line; and events that a sink will never take, as it would have got them. The"
        " message then counts as done. Absent: a file that cannot be read, or an event that a sink does not take, leaves"
        " its message to the queue's redrive policy, and a record that cannot be read goes to every sink.",
    )
    objects: ObjectsPolicy | None = Field(None, description=str(ObjectsPolicy.__doc__))
    dedupe: Deduplication | None = Field(None, description=str(Deduplication.__doc__))
    integrity: Integrity | None = Field(None, description=f"{Integrity.__doc__} Absent: digest files are passed over.")
    test: TestSettings | None = Field(None, description="Bounds of mode Test.")
    visibility_timeout_seconds: Annotated[int, Field(ge=30, le=43_200)] | None = Field(
        default=None,
        description="How long a received message stays invisible before its timeout is extended, in seconds. Absent: the"
        " queue's own visibility timeout.",
    )

    cel_rules: ClassVar[Sequence[CelRule]] = (
        *BUCKET_RULES,
        *EXTRA_BUCKET_RULES,
        REGION_RULE,
        DEAD_LETTER_RULE,
        DEAD_LETTER_NAME_RULE,
        *ARCHIVE_RULES,
        METADATA_RULE,
        INTEGRITY_RULE,
        SINKS_RULE,
    )
    list_map_keys: ClassVar = {"filters": "name", "sinks": "name", "metrics": "name"}

    @field_validator("bucket")
    @classmethod
    def _bucket_name(cls, bucket: str) -> str:
        return _check_bucket(bucket)

    @field_validator("extra_buckets")
    @classmethod
    def _bucket_names(cls, buckets: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_check_bucket(bucket) for bucket in buckets)

    @model_validator(mode="after")
    def _cross_field_rules(self) -> Self:
        has_own_endpoint = self.endpoint_url is not None or (
            self.endpoints is not None and self.endpoints.sqs is not None
        )
        if not has_own_endpoint and Arn.parse(self.queue_arn).region != self.region:
            raise ValueError(REGION_RULE.message)
        if self.objects_policy.missing is MissingObjectPolicy.DEAD_LETTER and self.dead_letter_sink is None:
            raise ValueError(DEAD_LETTER_RULE.message)
        if self.dead_letter_sink is not None and self.dead_letter_sink.name in {sink.name for sink in self.sinks}:
            raise ValueError(DEAD_LETTER_NAME_RULE.message)
        if self.mode is not Mode.PAUSED and not self.sinks:
            raise ValueError(SINKS_RULE.message)
        for what, named in (("filters", self.filters), ("sinks", self.sinks), ("metrics", self.metrics)):
            names = [one.name for one in named]
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise ValueError(f"{what}: names must be unique, repeated: {', '.join(repeated)}")
        return self

    @model_validator(mode="after")
    def _integrity_rules(self) -> Self:
        if self.integrity is not None and self.prefix and re.search(INTEGRITY_PREFIX, self.prefix):
            raise ValueError(INTEGRITY_RULE.message)
        return self

    @model_validator(mode="after")
    def _sink_rules(self) -> Self:
        if any(sink.s3 is not None and sink.s3.bucket in self.buckets for sink in self.all_sinks):
            raise ValueError(ARCHIVE_MESSAGE)
        if any(sink.elasticsearch is not None and self._has_metadata(sink) for sink in self.sinks):
            raise ValueError(METADATA_RULE.message)
        return self

    def _has_metadata(self, sink: SinkSpec) -> bool:
        options = sink.raw or self.raw or RawOptions()
        return (sink.format or self.format) is EventFormat.RAW and options.metadata

    @property
    def all_sinks(self) -> tuple[SinkTarget, ...]:
        """The sinks, the one for dead letters among them."""
        return (*self.sinks, self.dead_letter_sink) if self.dead_letter_sink else self.sinks

    @property
    def buckets(self) -> frozenset[str]:
        """The buckets whose objects are read."""
        return frozenset((self.bucket, *self.extra_buckets))

    @property
    def objects_policy(self) -> ObjectsPolicy:
        """The policy in force, with its defaults."""
        return self.objects or ObjectsPolicy()

    @property
    def test_settings(self) -> TestSettings:
        """The bounds of mode Test in force, with their defaults."""
        return self.test or TestSettings()


def _check_bucket(bucket: str) -> str:
    bad_affix = bucket.startswith(("xn--", "sthree-")) or bucket.endswith("-s3alias")
    broken = (".." in bucket, re.fullmatch(r"\d+\.\d+\.\d+\.\d+", bucket) is not None, bad_affix)
    for is_broken, rule in zip(broken, BUCKET_RULES, strict=True):
        if is_broken:
            raise ValueError(rule.message)
    return bucket
