"""A CloudTrailSource as the API server gave it, before anybody judged its spec."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pydantic import ValidationError

from cloudtrail_operator.core.configuration import find_excess
from cloudtrail_operator.core.names import RECONCILE_REQUEST_ANNOTATION, Manifest, child_labels
from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.crd import KIND
from cloudtrail_spec.source import CloudTrailSourceSpec
from cloudtrail_spec.status import CloudTrailSourceStatus


class SourceKey(NamedTuple):
    """What identifies a source, or a backfill, in the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Owner(Protocol):
    """A resource of ours that has children."""

    @property
    def key(self) -> SourceKey:
        """Its namespace and name."""

    @property
    def uid(self) -> str:
        """What tells it from another of its name."""

    @property
    def kind(self) -> str:
        """Its kind."""

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its children."""


@dataclass(frozen=True, slots=True)
class Source:
    """One CloudTrailSource."""

    key: SourceKey
    uid: str
    generation: int
    spec: Manifest = field(repr=False)
    status: CloudTrailSourceStatus
    reconcile_request: str | None
    deleting: bool
    version: str | None = None
    """The resource version."""

    @property
    def kind(self) -> str:
        """Its kind."""
        return KIND

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its children."""
        return child_labels(self.key.name)


@dataclass(frozen=True, slots=True)
class SpecProblem:
    """A spec that cannot be honoured, why, and a sentence for everything that is wrong with it."""

    reason: Reason
    sentences: tuple[str, ...]


def parse_source(manifest: Manifest) -> Source:
    """Turn a CloudTrailSource's JSON into a Source. A status that is not ours counts as none."""
    metadata = manifest["metadata"]
    return Source(
        key=SourceKey(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        spec=manifest.get("spec") or {},
        status=_parse_status(manifest.get("status")),
        reconcile_request=(metadata.get("annotations") or {}).get(RECONCILE_REQUEST_ANNOTATION),
        deleting="deletionTimestamp" in metadata,
        version=metadata.get("resourceVersion"),
    )


def parse_spec(spec: Manifest) -> CloudTrailSourceSpec | SpecProblem:
    """Judge a spec. The API server enforces the same rules; it is bypassed by an older CRD or a newer spec."""
    try:
        parsed = CloudTrailSourceSpec.model_validate(spec)
    except ValidationError as error:
        return SpecProblem(Reason.INVALID_SPEC, tuple(describe_errors(error)))
    excess = find_excess(parsed)
    return parsed if excess is None else SpecProblem(Reason.INVALID_SPEC, (excess,))


def _parse_status(status: Any) -> CloudTrailSourceStatus:
    try:
        return CloudTrailSourceStatus.model_validate(status or {})
    except ValidationError:
        return CloudTrailSourceStatus()
