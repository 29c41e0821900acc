"""Two sources on one queue: each gets a part of the messages, and neither has all events."""

from collections.abc import Iterable, Sequence

from cloudtrail_operator.core.findings import Finding, find_false, find_true
from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_spec.conditions import ConditionType, Reason
from cloudtrail_spec.pipeline import Mode

NAMED = 5  # a person mends them one by one


class QueueUsers:
    """Which sources receive from which queue."""

    def __init__(self) -> None:
        self._queue_of: dict[SourceKey, str] = {}
        self._users_of: dict[str, set[SourceKey]] = {}

    def note(self, key: SourceKey, queue: str | None) -> frozenset[SourceKey]:
        """Note the queue that a source receives from (None: from none); return whom that concerns, itself included."""
        before = self._queue_of.get(key)
        if before == queue:
            return frozenset()
        others = {*self._leave(key, before), *self._join(key, queue)} - {key}
        return frozenset({key, *others}) if others else frozenset()

    def peers(self, key: SourceKey) -> tuple[SourceKey, ...]:
        """Return the other sources that receive from the same queue, in order."""
        queue = self._queue_of.get(key)
        return () if queue is None else tuple(sorted(self._users_of[queue] - {key}))

    def _leave(self, key: SourceKey, queue: str | None) -> Iterable[SourceKey]:
        if queue is None:
            return ()
        del self._queue_of[key]
        users = self._users_of[queue]
        users.discard(key)
        if not users:
            del self._users_of[queue]
        return users

    def _join(self, key: SourceKey, queue: str | None) -> Iterable[SourceKey]:
        if queue is None:
            return ()
        self._queue_of[key] = queue
        users = self._users_of.setdefault(queue, set())
        users.add(key)
        return users


def find_queue(manifest: Manifest) -> str | None:
    """Return the ARN of the queue that a source receives from.

    None while it is paused or being deleted, or has no collectors because nobody has looked at it yet or it is not
    allowed: whoever may not use a queue must not alarm those who may.
    """
    spec, conditions = manifest.get("spec") or {}, (manifest.get("status") or {}).get("conditions") or ()
    queue = spec.get("queueArn")
    idle = spec.get("mode") == Mode.PAUSED or "deletionTimestamp" in manifest["metadata"] or not conditions
    barred = any(item["type"] == ConditionType.STALLED and item["reason"] == Reason.NOT_ALLOWED for item in conditions)
    return None if idle or barred or not isinstance(queue, str) else queue


def evaluate_conflict(peers: Sequence[SourceKey], *, paused: bool) -> Finding:
    """Name the other sources on the queue."""
    kind = ConditionType.QUEUE_CONFLICT
    if paused:
        return find_false(kind, Reason.PAUSED, "a paused source receives from no queue")
    if not peers:
        return find_false(kind, Reason.OWN_QUEUE, "no other source uses the queue")
    names = ", ".join(map(str, peers[:NAMED])) + (f" and {len(peers) - NAMED} more" if len(peers) > NAMED else "")
    message = f"{names} use this queue too, so that each source gets a part of the messages: give each its own queue"
    return find_true(kind, Reason.SHARED_QUEUE, message)
