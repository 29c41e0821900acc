"""Runs one share of a backfill: pass by pass and step by step; a step is noted when all sinks have all of it."""

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cloudtrail_collector.core.backfill.passes import find_wait, plan_first_pass, plan_next_pass
from cloudtrail_collector.core.backfill.patience import PERMANENT
from cloudtrail_collector.core.backfill.units import FoundObject, UnitPlan, is_behind
from cloudtrail_collector.core.backfill.work import Work
from cloudtrail_collector.errors import AwsError, CollectorError, SinkError
from cloudtrail_collector.logs import LOGGER_NAME
from cloudtrail_collector.pipeline.backfill_facts import BackfillTelemetry
from cloudtrail_collector.pipeline.backfill_listing import ShareListing, Step, StepsAhead
from cloudtrail_collector.pipeline.checkpoint import Checkpoint
from cloudtrail_collector.pipeline.file_delivery import EVENT_REJECTED
from cloudtrail_collector.pipeline.object_delivery import ObjectDelivery
from cloudtrail_collector.pipeline.retrying import StoppedError, Trouble
from cloudtrail_spec.backfill_task import BackfillProgress, ObjectCounts, Position
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.report import EventCounts, LastError

log = logging.getLogger(LOGGER_NAME)

# What is wrong with the object itself, and no dead-letter sink is there to be told.
UNREADABLE = "rejected"


class GaveUpError(CollectorError):
    """Objects could not be delivered, for however long it was tried."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Parts:
    """What a share is worked on with."""

    listing: ShareListing
    objects: ObjectDelivery
    checkpoint: Checkpoint
    telemetry: BackfillTelemetry


class ShareRun:
    """One worker's work on one share."""

    def __init__(self, work: Work, parts: Parts, stopping: threading.Event) -> None:
        self._work = work
        self._parts = parts
        self._stopping = stopping
        self._noted = BackfillProgress(task_hash="", share=work.share.number)
        # What was counted before this process, and what this process could not deliver.
        self._before = self._noted
        self._unreadable = 0
        self._listed = 0

    def run(self, noted: BackfillProgress) -> BackfillProgress:
        """Do what is left of a share; returns what is noted at its end.

        Raises AwsError, GaveUpError, the errors of a Checkpoint, StoppedError.
        """
        self._noted = self._before = noted
        if noted.finished:
            return noted
        position = noted.position
        is_new = not position.unit and position.written_before is None and not position.number
        if is_new:
            position = plan_first_pass(self._parts.listing.read_clock(), self._work.horizon)
        # What a lost worker has brought in this pass is not known: then another one follows.
        following: Position | None = position
        has_brought = not is_new
        while following is not None:
            position = following
            has_brought = self._run_pass(position) or has_brought
            following = self._plan_next(position, has_brought=has_brought)
            has_brought = False
        now = datetime.now(UTC)
        self._save(self._noted.model_copy(update={"finished_at": now, "error": None}))
        return self._noted

    def note_failure(self, failure: Exception) -> None:
        """Note why the worker gives up. Raises the errors of a Checkpoint."""
        update = {"error": self._find_error(), "failed": is_permanent(failure)}
        self._save(self._noted.model_copy(update=update))

    def _run_pass(self, position: Position) -> bool:
        """Do what a pass has left; tells whether that was anything."""
        units = self._parts.listing.plan(position)
        self._begin_pass(position, units)
        steps = StepsAhead(self._parts.listing.iterate_steps(units, position))
        steps.start()
        has_brought = False
        try:
            for step in steps:
                has_brought = has_brought or bool(step.objects)
                self._run_step(step)
        finally:
            steps.stop()
        return has_brought

    def _begin_pass(self, position: Position, units: UnitPlan) -> None:
        states = Counter(is_behind(unit, position) for unit in units)
        done, planned = states[False], states.total()
        fields = {"pass": position.number, "units": planned, "done": done}
        log.info("listing begins", extra={"fields": fields})
        # Later passes look at the last units again: what is planned and done is that of the first.
        counts = {} if position.number else {"units_planned": planned, "units_done": done}
        self._save(self._noted.model_copy(update={"position": position, **counts}))

    def _plan_next(self, position: Position, *, has_brought: bool) -> Position | None:
        clock = self._parts.listing.read_clock
        horizon = self._work.horizon
        if plan_next_pass(position, clock(), horizon, has_brought=has_brought) is None:
            return None
        if self._stopping.wait(find_wait(position, clock(), horizon).total_seconds()):
            raise StoppedError
        return plan_next_pass(position, clock(), horizon, has_brought=has_brought)

    # --- one step ---

    def _run_step(self, step: Step) -> None:
        if self._stopping.is_set():
            raise StoppedError
        self._deliver(step.objects)
        self._listed += len(step.objects)
        self._save(self._build_progress(step))

    def _deliver(self, objects: Sequence[FoundObject]) -> None:
        """Deliver until nothing fails that may yet succeed."""
        left = objects
        trouble = Trouble(self._stopping)
        while left:
            self._parts.telemetry.asked(len(left))
            failed = self._parts.objects.deliver(left)
            self._unreadable += sum(reason == UNREADABLE for reason in failed.values())
            left = [one for one, reason in failed.items() if reason != UNREADABLE]
            if not left:
                return
            failure = self._parts.telemetry.find_failure(left[0])
            if not trouble.wait(_find_reason(failure)):
                raise GaveUpError(failure)
            self._save(self._noted.model_copy(update={"error": self._find_error()}))

    # --- what is noted ---

    def _build_progress(self, step: Step) -> BackfillProgress:
        """Build what is noted after a step. Nothing is on its way then: what this process has counted is of whole steps."""
        telemetry, before, noted = self._parts.telemetry, self._before, self._noted
        report = telemetry.read_report()
        files = report.files
        objects = ObjectCounts(
            listed=before.objects.listed + self._listed,
            done=before.objects.done + self._listed,
            read=before.objects.read + files.read,
            skipped=before.objects.skipped + files.skipped,
            dead_lettered=before.objects.dead_lettered + files.dead_lettered,
            failed=before.objects.failed + self._unreadable,
        )
        return noted.model_copy(
            update={
                "position": step.position,
                "units_done": noted.units_done + (0 if step.position.number else step.units),
                "units_empty": noted.units_empty + (0 if step.position.number else step.empty),
                "objects": objects,
                "events": _add(before.events, report.events),
                "bytes": before.bytes + telemetry.bytes,
                "error": self._find_error(),
            }
        )

    def _find_error(self) -> LastError | None:
        return self._parts.telemetry.read_report().last_error or self._before.error

    def _save(self, progress: BackfillProgress) -> None:
        requests = dict(self._before.requests)
        for action, count in self._parts.telemetry.requests.items():
            requests[action] = requests.get(action, 0) + count
        noted = progress.model_copy(update={"updated_at": datetime.now(UTC), "requests": requests})
        self._parts.checkpoint.save(noted)
        self._noted = noted


def is_permanent(failure: Exception) -> bool:
    """Tell whether a person must change something before another try."""
    return _find_reason(failure.failure if isinstance(failure, GaveUpError) else failure) in PERMANENT


def _find_reason(failure: Exception) -> Reason:
    if isinstance(failure, AwsError):
        return failure.reason
    # Events that a sink will never take stay what they are; whatever else it says may pass.
    is_rejected = isinstance(failure, SinkError) and failure.code == EVENT_REJECTED
    return Reason.SINK_REJECTED if is_rejected else Reason.SINK_UNREACHABLE


def _add(before: EventCounts, here: EventCounts) -> EventCounts:
    return EventCounts(**{name: getattr(before, name) + getattr(here, name) for name in EventCounts.model_fields})
