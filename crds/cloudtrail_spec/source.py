"""CloudTrailSourceSpec: the pipeline, and how its collectors are deployed."""

import re
from collections.abc import Sequence
from enum import StrEnum
from posixpath import dirname
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from cloudtrail_spec.arn import ROLE_ARN_PATTERN
from cloudtrail_spec.base import ApiModel, CelRule
from cloudtrail_spec.collector import CollectorSettings
from cloudtrail_spec.kube import SecretReference
from cloudtrail_spec.pipeline import PipelineSpec


class CredentialsType(StrEnum):
    """Where a collector's AWS credentials come from."""

    IRSA = "IRSA"
    POD_IDENTITY = "PodIdentity"
    SECRET = "Secret"  # noqa: S105  (a kind of credentials, not one)


class Credentials(ApiModel):
    """Where the collectors' AWS credentials come from."""

    type: CredentialsType = Field(
        default=CredentialsType.IRSA,
        description="IRSA: a projected ServiceAccount token assumes roleArn. PodIdentity: an EKS Pod Identity association"
        " of the collectors' ServiceAccount supplies the role. Secret: static keys from a Secret, for clusters outside"
        " AWS.",
    )
    audience: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        default="sts.amazonaws.com",
        description="Audience of the projected token, for IRSA.",
    )
    secret_ref: SecretReference | None = Field(
        default=None,
        description="The Secret with the keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and optionally AWS_SESSION_TOKEN,"
        " for type Secret.",
    )

    cel_rules: ClassVar = (
        CelRule(
            "(self.type == 'Secret') == has(self.secretRef)",
            "secretRef is needed with, and only allowed with, type Secret",
            ".secretRef",
        ),
    )

    @model_validator(mode="after")
    def _secret_ref_only_with_secret(self) -> Self:
        if (self.type is CredentialsType.SECRET) != (self.secret_ref is not None):
            raise ValueError(self.cel_rules[0].message)
        return self


class Scaling(ApiModel):
    """Autoscaling of the collectors on the queue's backlog.

    By a ScaledObject where KEDA is installed, else by a HorizontalPodAutoscaler.
    """

    min: Annotated[int, Field(ge=0, le=100)] = Field(
        default=1, description="Fewest collectors. 0 stops the last one while the queue is empty, and needs KEDA."
    )
    max: Annotated[int, Field(ge=1, le=100)] = Field(description="Most collectors.")
    target_messages: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1000, description="Messages, visible and in flight, that one collector should face."
    )
    target_cpu_percent: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None,
        alias="targetCPUPercent",
        description="Average use of the requested CPU, in percent, above which collectors are added even if the backlog"
        " is small. Absent: only the backlog counts.",
    )

    cel_rules: ClassVar = (CelRule("self.min <= self.max", "min must not be greater than max", ".min"),)

    @model_validator(mode="after")
    def _min_below_max(self) -> Self:
        if self.min > self.max:
            raise ValueError(self.cel_rules[0].message)
        return self


ROLE_RULE = CelRule(
    "(!has(self.credentials) || self.credentials.type == 'IRSA') == has(self.roleArn)",
    "roleArn is needed with, and only allowed with, credentials of type IRSA",
    ".roleArn",
)
REPLICAS_RULE = CelRule(
    "!has(self.scaling) || !has(self.collector) || !has(self.collector.replicas)",
    "scaling and collector.replicas exclude each other",
    ".scaling",
)
MOST_HELD = 100_000  # SQS refuses receives at about 120,000 messages in flight in one queue
HELD_RULE = CelRule(
    f"!has(self.scaling) || !has(self.test) || self.scaling.max * self.test.maxMessages <= {MOST_HELD}",
    f"scaling.max times test.maxMessages must not be greater than {MOST_HELD:,}: SQS allows 120,000 messages in flight",
    ".scaling",
)
CPU_RULE = CelRule(
    "!has(self.scaling) || !has(self.scaling.targetCPUPercent) || !has(self.collector) || !has(self.collector.resources)"
    " || (has(self.collector.resources.requests) && has(self.collector.resources.requests.cpu))"
    " || (has(self.collector.resources.limits) && has(self.collector.resources.limits.cpu))",
    "scaling.targetCPUPercent needs collector.resources.requests.cpu: it is a share of what is requested",
    ".scaling",
)
SCALING_RULES = (REPLICAS_RULE, HELD_RULE, CPU_RULE)

FILE_MESSAGE = "a file sink in a cluster writes below /data, where a volume is mounted: /data/<folder>/<file>"
FILE_RULES = (
    CelRule(
        "!has(self.sinks) || self.sinks.all(sink, !has(sink.file) || sink.file.path.matches('^/data/.+/'))",
        FILE_MESSAGE,
        ".sinks",
    ),
    CelRule(
        "!has(self.deadLetterSink) || !has(self.deadLetterSink.file)"
        " || self.deadLetterSink.file.path.matches('^/data/.+/')",
        FILE_MESSAGE,
        ".deadLetterSink",
    ),
)
SHARED_FOLDER = "file sinks need a folder each, since each has a volume of its own"


class CloudTrailSourceSpec(PipelineSpec):
    """What to collect, and how the collectors run."""

    role_arn: Annotated[str, StringConstraints(pattern=ROLE_ARN_PATTERN, max_length=2048)] | None = Field(
        default=None,
        description="ARN of the IAM role that the collectors assume, for credentials of type IRSA.",
    )
    credentials: Credentials | None = Field(
        None, description="Where AWS credentials come from. Absent: IRSA with roleArn."
    )
    collector: CollectorSettings | None = Field(None, description="How the collector pods look.")
    scaling: Scaling | None = Field(
        None,
        description="Autoscaling on the queue's backlog; the autoscaler then decides the number of collectors. Mode Paused"
        " wins over it.",
    )

    cel_rules: ClassVar[Sequence[CelRule]] = (*PipelineSpec.cel_rules, ROLE_RULE, *SCALING_RULES, *FILE_RULES)

    @model_validator(mode="after")
    def _deployment_rules(self) -> Self:
        if (self.credentials_in_force.type is CredentialsType.IRSA) != (self.role_arn is not None):
            raise ValueError(ROLE_RULE.message)
        paths = [sink.file.path for sink in self.all_sinks if sink.file is not None]
        if not all(re.match("/data/.+/", path) for path in paths):
            raise ValueError(FILE_MESSAGE)
        if len({dirname(path) for path in paths}) < len(paths):
            raise ValueError(SHARED_FOLDER)
        return self

    @model_validator(mode="after")
    def _scaling_rules(self) -> Self:
        if self.scaling is None:
            return self
        if self.collector_settings.replicas is not None:
            raise ValueError(REPLICAS_RULE.message)
        if self.scaling.max * self.test_settings.max_messages > MOST_HELD:
            raise ValueError(HELD_RULE.message)
        resources = self.collector_settings.resources
        amounts = (resources.requests, resources.limits) if resources else ()
        if self.scaling.target_cpu_percent and resources and not any(amount and amount.cpu for amount in amounts):
            raise ValueError(CPU_RULE.message)
        return self

    @property
    def credentials_in_force(self) -> Credentials:
        """The credentials, with their defaults."""
        return self.credentials or Credentials()

    @property
    def collector_settings(self) -> CollectorSettings:
        """The pod settings, with their defaults."""
        return self.collector or CollectorSettings()

    def to_pipeline(self) -> PipelineSpec:
        """The part that a collector loads: the pipeline without anything about its deployment."""
        return PipelineSpec.model_validate({name: getattr(self, name) for name in PipelineSpec.model_fields})
