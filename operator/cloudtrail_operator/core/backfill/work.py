"""A backfill and the settings of a source become the workers' task, and all that the builders of manifests need to know."""

import hashlib
import json
from dataclasses import dataclass

from pydantic import ValidationError

from cloudtrail_operator.core.backfill.resource import Backfill
from cloudtrail_operator.core.configuration import LARGEST_BYTES, render_config
from cloudtrail_operator.core.names import backfill_name, progress_prefix, workload_name
from cloudtrail_operator.core.source import Source, SourceKey, SpecProblem
from cloudtrail_operator.core.workload import CollectorDefaults, Workload
from cloudtrail_spec.backfill import CloudTrailBackfillSpec
from cloudtrail_spec.backfill_task import BackfillPipeline, BackfillTask
from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.interval import Interval
from cloudtrail_spec.source import CloudTrailSourceSpec
from cloudtrail_spec.status import CloudTrailSourceStatus

_OF_A_QUEUE = {"mode", "queue_arn", "test", "visibility_timeout_seconds"}
"""What a backfill has no use for: that a source changes it must not make another task."""


@dataclass(frozen=True, slots=True)
class Work:
    """Everything that the builders of a backfill's manifests need to know."""

    backfill: Backfill
    spec: CloudTrailBackfillSpec
    workload: Workload
    """The workload of the source, or of one that was made up: whose pods the workers resemble."""
    interval: Interval
    task: str
    """The workers' file, to the byte."""

    @property
    def name(self) -> str:
        """Name of the backfill."""
        return self.backfill.key.name

    @property
    def task_hash(self) -> str:
        """SHA-256 of the task, in hex."""
        return hashlib.sha256(self.task.encode()).hexdigest()

    @property
    def fixed_hash(self) -> str:
        """Hash of what must not change in the spec."""
        return hashlib.sha256(json.dumps(self.spec.fixed, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def account(self) -> str:
        """Name of the ServiceAccount: the source's own, which its role trusts, or one of the backfill's."""
        reference = self.spec.source_ref
        return workload_name(reference.name) if reference else backfill_name(self.name)


def build_work(
    backfill: Backfill,
    spec: CloudTrailBackfillSpec,
    settings: CloudTrailSourceSpec,
    interval: Interval,
    defaults: CollectorDefaults,
) -> Work | SpecProblem:
    """Gather what is to be done. `settings` are those of the source that the spec names, or of the one inside of it."""
    try:
        task = _render_task(backfill, spec, settings, interval)
    except ValidationError as error:
        return SpecProblem(Reason.INVALID_SPEC, tuple(describe_errors(error, root="task")))
    if len(task.encode()) > LARGEST_BYTES:
        sentence = (
            f"the task has {len(task.encode()):,} bytes, and a ConfigMap holds {LARGEST_BYTES:,}: use shorter lists"
        )
        return SpecProblem(Reason.INVALID_SPEC, (f"spec: {sentence}",))
    return Work(backfill, spec, _build_workload(backfill, spec, settings, defaults), interval, task)


def _render_task(
    backfill: Backfill, spec: CloudTrailBackfillSpec, settings: CloudTrailSourceSpec, interval: Interval
) -> str:
    """Render the workers' file, with only what differs from the defaults: an upgrade must not make another task."""
    task = BackfillTask(
        pipeline=BackfillPipeline.model_validate_json(render_config(settings)),
        since=interval.start,
        until=interval.end,
        accounts=spec.accounts,
        regions=spec.regions,
        classes=spec.classes,
        shares=spec.shares,
        progress_name=progress_prefix(backfill.key.name),
    )
    return task.model_dump_json(
        by_alias=True, exclude_none=True, exclude_defaults=True, exclude={"pipeline": _OF_A_QUEUE}
    )


def _build_workload(
    backfill: Backfill, spec: CloudTrailBackfillSpec, settings: CloudTrailSourceSpec, defaults: CollectorDefaults
) -> Workload:
    name = spec.source_ref.name if spec.source_ref else backfill.key.name
    source = Source(
        key=SourceKey(backfill.key.namespace, name),
        uid=backfill.uid,
        generation=backfill.generation,
        spec={},
        status=CloudTrailSourceStatus(),
        reconcile_request=None,
        deleting=False,
    )
    return Workload(source, settings, defaults, config="", config_hash="")
