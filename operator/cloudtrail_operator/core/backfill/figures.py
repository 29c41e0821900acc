"""What the workers of a backfill have noted becomes the figures in its status.

Nothing here depends on when it is asked: without news from the workers there is nothing to write.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from pydantic import ValidationError

from cloudtrail_operator.core.backfill.job_state import JobState
from cloudtrail_operator.core.names import Manifest
from cloudtrail_spec.backfill_status import CostStatus, ObjectStatus, ShareStatus, UnitStatus
from cloudtrail_spec.backfill_task import PROGRESS_KEY, BackfillProgress, ObjectCounts
from cloudtrail_spec.prices import MILLION, S3_GETS_USD, S3_LISTS_USD
from cloudtrail_spec.report import EventCounts
from cloudtrail_spec.status import EventStatus, LastErrorStatus

MESSAGE_LIMIT = 2048
LAST_PASS = 0.99  # of a share that goes over its places again, for what came late
FIGURES = (
    "progress", "shares", "units", "objects", "events", "bytes", "estimated_end", "cost", "last_error", "started_at",
)  # fmt: skip
"""The fields of the status that change all the time."""


@dataclass(frozen=True, slots=True)
class BackfillFigures:
    """The figures of a status."""

    progress: str | None = None
    shares: ShareStatus | None = None
    units: UnitStatus | None = None
    objects: ObjectStatus | None = None
    events: EventStatus | None = None
    bytes: int | None = None
    estimated_end: datetime | None = None
    cost: CostStatus | None = None
    last_error: LastErrorStatus | None = None
    started_at: datetime | None = None


def parse_progress(config_map: Manifest) -> BackfillProgress | None:
    """Read what a worker has noted; None when it has noted nothing yet, or nothing that can be read."""
    text = (config_map.get("data") or {}).get(PROGRESS_KEY)
    if not text:
        return None
    try:
        return BackfillProgress.model_validate_json(text)
    except ValidationError:
        return None


def build_figures(
    notes: Sequence[BackfillProgress], job: JobState, *, shares: int, parallelism: int, at_work: bool
) -> BackfillFigures:
    """Add up the notes of all shares. `at_work`: the workers are to go on; otherwise there is no rate and no end."""
    finished = sum(note.finished for note in notes)
    parts = [_find_part(note) for note in notes]
    return BackfillFigures(
        progress=f"{int(100 * sum(parts) / shares)}%",
        shares=ShareStatus(total=shares, active=job.active, done=finished, failed=len(job.failed)),
        units=UnitStatus(
            planned=sum(note.units_planned for note in notes),
            done=sum(note.units_done for note in notes),
            empty=sum(note.units_empty for note in notes),
        ),
        objects=ObjectStatus(
            **{name: sum(getattr(note.objects, name) for note in notes) for name in ObjectCounts.model_fields}
        ),
        events=EventStatus(
            **{name: sum(getattr(note.events, name) for note in notes) for name in EventCounts.model_fields},
            per_second=_measure_rate(notes) if at_work else None,
        ),
        bytes=sum(note.bytes for note in notes),
        estimated_end=_estimate_end(notes, parts, shares, parallelism) if at_work else None,
        cost=build_cost(notes),
        last_error=_find_last_error(notes),
        started_at=min((note.started_at for note in notes if note.started_at), default=None),
    )


def _find_part(note: BackfillProgress) -> float:
    """Say how much of a share is done, from 0 to 1."""
    if note.finished:
        return 1.0
    if note.position.number > 0:
        return LAST_PASS
    return min(LAST_PASS, note.units_done / note.units_planned) if note.units_planned else 0.0


def _find_seconds(note: BackfillProgress) -> float:
    """Say how long a share has been worked on."""
    if note.started_at is None or note.updated_at is None:
        return 0.0
    return max(0.0, ((note.finished_at or note.updated_at) - note.started_at).total_seconds())


def _measure_rate(notes: Iterable[BackfillProgress]) -> str | None:
    """Add up the event records per second of the shares that are at work, each since it was begun."""
    rates = [
        note.events.read / seconds for note in notes if not note.finished and (seconds := _find_seconds(note)) >= 1
    ]
    return f"{sum(rates):.1f}" if rates else None


def _estimate_end(
    notes: Sequence[BackfillProgress], parts: Sequence[float], shares: int, parallelism: int
) -> datetime | None:
    """Go on as fast as until the newest note: shares done for each second that a worker was at one."""
    newest = max((note.updated_at for note in notes if note.updated_at), default=None)
    done, seconds = sum(parts), sum(map(_find_seconds, notes))
    if newest is None or done == 0 or seconds == 0:
        return None
    at_a_time = max(1, min(parallelism, shares - sum(note.finished for note in notes)))
    left = timedelta(seconds=(shares - done) * seconds / done / at_a_time)
    return (newest + left).replace(microsecond=0)


def build_cost(notes: Iterable[BackfillProgress]) -> CostStatus:
    """Count the requests, and what they cost."""
    counts = {
        action: sum(note.requests.get(action, 0) for note in notes) for action in ("s3:ListBucket", "s3:GetObject")
    }
    lists, gets = counts["s3:ListBucket"], counts["s3:GetObject"]
    usd = (lists * S3_LISTS_USD + gets * S3_GETS_USD) / MILLION
    return CostStatus(list_requests=lists, get_requests=gets, usd=str(usd.quantize(Decimal("0.0001"))))


def _find_last_error(notes: Iterable[BackfillProgress]) -> LastErrorStatus | None:
    errors = [note.error for note in notes if note.error is not None]
    if not errors:
        return None
    newest = max(errors, key=lambda error: error.time)
    said = newest.model_dump()
    return LastErrorStatus(**said | {"message": newest.message[:MESSAGE_LIMIT]})
