"""How a new status differs from the one before: what decides when it is written."""

from collections.abc import Iterable
from enum import Enum
from typing import TypeVar

from cloudtrail_spec.backfill_status import CloudTrailBackfillStatus
from cloudtrail_spec.status import CloudTrailSourceStatus

Status = TypeVar("Status", CloudTrailSourceStatus, CloudTrailBackfillStatus)


class Change(Enum):
    """How a new status differs from the one before."""

    NONE = "none"
    MINOR = "minor"
    """In figures and wording only: written at a slow pace."""
    MAJOR = "major"
    """In what people and machines wait for: written at once."""


def find_change(new: Status, previous: Status, figures: Iterable[str]) -> Change:
    """Compare two statuses; `figures` names the fields that change all the time."""
    new, previous = _sort(new), _sort(previous)
    if new == previous:
        return Change.NONE
    blank = dict.fromkeys(figures)
    return Change.MINOR if _strip(new, blank) == _strip(previous, blank) else Change.MAJOR


def _sort(status: Status) -> Status:
    """Sort the conditions: to the API server they are a map, and one that is new may come behind the others."""
    conditions = sorted(status.conditions, key=lambda condition: condition.type)
    return status.model_copy(update={"conditions": tuple(conditions)})


def _strip(status: Status, blank: dict[str, None]) -> Status:
    """Strip what changes all the time."""
    conditions = tuple(condition.model_copy(update={"message": ""}) for condition in status.conditions)
    return status.model_copy(update=blank | {"conditions": conditions})
