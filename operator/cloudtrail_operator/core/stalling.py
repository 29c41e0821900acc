"""When does a failure need a person? When it is of the kind that waiting does not cure, and has lasted.

Ready=False alone means "in progress" to kstatus, and GitOps tools wait until they give up.
"""

from datetime import datetime, timedelta

from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.status import Condition

LASTING_REASONS = frozenset(
    {
        Reason.ACCESS_DENIED,
        Reason.CREDENTIALS_REJECTED,
        Reason.QUEUE_NOT_FOUND,
        Reason.BUCKET_NOT_FOUND,
        Reason.KMS_ACCESS_DENIED,
    }
)


def find_stall(conditions: list[Condition], *, after: timedelta, now: datetime) -> Condition | None:
    """Return the failed check that has lasted too long, if it is the one that Ready names."""
    suspect = find_suspect(conditions)
    return suspect if suspect is not None and now - suspect.last_transition_time >= after else None


def find_suspect(conditions: list[Condition]) -> Condition | None:
    """Return the failed check that will stall the source when it lasts. It is timed by its own last transition."""
    ready = next((item for item in conditions if item.type == ConditionType.READY), None)
    if ready is None or ready.status is not ConditionStatus.FALSE or ready.reason not in LASTING_REASONS:
        return None
    return next(
        (
            item
            for item in conditions
            if item.type != ConditionType.READY and item.status is ConditionStatus.FALSE and item.reason == ready.reason
        ),
        None,
    )
