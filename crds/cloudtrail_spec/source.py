"""CloudTrailSourceSpec: the pipeline, and how its collectors are deployed."""

import re
from collections.abc import Sequence
from enum import StrEnum
from posixpath import dirname
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from cloudtrail_spec.arn import ROLE_ARN_PATTERN
from cloudtrail_spec.base import ApiModel, CelRule
from cloudtrail_spec.pipeline import PipelineSpec

DnsName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)]
LabelKey = Annotated[str, StringConstraints(max_length=317)]
LabelValue = Annotated[str, StringConstraints(max_length=63)]
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$", max_length=32)]


class CredentialsType(StrEnum):
    """Where a collector's AWS credentials come from."""

    IRSA = "IRSA"
    POD_IDENTITY = "PodIdentity"
    SECRET = "Secret"  # noqa: S105  (a kind of credentials, not one)


class SecretReference(ApiModel):
    """A Secret in the source's own namespace."""

    name: DnsName = Field(description="Name of the Secret.")


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


class ResourceAmounts(ApiModel):
    """Amounts of compute resources."""

    cpu: Quantity | None = Field(None, description="CPU, such as 500m. A collector uses at most one core well.")
    memory: Quantity | None = Field(None, description="Memory, such as 512Mi.")


class Resources(ApiModel):
    """Compute resources of a collector container."""

    requests: ResourceAmounts | None = Field(None, description="What the scheduler reserves.")
    limits: ResourceAmounts | None = Field(None, description="What the container may use at most.")


class Toleration(ApiModel):
    """A toleration, as in a Pod."""

    key: LabelKey | None = Field(None, description="Taint key; absent means every key (with operator Exists).")
    operator: Annotated[str, StringConstraints(pattern="^(Equal|Exists)$", max_length=6)] | None = Field(
        None, description="Equal or Exists."
    )
    value: LabelValue | None = Field(None, description="Taint value, for operator Equal.")
    effect: (
        Annotated[str, StringConstraints(pattern="^(NoSchedule|PreferNoSchedule|NoExecute)$", max_length=16)] | None
    ) = Field(None, description="Taint effect; absent means every effect.")
    toleration_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = Field(
        None, description="How long a NoExecute taint is tolerated, in seconds."
    )


class LogLevel(StrEnum):
    """How much a collector logs to standard error."""

    DEBUG = "Debug"
    INFO = "Info"
    WARNING = "Warning"
    ERROR = "Error"


class CollectorSettings(ApiModel):
    """How the collector pods look."""

    replicas: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Number of collectors in modes Test and Active. Absent: 1. They share the queue's work."
    )
    image: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        None, description="Collector image. Absent: the one that the operator was installed with."
    )
    image_pull_policy: (
        Annotated[str, StringConstraints(pattern="^(Always|IfNotPresent|Never)$", max_length=16)] | None
    ) = Field(None, description="Always, IfNotPresent or Never. Absent: Kubernetes' default.")
    image_pull_secrets: Annotated[tuple[SecretReference, ...], Field(max_length=8)] = Field(
        default=(), description="Secrets for pulling the image."
    )
    log_level: LogLevel = Field(default=LogLevel.INFO, description="How much the collectors log.")
    resources: Resources | None = Field(
        None, description="Compute resources. Absent: requests of 100m and 256Mi, a memory limit of 1Gi, no CPU limit."
    )
    termination_grace_period_seconds: Annotated[int, Field(ge=5, le=3600)] = Field(
        default=60,
        description="How long a collector may take to finish or give back its messages when it stops, in seconds.",
    )
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = Field(
        default={}, description="Extra labels of the pods."
    )
    annotations: Annotated[dict[LabelKey, Annotated[str, StringConstraints(max_length=4096)]], Field(max_length=32)] = (
        Field(default={}, description="Extra annotations of the pods.")
    )
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = Field(
        default={}, description="Labels that a node must have to run the pods."
    )
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=16)] = Field(
        default=(), description="Taints that the pods tolerate."
    )
    priority_class_name: DnsName | None = Field(None, description="PriorityClass of the pods.")


class Scaling(ApiModel):
    """Bounds for autoscaling the collectors on the queue's backlog."""

    min: Annotated[int, Field(ge=0, le=100)] = Field(default=1, description="Fewest collectors.")
    max: Annotated[int, Field(ge=1, le=100)] = Field(description="Most collectors.")
    target_messages: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1000, description="Messages, visible and in flight, that one collector should face."
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
        description="Autoscaling on the backlog. Not available in this version: a source that sets it is Stalled.",
    )

    cel_rules: ClassVar[Sequence[CelRule]] = (*PipelineSpec.cel_rules, ROLE_RULE, REPLICAS_RULE, *FILE_RULES)

    @model_validator(mode="after")
    def _deployment_rules(self) -> Self:
        if (self.credentials_in_force.type is CredentialsType.IRSA) != (self.role_arn is not None):
            raise ValueError(ROLE_RULE.message)
        if self.scaling is not None and self.collector is not None and self.collector.replicas is not None:
            raise ValueError(REPLICAS_RULE.message)
        paths = [sink.file.path for sink in self.all_sinks if sink.file is not None]
        if not all(re.match("/data/.+/", path) for path in paths):
            raise ValueError(FILE_MESSAGE)
        if len({dirname(path) for path in paths}) < len(paths):
            raise ValueError(SHARED_FOLDER)
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
