"""What a person should notice when a status changes: notes that become Kubernetes Events on the source."""

from collections.abc import Iterator
from dataclasses import dataclass

from cloudtrail_operator.core.checks import ALL_CHECKS
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.status import CloudTrailSourceStatus, Condition

NOTE_LIMIT = 1024  # of the events.k8s.io API
_ALARMS = (ConditionType.LAGGING, ConditionType.DEAD_LETTERING, ConditionType.QUEUE_CONFLICT)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to notice."""

    reason: str
    note: str
    warning: bool = False


def build_notices(previous: CloudTrailSourceStatus, new: CloudTrailSourceStatus) -> tuple[Notice, ...]:
    """Compare two statuses. Events are never the only record: each of these is in the status too."""
    return tuple(_find_notices(previous, new))


def _find_notices(previous: CloudTrailSourceStatus, new: CloudTrailSourceStatus) -> Iterator[Notice]:
    if new.mode is not None and new.mode is not previous.mode:
        yield Notice(f"Mode{new.mode}", f"the source is in mode {new.mode} now")
    before, after = _index(previous), _index(new)
    yield from _find_rollout(before, after)
    for kind in (*ALL_CHECKS, ConditionType.DATA_FLOWING, ConditionType.INTEGRITY_VERIFIED):
        yield from _find_access_change(before.get(kind), after.get(kind))
    kind = ConditionType.INTEGRITY_VERIFIED
    yield from _find_another(before.get(kind), after.get(kind))
    for kind in _ALARMS:
        yield from _find_alarm_change(before.get(kind), after.get(kind))
    for kind, word in ((ConditionType.STALLED, "Stalled"), (ConditionType.READY, "")):
        yield from _find_trouble(before.get(kind), after.get(kind), word)


def _find_rollout(before: dict[str, Condition], after: dict[str, Condition]) -> Iterator[Notice]:
    ready = after.get(ConditionType.READY)
    over = ConditionType.RECONCILING in before and ConditionType.RECONCILING not in after
    if over and ready is not None and ready.status is ConditionStatus.TRUE:
        yield Notice("RolloutFinished", ready.message[:NOTE_LIMIT])


def _find_access_change(before: Condition | None, after: Condition | None) -> Iterator[Notice]:
    was, now = (item.status if item else ConditionStatus.UNKNOWN for item in (before, after))
    if after is None or was is now:
        return
    if now is ConditionStatus.FALSE:
        yield Notice(after.reason, after.message[:NOTE_LIMIT], warning=True)
    elif was is ConditionStatus.FALSE and now is ConditionStatus.TRUE:
        yield Notice(f"{after.type}Again", f"recovered: {after.message}"[:NOTE_LIMIT])


def _find_another(before: Condition | None, after: Condition | None) -> Iterator[Notice]:
    """Notice that something else is bad now, or one more thing: the message names it."""
    if before is None or after is None or (before.reason, before.message) == (after.reason, after.message):
        return
    if before.status is ConditionStatus.FALSE and after.status is ConditionStatus.FALSE:
        yield Notice(after.reason, after.message[:NOTE_LIMIT], warning=True)


def _find_alarm_change(before: Condition | None, after: Condition | None) -> Iterator[Notice]:
    """Notice the begin and the end of what is bad while it holds."""
    was, now = (item is not None and item.status is ConditionStatus.TRUE for item in (before, after))
    if after is None or was is now:
        return
    yield Notice(after.type if now else f"{after.type}Ended", after.message[:NOTE_LIMIT], warning=now)


def _find_trouble(before: Condition | None, after: Condition | None, word: str) -> Iterator[Notice]:
    """Notice a source that stalls, or whose collectors or reconciliation fail. Failed checks have their own notice."""
    told = (Reason.COLLECTOR_FAILING, Reason.RECONCILE_FAILED)
    if after is None or (before is not None and before.reason == after.reason):
        return
    if word or after.reason in told:
        yield Notice(word or after.reason, after.message[:NOTE_LIMIT], warning=True)


def _index(status: CloudTrailSourceStatus) -> dict[str, Condition]:
    return {condition.type: condition for condition in status.conditions}
