"""A Job's JSON becomes what the operator wants to know of it."""

from dataclasses import dataclass
from datetime import datetime

from cloudtrail_operator.core.names import Manifest


@dataclass(frozen=True, slots=True)
class JobState:
    """Where the Job is. All is at its beginning for one that is not there."""

    active: int = 0
    ready: int = 0
    completed: frozenset[int] = frozenset()
    """Shares whose pods ended well."""
    failed: frozenset[int] = frozenset()
    """Shares that Kubernetes starts no more pods for."""
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    words: str = ""
    """Why it failed, in Kubernetes' words."""


def parse_job(job: Manifest | None) -> JobState:
    """Turn a Job's JSON into a JobState."""
    status: Manifest = (job or {}).get("status") or {}
    true = {item["type"]: item for item in status.get("conditions") or [] if item["status"] == "True"}
    failure = true.get("Failed", {})
    return JobState(
        active=status.get("active", 0),
        ready=status.get("ready", 0),
        completed=parse_indexes(status.get("completedIndexes")),
        failed=parse_indexes(status.get("failedIndexes")),
        succeeded_at=_parse_time(true.get("Complete")),
        failed_at=_parse_time(true.get("Failed")),
        words=": ".join(filter(None, (failure.get("reason"), failure.get("message")))),
    )


def parse_indexes(text: str | None) -> frozenset[int]:
    """Parse Kubernetes' short form for a set of numbers, such as 1,3-5,7."""
    found: set[int] = set()
    for part in filter(None, (text or "").split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _parse_time(condition: Manifest | None) -> datetime | None:
    return datetime.fromisoformat(condition["lastTransitionTime"]) if condition else None
