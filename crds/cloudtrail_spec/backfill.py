"""CloudTrailBackfillSpec: which past log files of a bucket to read, and how. What happens to their events, a source says."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic.fields import FieldInfo

from cloudtrail_spec.arn import ROLE_ARN_PATTERN, find_partition
from cloudtrail_spec.base import ApiModel, CelRule, describe_mistake, list_mistakes
from cloudtrail_spec.bucket_name import BucketName
from cloudtrail_spec.collector import CollectorSettings
from cloudtrail_spec.event_metrics import MetricRule
from cloudtrail_spec.filters import FilterRule
from cloudtrail_spec.formats import EventFormat, RawOptions
from cloudtrail_spec.interval import FORMS, INTERVAL_PATTERN
from cloudtrail_spec.masks import MaskRule
from cloudtrail_spec.pipeline import (
    ARCHIVE_MESSAGE,
    BUCKET_RULES,
    DEAD_LETTER_NAME_RULE,
    DEAD_LETTER_RULE,
    METADATA_RULE,
    AccountId,
    AssumedRole,
    EndpointUrl,
    LogClass,
    Mode,
    ObjectsPolicy,
    RegionName,
)
from cloudtrail_spec.sinks import SinkSpec, SinkTarget
from cloudtrail_spec.source import FILE_RULES, ROLE_RULE, CloudTrailSourceSpec, Credentials

MOST_SHARES = 100


def _as_in_source(name: str) -> Any:
    """Take over a field of a source: its description and default. Its type stands beside the call."""
    info = CloudTrailSourceSpec.model_fields[name]
    return FieldInfo(default=copy.copy(info.default), description=info.description, alias=info.alias)


class SourceReference(ApiModel):
    """A CloudTrailSource in the backfill's own namespace."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=52)] = Field(
        description="Name of the source."
    )


class BackfillEndpoints(ApiModel):
    """Base URLs of single AWS services, such as VPC endpoints without private DNS. Each overrides endpointUrl."""

    s3: EndpointUrl | None = Field(None, description="Base URL for S3; objects are addressed path-style.")
    sts: EndpointUrl | None = Field(None, description="Base URL for STS.")


COLLECTOR_RULE = CelRule(
    "!has(self.collector) || !has(self.collector.replicas)",
    "leave out collector.replicas: parallelism says how many pods run",
    ".collector",
)
ARCHIVE_RULES = (
    CelRule(
        "!self.sinks.exists(sink, has(sink.s3) && sink.s3.bucket == self.bucket)",
        ARCHIVE_MESSAGE,
        ".sinks",
    ),
    CelRule(
        "!has(self.deadLetterSink) || !has(self.deadLetterSink.s3) || self.deadLetterSink.s3.bucket != self.bucket",
        ARCHIVE_MESSAGE,
        ".deadLetterSink",
    ),
)


class BackfillSource(ApiModel):
    """What a source would say, for a backfill that has none: the bucket, the role, and what to do with the events."""

    bucket: BucketName = Field(description="Name of the S3 bucket that the trail delivers to. It is only read.")
    prefix: Annotated[str, StringConstraints(max_length=512, pattern=r"^[^/\s][^\s]*$")] | None = Field(
        None, description="The trail's S3 key prefix, before AWSLogs. Absent: AWSLogs is looked for."
    )
    region: RegionName = Field(description="AWS region for requests to S3 and STS, best that of the bucket.")
    endpoint_url: EndpointUrl | None = Field(
        None,
        description="Base URL used for S3 and STS instead of AWS's public endpoints. For tests and local stand-ins.",
    )
    endpoints: BackfillEndpoints | None = Field(None, description=str(BackfillEndpoints.__doc__))
    role_arn: Annotated[str, StringConstraints(pattern=ROLE_ARN_PATTERN, max_length=2048)] | None = _as_in_source(
        "role_arn"
    )
    credentials: Credentials | None = _as_in_source("credentials")
    assume_role: AssumedRole | None = _as_in_source("assume_role")
    filters: Annotated[tuple[FilterRule, ...], Field(max_length=64)] = _as_in_source("filters")
    mask: Annotated[tuple[MaskRule, ...], Field(max_length=16)] = _as_in_source("mask")
    format: EventFormat = _as_in_source("format")
    raw: RawOptions | None = _as_in_source("raw")
    metrics: Annotated[tuple[MetricRule, ...], Field(max_length=32)] = _as_in_source("metrics")
    sinks: Annotated[tuple[SinkSpec, ...], Field(min_length=1, max_length=16)] = Field(
        description="Where events go. Every sink gets every event, or those that its fieldSelectors match."
    )
    dead_letter_sink: SinkTarget | None = Field(
        None,
        description="Where log files and event records go that cannot be read, with the reason, the bucket, the key and"
        " the record's index, as one JSON object a line. Absent: a file that cannot be read fails its share.",
    )
    objects: ObjectsPolicy | None = _as_in_source("objects")
    collector: CollectorSettings | None = Field(None, description="How the pods look. All but replicas applies.")

    cel_rules: ClassVar[Sequence[CelRule]] = (
        *BUCKET_RULES, DEAD_LETTER_RULE, DEAD_LETTER_NAME_RULE, *ARCHIVE_RULES, METADATA_RULE, ROLE_RULE, *FILE_RULES,
        COLLECTOR_RULE,
    )  # fmt: skip
    list_map_keys: ClassVar = {"filters": "name", "sinks": "name", "metrics": "name"}

    @model_validator(mode="after")
    def _rules_of_a_source(self) -> Self:
        if self.collector is not None and self.collector.replicas is not None:
            raise ValueError(COLLECTOR_RULE.message)
        try:
            self.to_source_spec()
        except ValidationError as error:
            raise ValueError("; ".join(describe_mistake(item) for item in list_mistakes(error))) from error
        return self

    def to_source_spec(self) -> CloudTrailSourceSpec:
        """Turn it into the spec of a source, on a queue that does not exist and that nobody asks."""
        said = {name: getattr(self, name) for name in type(self).model_fields}
        if self.endpoints is not None:
            said["endpoints"] = self.endpoints.model_dump()
        queue = f"arn:{find_partition(self.region)}:sqs:{self.region}:{'0' * 12}:none"
        return CloudTrailSourceSpec.model_validate(said | {"mode": Mode.ACTIVE, "queue_arn": queue})


XOR_RULE = CelRule("has(self.sourceRef) != has(self.source)", "exactly one of sourceRef and source is needed")
INTERVAL_WORDS = f"write {FORMS}"
INTERVAL_RULE = CelRule(f"self.interval.matches('{INTERVAL_PATTERN}')", INTERVAL_WORDS, ".interval")
PARALLELISM_RULE = CelRule(
    "self.parallelism <= self.shares", "parallelism must not be greater than shares", ".parallelism"
)
CHANGEABLE = ("parallelism", "suspend", "ttl_seconds_after_finished")


def _check_form(text: str) -> str:
    """Check the form in the words of the CEL rule; the server's own words for a pattern help few."""
    if re.fullmatch(INTERVAL_PATTERN, text) is None:
        raise ValueError(INTERVAL_RULE.message)
    return text


def _build_fixed_rule(name: str) -> CelRule:
    """Build the rule that a field must not change, come or go."""
    return CelRule(
        f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
        f"{name} cannot be changed: make a new backfill",
        f".{name}",
    )


class CloudTrailBackfillSpec(ApiModel):
    """Which past log files to read, with whose settings, and how many at a time.

    Only parallelism, suspend and ttlSecondsAfterFinished can be changed.
    """

    source_ref: SourceReference | None = Field(
        None,
        description="The source whose buckets, prefix, role, filters, masks, format, sinks and pod settings are used, as"
        " they are when the backfill starts. Its mode does not matter, and its queue is not touched.",
    )
    source: BackfillSource | None = Field(None, description=str(BackfillSource.__doc__))
    interval: Annotated[str, StringConstraints(max_length=64), AfterValidator(_check_form)] = Field(
        description="From when to when, by the time in the log files' names. 5d: the five days before the backfill was"
        " created; 5d-2d: from five to two days before; an instant such as 2021-03-30T18:07:17Z: from then until the"
        " creation; two instants, or an instant and a duration, with a dash between. A duration is a whole number of w,"
        " d, h, m or s.",
    )
    accounts: Annotated[tuple[AccountId, ...], Field(max_length=1000)] = Field(
        default=(), description="Only log files of these accounts are read. Absent: those that the source selects."
    )
    regions: Annotated[tuple[RegionName, ...], Field(max_length=100)] = Field(
        default=(), description="Only log files of these regions are read. Absent: those that the source selects."
    )
    classes: Annotated[tuple[LogClass, ...], Field(max_length=4)] = Field(
        default=(),
        description="Kinds of log files to read: CloudTrail (management and data events), Insight, NetworkActivity,"
        " Aggregated. Absent: those that the source selects.",
    )
    shares: Annotated[int, Field(ge=1, le=MOST_SHARES)] = Field(
        default=8,
        description="Into how many parts the work is divided, each done by one pod with a checkpoint of its own. Every day"
        " of an account and a region belongs to one of them.",
    )
    parallelism: Annotated[int, Field(ge=1, le=MOST_SHARES)] = Field(
        default=2, description="How many pods work at a time, at most as many as there are shares. May be changed."
    )
    suspend: bool = Field(
        default=False,
        description="Stops the pods; what they have done is kept, and they go on from there when it is false again.",
    )
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = Field(
        None,
        description="How long the Job, its pods and its ConfigMaps are kept after the backfill has completed or failed, in"
        " seconds. Absent: as long as the backfill, which stays as the record in any case.",
    )

    cel_rules: ClassVar[Sequence[CelRule]] = (
        XOR_RULE,
        INTERVAL_RULE,
        PARALLELISM_RULE,
        *map(_build_fixed_rule, ("sourceRef", "source", "interval", "accounts", "regions", "classes", "shares")),
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.source_ref is None) == (self.source is None):
            raise ValueError(XOR_RULE.message)
        if self.parallelism > self.shares:
            raise ValueError(PARALLELISM_RULE.message)
        return self

    @property
    def fixed(self) -> Mapping[str, Any]:
        """What must not change, as JSON with only what differs from the defaults."""
        return self.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude_defaults=True, exclude=set(CHANGEABLE)
        )
