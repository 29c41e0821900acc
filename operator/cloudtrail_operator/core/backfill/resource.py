"""A CloudTrailBackfill as the API server gave it, and what its spec asks for at the moment of its creation."""

from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from cloudtrail_operator.core.names import RECONCILE_REQUEST_ANNOTATION, Manifest, backfill_labels
from cloudtrail_operator.core.source import SourceKey, SpecProblem
from cloudtrail_spec.backfill import CloudTrailBackfillSpec
from cloudtrail_spec.backfill_status import CloudTrailBackfillStatus
from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.crd import BACKFILL_KIND
from cloudtrail_spec.interval import Interval, IntervalError, parse_interval


@dataclass(frozen=True, slots=True)
class Backfill:
    """One CloudTrailBackfill."""

    key: SourceKey
    uid: str
    generation: int
    created: datetime
    spec: Manifest = field(repr=False)
    status: CloudTrailBackfillStatus
    reconcile_request: str | None
    deleting: bool

    @property
    def kind(self) -> str:
        """Its kind."""
        return BACKFILL_KIND

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its children."""
        return backfill_labels(self.key.name)

    @property
    def is_over(self) -> bool:
        """Whether its status says that it has completed or failed: then nothing is begun again."""
        return any(
            condition.type in (ConditionType.COMPLETE, ConditionType.FAILED)
            and condition.status is ConditionStatus.TRUE
            for condition in self.status.conditions
        )


def parse_backfill(manifest: Manifest) -> Backfill:
    """Turn a CloudTrailBackfill's JSON into a Backfill. A status that is not ours counts as none."""
    metadata = manifest["metadata"]
    return Backfill(
        key=SourceKey(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        spec=manifest.get("spec") or {},
        status=_parse_status(manifest.get("status")),
        reconcile_request=(metadata.get("annotations") or {}).get(RECONCILE_REQUEST_ANNOTATION),
        deleting="deletionTimestamp" in metadata,
    )


def parse_backfill_spec(spec: Manifest) -> CloudTrailBackfillSpec | SpecProblem:
    """Judge a spec, as far as it can be judged alone."""
    try:
        return CloudTrailBackfillSpec.model_validate(spec)
    except ValidationError as error:
        return SpecProblem(Reason.INVALID_SPEC, tuple(describe_errors(error)))


def resolve_interval(backfill: Backfill, spec: CloudTrailBackfillSpec) -> Interval | SpecProblem:
    """Turn the interval into two instants. "Now" is when the backfill was created: the answer is always the same."""
    try:
        return parse_interval(spec.interval, backfill.created)
    except IntervalError as error:
        return SpecProblem(Reason.INVALID_SPEC, (f"spec.interval: {error}",))


def _parse_status(status: object) -> CloudTrailBackfillStatus:
    try:
        return CloudTrailBackfillStatus.model_validate(status or {})
    except ValidationError:
        return CloudTrailBackfillStatus()
