"""Builders of what the operator observes of a backfill: valid by default, changed by intent."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cloudtrail_operator.core.backfill.evaluation import BackfillObservation
from cloudtrail_operator.core.backfill.job_state import JobState
from cloudtrail_operator.core.backfill.resource import Backfill, parse_backfill, resolve_interval
from cloudtrail_operator.core.backfill.work import Work, build_work
from cloudtrail_operator.core.source import SpecProblem
from cloudtrail_operator.core.workload import CollectorDefaults
from cloudtrail_spec.backfill import CloudTrailBackfillSpec
from cloudtrail_spec.backfill_task import BackfillProgress
from cloudtrail_spec.interval import Interval
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.backfills import build_backfill, build_backfill_spec
from support.sources import build_spec

CREATED = datetime(2026, 3, 20, 12, 0, 0, tzinfo=UTC)
START = CREATED + timedelta(minutes=1)
UID = "00000000-0000-4000-8000-000000000002"
DEFAULTS = CollectorDefaults(image="example.com/cloudtrail-collector:1")


def observe_backfill(status: dict[str, Any] | None = None, **changes: Any) -> Backfill:
    """Build a backfill as the API server returns it."""
    manifest = build_backfill(**changes)
    manifest["metadata"] |= {
        "uid": UID,
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": "2026-03-20T12:00:00Z",
    }
    return parse_backfill(manifest | ({} if status is None else {"status": status}))


def parse_work_spec(**changes: Any) -> CloudTrailBackfillSpec:
    """Parse a valid spec."""
    return CloudTrailBackfillSpec.model_validate(build_backfill_spec(**changes))


def try_work(trail: dict[str, Any] | None = None, **changes: Any) -> Work | SpecProblem:
    """Gather what is to be done; `trail` has changes of the source's spec, `changes` are the backfill's."""
    backfill, spec = observe_backfill(**changes), parse_work_spec(**changes)
    settings = spec.source.to_source_spec() if spec.source else None
    interval = resolve_interval(backfill, spec)
    assert isinstance(interval, Interval)
    return build_work(
        backfill,
        spec,
        settings or CloudTrailSourceSpec.model_validate(build_spec(**trail or {})),
        interval,
        DEFAULTS,
    )


def make_work(trail: dict[str, Any] | None = None, **changes: Any) -> Work:
    """Gather what is to be done, which must be possible."""
    work = try_work(trail, **changes)
    assert isinstance(work, Work), work
    return work


def make_note(share: int = 0, *, minutes: float | None = None, **changes: Any) -> BackfillProgress:
    """Build what a worker noted, some minutes after it began, by its JSON names."""
    times = {} if minutes is None else {"startedAt": START, "updatedAt": START + timedelta(minutes=minutes)}
    return BackfillProgress.model_validate({"taskHash": "0" * 64, "share": share} | times | changes)


def make_end(share: int, *, minutes: float = 10, **changes: Any) -> BackfillProgress:
    """Build the note of a share that is done."""
    return make_note(share, minutes=minutes, finishedAt=START + timedelta(minutes=minutes), **changes)


def see(*notes: BackfillProgress, seconds: float = 0, **job: Any) -> BackfillObservation:
    """Build an observation, some seconds after the start."""
    return BackfillObservation(JobState(**job), (), notes, START + timedelta(seconds=seconds))
