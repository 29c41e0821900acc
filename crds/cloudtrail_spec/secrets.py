"""Secret values in a spec: always a reference to a Secret in the source's own namespace, never the value."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from cloudtrail_spec.base import ApiModel

SecretName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)
]
SecretKeyName = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]


class SecretKeyRef(ApiModel):
    """One key of a Secret in the source's own namespace."""

    name: SecretName = Field(description="Name of the Secret.")
    key: SecretKeyName = Field(description="Key in the Secret.")


class SecretValue(ApiModel):
    """A value that is kept in a Secret. A change of the Secret is followed without a restart."""

    secret_key_ref: SecretKeyRef = Field(description=str(SecretKeyRef.__doc__))


def find_secret_refs(value: Any) -> Iterator[SecretKeyRef]:
    """Find every reference to a Secret in a model, however deep."""
    if isinstance(value, SecretValue):
        yield value.secret_key_ref
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from find_secret_refs(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from find_secret_refs(item)
