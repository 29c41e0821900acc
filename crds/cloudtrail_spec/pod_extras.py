"""What a source may add to its collector pods: variables, volumes and their places, spread over the cluster.

Only what the restricted Pod Security Standard allows, and nothing that takes the place of what the operator sets: who
writes a source must not become somebody else in AWS by it, nor run code of theirs as the collector.
"""

import re
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from cloudtrail_spec.base import ApiModel, CelRule, explain_pattern
from cloudtrail_spec.kube import DnsName, LabelKey, Quantity
from cloudtrail_spec.secrets import SecretKeyName, SecretKeyRef

RelativePath = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$", max_length=512),
]
VolumeName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=40)]

# Who a collector is in AWS (keys, roles, token files, profiles, agents), where it looks for AWS, its own settings, and what
# makes Python or a library load other code.
RESERVED_VARIABLES = "^(AWS_|CLOUDTRAIL_|BOTO|PYTHON|LD_|OPENSSL_|(PATH|HOME|GCONV_PATH)$)"
OPEN_VARIABLES = ("AWS_CA_BUNDLE", "AWS_ROLE_SESSION_NAME", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_USE_FIPS_ENDPOINT")


def _rule_one_of(what: str, kinds: tuple[str, ...]) -> CelRule:
    return CelRule(
        f"[{', '.join(f'has(self.{kind})' for kind in kinds)}].filter(x, x).size() == 1",
        f"{what} needs exactly one of {', '.join(kinds)}",
    )


class _OneOf(ApiModel):
    """A model of which exactly one of some members is set; the first of its rules says so."""

    members: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(getattr(self, member) is not None for member in self.members) != 1:
            raise ValueError(self.cel_rules[0].message)
        return self


class ConfigMapKeyRef(ApiModel):
    """One key of a ConfigMap in the source's own namespace."""

    name: DnsName = Field(description="Name of the ConfigMap.")
    key: SecretKeyName = Field(description="Key in the ConfigMap.")


class FieldRef(ApiModel):
    """A field of the pod."""

    field_path: Annotated[str, StringConstraints(pattern=r"^(metadata|spec|status)\.", max_length=400)] = Field(
        description="Path of the field, such as spec.nodeName."
    )


class VariableSource(_OneOf):
    """Where a variable's value comes from. It is read when a pod starts."""

    secret_key_ref: SecretKeyRef | None = Field(None, description=str(SecretKeyRef.__doc__))
    config_map_key_ref: ConfigMapKeyRef | None = Field(None, description=str(ConfigMapKeyRef.__doc__))
    field_ref: FieldRef | None = Field(None, description=str(FieldRef.__doc__))

    members = ("secret_key_ref", "config_map_key_ref", "field_ref")
    cel_rules: ClassVar = (_rule_one_of("valueFrom", ("secretKeyRef", "configMapKeyRef", "fieldRef")),)


class ExtraVariable(ApiModel):
    """An environment variable of the collector container."""

    name: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128),
        explain_pattern("must be letters, digits and underscores, and not begin with a digit"),
    ] = Field(description="Name of the variable, such as HTTPS_PROXY.")
    value: Annotated[str, StringConstraints(max_length=4096)] | None = Field(None, description="Its value.")
    value_from: VariableSource | None = Field(None, description=str(VariableSource.__doc__))

    cel_rules: ClassVar = (
        CelRule("has(self.value) != has(self.valueFrom)", "a variable needs exactly one of value, valueFrom"),
        CelRule(
            f"!self.name.matches('{RESERVED_VARIABLES}') || self.name in [{', '.join(map(repr, OPEN_VARIABLES))}]",
            "variables that say who the collector is in AWS, where AWS is or what code runs (AWS_…, CLOUDTRAIL_…, BOTO…,"
            " PYTHON…, LD_…, OPENSSL_…, PATH, HOME) cannot be set here, use the fields of the spec; exceptions are"
            f" {', '.join(OPEN_VARIABLES)}",
            ".name",
        ),
    )

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if (self.value is None) == (self.value_from is None):
            raise ValueError(self.cel_rules[0].message)
        if re.match(RESERVED_VARIABLES, self.name) and self.name not in OPEN_VARIABLES:
            raise ValueError(self.cel_rules[1].message)
        return self


class KeyPath(ApiModel):
    """A key that becomes a file."""

    key: SecretKeyName = Field(description="The key.")
    path: RelativePath = Field(description="Path of its file in the volume.")


Items = Annotated[tuple[KeyPath, ...], Field(max_length=32)]
ITEMS_WORDS = "Which keys become files, and where. Absent: all, by their names."
OPTIONAL_WORDS = "true: pods start without it."


class ConfigMapVolume(ApiModel):
    """Files from a ConfigMap in the source's own namespace."""

    name: DnsName = Field(description="Name of the ConfigMap.")
    items: Items = Field(default=(), description=ITEMS_WORDS)
    optional: bool | None = Field(None, description=OPTIONAL_WORDS)


class SecretVolume(ApiModel):
    """Files from a Secret in the source's own namespace."""

    secret_name: DnsName = Field(description="Name of the Secret.")
    items: Items = Field(default=(), description=ITEMS_WORDS)
    optional: bool | None = Field(None, description=OPTIONAL_WORDS)


class EmptyDirVolume(ApiModel):
    """An empty folder that goes with its pod."""

    medium: Annotated[str, StringConstraints(pattern="^Memory$", max_length=6)] | None = Field(
        None, description="Memory: it counts as the container's memory. Absent: the node's disk."
    )
    size_limit: Quantity | None = Field(None, description="How large it may become.")


class ClaimVolume(ApiModel):
    """A PersistentVolumeClaim in the source's own namespace."""

    claim_name: DnsName = Field(description="Name of the claim.")
    read_only: bool | None = Field(None, description="true: nobody writes to it.")


class SecretProjection(ApiModel):
    """Keys of a Secret in the source's own namespace."""

    name: DnsName = Field(description="Name of the Secret.")
    items: Items = Field(default=(), description=ITEMS_WORDS)
    optional: bool | None = Field(None, description=OPTIONAL_WORDS)


class ProjectedSource(_OneOf):
    """One of the origins of a projected volume. Tokens of ServiceAccounts are none of them."""

    config_map: ConfigMapVolume | None = Field(None, description=str(ConfigMapVolume.__doc__))
    secret: SecretProjection | None = Field(None, description=str(SecretProjection.__doc__))

    members = ("config_map", "secret")
    cel_rules: ClassVar = (_rule_one_of("a source of a projected volume", ("configMap", "secret")),)


class ProjectedVolume(ApiModel):
    """Files of several ConfigMaps and Secrets in one folder."""

    sources: Annotated[tuple[ProjectedSource, ...], Field(min_length=1, max_length=8)] = Field(
        description="Where the files come from."
    )


class ExtraVolume(_OneOf):
    """A volume of the pods. The node's own folders (hostPath), CSI drivers and tokens are not among the kinds."""

    name: VolumeName = Field(description="Name that extraVolumeMounts call it by.")
    config_map: ConfigMapVolume | None = Field(None, description=str(ConfigMapVolume.__doc__))
    secret: SecretVolume | None = Field(None, description=str(SecretVolume.__doc__))
    empty_dir: EmptyDirVolume | None = Field(None, description=str(EmptyDirVolume.__doc__))
    persistent_volume_claim: ClaimVolume | None = Field(None, description=str(ClaimVolume.__doc__))
    projected: ProjectedVolume | None = Field(None, description=str(ProjectedVolume.__doc__))

    members = ("config_map", "secret", "empty_dir", "persistent_volume_claim", "projected")
    cel_rules: ClassVar = (
        _rule_one_of("a volume", ("configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected")),
    )


class ExtraMount(ApiModel):
    """A place of an extra volume in the collector container."""

    name: VolumeName = Field(description="Name of the volume.")
    mount_path: Annotated[
        str,
        StringConstraints(pattern=r"^/mnt(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$", max_length=512),
        explain_pattern("must be below /mnt, such as /mnt/ca: what is elsewhere is the collector's own"),
    ] = Field(description="Where it is mounted: below /mnt, such as /mnt/ca.")
    sub_path: RelativePath | None = Field(None, description="Folder or file of the volume. Absent: all of it.")
    read_only: bool | None = Field(None, description="true: the collector cannot write there.")


class TopologySpread(ApiModel):
    """How evenly the source's pods are spread over the nodes' domains; which pods are counted is set by the operator."""

    max_skew: Annotated[int, Field(ge=1, le=1000)] = Field(description="Largest difference of two domains, in pods.")
    topology_key: Annotated[LabelKey, StringConstraints(min_length=1)] = Field(
        description="Label of the nodes that names their domain, such as topology.kubernetes.io/zone."
    )
    when_unsatisfiable: Annotated[str, StringConstraints(pattern="^(DoNotSchedule|ScheduleAnyway)$", max_length=16)] = (
        Field(description="DoNotSchedule or ScheduleAnyway.")
    )
    min_domains: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="Fewest domains to count with; only with DoNotSchedule."
    )


Affinity = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]
"""A Pod's affinity, as Kubernetes defines it. The API server judges it when it gets the Deployment."""
