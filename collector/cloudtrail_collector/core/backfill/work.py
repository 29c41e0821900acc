"""Turns a backfill's task into what the worker of one share looks for, and into the pipeline that it runs."""

from dataclasses import dataclass
from datetime import date, timedelta

from cloudtrail_collector.core.backfill.passes import Horizon, is_in_pass, is_open
from cloudtrail_collector.core.backfill.units import KeyPage, ListedKey, Share, Unit
from cloudtrail_collector.core.log_prefixes import LogSelection, list_days
from cloudtrail_collector.core.object_key import KeySelection
from cloudtrail_spec.backfill_task import BackfillTask, Position
from cloudtrail_spec.interval import Interval
from cloudtrail_spec.pipeline import DEFAULT_CLASSES, MissingObjectPolicy, Mode, PipelineSpec


def build_pipeline(task: BackfillTask) -> PipelineSpec:
    """Build the pipeline of a task: what the task says of objects counts before what its pipeline says.

    An object that is gone is no longer to be had: listed a moment ago, it was deleted by a person or a lifecycle rule.
    """
    policy = task.pipeline.objects_policy
    is_told = policy.missing is MissingObjectPolicy.DEAD_LETTER
    objects = policy.model_copy(
        update={
            "account_ids": task.accounts or policy.account_ids,
            "regions": task.regions or policy.regions,
            "classes": task.classes or policy.classes,
            "missing": policy.missing if is_told else MissingObjectPolicy.DROP,
        }
    )
    return task.pipeline.model_copy(update={"objects": objects, "mode": Mode.ACTIVE})


@dataclass(frozen=True, slots=True)
class Work:
    """What belongs to one share: by buckets and prefix, by what keys say, and by the time at which objects were written."""

    buckets: tuple[str, ...]
    prefix: str
    selection: LogSelection
    keys: KeySelection
    days: tuple[date, ...]
    horizon: Horizon
    share: Share

    def list_days(self, position: Position) -> tuple[date, ...]:
        """List the days that a pass looks at."""
        return tuple(day for day in self.days if is_open(day, position, self.horizon))

    def select(self, page: KeyPage, unit: Unit, position: Position) -> list[str]:
        """Select the keys of a page that this pass delivers."""
        return [listed.key for listed in page.keys if self._wants(listed, unit, position)]

    def _wants(self, listed: ListedKey, unit: Unit, position: Position) -> bool:
        return (
            self.selection.wants(listed.key)
            and self.keys.find_skip_reason(listed.key) is None
            and is_in_pass(listed.written_at, unit.day, position, self.horizon)
        )


def build_work(task: BackfillTask, pipeline: PipelineSpec, share: int) -> Work:
    """Build what the worker of a share looks for; `pipeline` is the one that it runs."""
    policy = pipeline.objects_policy
    interval = Interval(task.since, task.until)
    selection = LogSelection(
        accounts=frozenset(policy.account_ids) if policy.account_ids else None,
        regions=frozenset(policy.regions) if policy.regions else None,
        interval=interval,
        classes=frozenset(policy.classes or DEFAULT_CLASSES),
    )
    return Work(
        buckets=tuple(sorted(pipeline.buckets)),
        prefix=pipeline.prefix or "",
        selection=selection,
        keys=KeySelection(pipeline.prefix, policy),
        days=tuple(list_days(interval)),
        horizon=Horizon(task.until, timedelta(seconds=task.late_seconds)),
        share=Share(share, task.shares),
    )
