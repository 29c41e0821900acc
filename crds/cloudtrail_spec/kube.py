"""Kubernetes' own small types, as several parts of the API hold them: names, labels, quantities, references."""

from typing import Annotated

from pydantic import Field, StringConstraints

from cloudtrail_spec.base import ApiModel

DnsName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)]
LabelKey = Annotated[str, StringConstraints(max_length=317)]
LabelValue = Annotated[str, StringConstraints(max_length=63)]
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$", max_length=32)]


class SecretReference(ApiModel):
    """A Secret in the source's own namespace."""

    name: DnsName = Field(description="Name of the Secret.")
