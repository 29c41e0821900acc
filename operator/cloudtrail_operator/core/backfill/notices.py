"""What a person should notice when the status of a backfill changes."""

from collections.abc import Iterator

from cloudtrail_operator.core.notices import NOTE_LIMIT, Notice
from cloudtrail_spec.backfill_status import CloudTrailBackfillStatus
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.status import Condition

_WARNED_OF = (Reason.COLLECTOR_FAILING, Reason.RECONCILE_FAILED)


def build_backfill_notices(previous: CloudTrailBackfillStatus, new: CloudTrailBackfillStatus) -> tuple[Notice, ...]:
    """Compare two statuses. Events are never the only record: each of these is in the status too."""
    return tuple(_find_notices(_find_true(previous), _find_true(new), previous, new))


def _find_notices(
    before: dict[str, Condition],
    after: dict[str, Condition],
    previous: CloudTrailBackfillStatus,
    new: CloudTrailBackfillStatus,
) -> Iterator[Notice]:
    came = {kind: condition for kind, condition in after.items() if kind not in before}
    words = {ConditionType.COMPLETE: "Completed", ConditionType.FAILED: "Failed", ConditionType.SUSPENDED: "Suspended"}
    for kind, word in words.items():
        if kind in came:
            yield _notice(word, came[kind], warning=kind is ConditionType.FAILED)
    if ConditionType.SUSPENDED in before and ConditionType.SUSPENDED not in after:
        yield Notice("Resumed", "the backfill goes on")
    if ConditionType.STALLED in came and ConditionType.FAILED not in after:
        yield _notice("Stalled", came[ConditionType.STALLED], warning=True)
    ready, was = _find_ready(new), _find_ready(previous)
    if ready is not None and ready.reason in _WARNED_OF and (was is None or was.reason != ready.reason):
        yield _notice(ready.reason, ready, warning=True)


def _notice(word: str, condition: Condition, *, warning: bool) -> Notice:
    return Notice(word, condition.message[:NOTE_LIMIT], warning=warning)


def _find_true(status: CloudTrailBackfillStatus) -> dict[str, Condition]:
    return {item.type: item for item in status.conditions if item.status is ConditionStatus.TRUE}


def _find_ready(status: CloudTrailBackfillStatus) -> Condition | None:
    return next((item for item in status.conditions if item.type == ConditionType.READY), None)
