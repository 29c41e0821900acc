"""CollectorSettings: how the pods of a source's collectors look."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from cloudtrail_spec.base import ApiModel, CelRule
from cloudtrail_spec.kube import DnsName, LabelKey, LabelValue, Quantity, SecretReference
from cloudtrail_spec.pod_extras import Affinity, ExtraMount, ExtraVariable, ExtraVolume, TopologySpread


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
    affinity: Affinity | None = Field(
        None, description="Affinity of the pods, as in a Pod. What is wrong in it shows when the Deployment is applied."
    )
    topology_spread_constraints: Annotated[tuple[TopologySpread, ...], Field(max_length=8)] = Field(
        default=(), description="How the pods are spread. Absent: over the nodes, where possible."
    )
    priority_class_name: DnsName | None = Field(None, description="PriorityClass of the pods.")
    extra_env: Annotated[tuple[ExtraVariable, ...], Field(max_length=32)] = Field(
        default=(), description="More environment variables, such as HTTPS_PROXY, NO_PROXY and AWS_CA_BUNDLE."
    )
    extra_volumes: Annotated[tuple[ExtraVolume, ...], Field(max_length=16)] = Field(
        default=(), description="More volumes of the pods."
    )
    extra_volume_mounts: Annotated[tuple[ExtraMount, ...], Field(max_length=16)] = Field(
        default=(), description="Where the extra volumes are mounted."
    )

    cel_rules: ClassVar = (
        CelRule(
            "!has(self.extraVolumeMounts) || self.extraVolumeMounts.all(mount, has(self.extraVolumes)"
            " && self.extraVolumes.exists(volume, volume.name == mount.name))",
            "each of extraVolumeMounts needs a volume of its name in extraVolumes",
            ".extraVolumeMounts",
        ),
    )
    list_map_keys: ClassVar = {"extraEnv": "name", "extraVolumes": "name", "extraVolumeMounts": "mountPath"}

    @model_validator(mode="after")
    def _extras_fit(self) -> Self:
        volumes = [volume.name for volume in self.extra_volumes]
        if not {mount.name for mount in self.extra_volume_mounts} <= set(volumes):
            raise ValueError(self.cel_rules[0].message)
        for what, names in (
            ("extraEnv: names", [variable.name for variable in self.extra_env]),
            ("extraVolumes: names", volumes),
            ("extraVolumeMounts: paths", [mount.mount_path for mount in self.extra_volume_mounts]),
        ):
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise ValueError(f"{what} must be unique, repeated: {', '.join(repeated)}")
        return self
