"""One look at one backfill: gather, decide, act, report. Safe to repeat at any time and from any state."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from cloudtrail_operator.core.allow_list import collect_named, find_refusal
from cloudtrail_operator.core.backfill.evaluation import (
    BackfillObservation,
    evaluate_backfill,
    evaluate_backfill_problem,
    evaluate_backfill_wait,
    is_end,
    repeat_findings,
)
from cloudtrail_operator.core.backfill.figures import build_figures, parse_progress
from cloudtrail_operator.core.backfill.job import is_of_other_spec
from cloudtrail_operator.core.backfill.job_state import parse_job
from cloudtrail_operator.core.backfill.manifests import build_desired_backfill
from cloudtrail_operator.core.backfill.notices import build_backfill_notices
from cloudtrail_operator.core.backfill.resource import (
    Backfill,
    parse_backfill,
    parse_backfill_spec,
    resolve_interval,
)
from cloudtrail_operator.core.backfill.status import (
    BackfillVerdict,
    backfill_needs_write,
    build_backfill_status,
)
from cloudtrail_operator.core.backfill.work import Work, build_work
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import Manifest, progress_prefix
from cloudtrail_operator.core.pods import parse_pod
from cloudtrail_operator.core.source import SourceKey, SpecProblem, parse_spec
from cloudtrail_operator.core.status import StatusTimes
from cloudtrail_operator.errors import ClusterError, NotLeadingError, SourceGoneError, WorkloadRejectedError
from cloudtrail_operator.reconcile.backfill_children import BackfillChildren
from cloudtrail_operator.reconcile.reconciler import UNDER_WAY_SECONDS, Outside, Policy
from cloudtrail_operator.reconcile.store import Store
from cloudtrail_spec.backfill import CloudTrailBackfillSpec
from cloudtrail_spec.backfill_status import CloudTrailBackfillStatus
from cloudtrail_spec.conditions import ConditionType, Reason
from cloudtrail_spec.source import CloudTrailSourceSpec


class BackfillReconciler:
    """Reconciles backfills, one at a time for each key."""

    def __init__(self, store: Store, sources: Store, outside: Outside, policy: Policy) -> None:
        self._store = store
        self._sources = sources
        self._outside = outside
        self._policy = policy
        self._children = BackfillChildren(outside.cluster, store)
        self._figures_written: dict[SourceKey, float] = {}

    async def reconcile(self, key: SourceKey) -> float | None:
        """Look at a backfill. Return after how many seconds to look again; None: not until something changes.

        Raises what went wrong, after it is written into the backfill's status.
        """
        manifest = self._store.source(key)
        if manifest is None or (backfill := parse_backfill(manifest)).deleting:
            self._figures_written.pop(key, None)
            return None
        try:
            verdict = await self._act(backfill)
            is_written = await self._report(backfill, verdict)
        except SourceGoneError:
            self._store.remove(Kind.BACKFILL, manifest)
            self._figures_written.pop(key, None)
            return None
        except NotLeadingError:
            raise  # nothing failed, and nothing may be written
        except Exception as error:
            await self._report_failure(backfill, error)
            raise
        return self._choose_delay(verdict, is_written=is_written)

    def _choose_delay(self, verdict: BackfillVerdict, *, is_written: bool) -> float | None:
        """Choose when to look again if nothing changes until then. What Kubernetes knows, the watches tell."""
        found = {finding.type: finding.reason for finding in verdict.findings}
        if found.get(ConditionType.READY) is Reason.SOURCE_NOT_FOUND:
            return self._policy.poll_seconds
        if ConditionType.RECONCILING in found:
            return min(UNDER_WAY_SECONDS, self._policy.poll_seconds)
        return None if is_written else self._policy.status_seconds

    async def _act(self, backfill: Backfill) -> BackfillVerdict:
        spec = parse_backfill_spec(backfill.spec)
        if isinstance(spec, SpecProblem):
            return BackfillVerdict(evaluate_backfill_problem(spec, suspended=bool(backfill.spec.get("suspend"))))
        if backfill.is_over:
            await self._children.clean_up(backfill, spec)
            return self._repeat(backfill, spec)
        interval = resolve_interval(backfill, spec)
        if isinstance(interval, SpecProblem):
            return BackfillVerdict(evaluate_backfill_problem(interval, suspended=spec.suspend))
        settings = self._find_settings(backfill, spec)
        if isinstance(settings, str):
            return replace(await self._go_on_without(backfill, spec, settings), interval=interval)
        work = build_work(backfill, spec, settings, interval, self._policy.defaults)
        if isinstance(work, SpecProblem):
            return BackfillVerdict(evaluate_backfill_problem(work, suspended=spec.suspend), interval=interval)
        return replace(await self._pursue(work), interval=interval)

    def _find_settings(self, backfill: Backfill, spec: CloudTrailBackfillSpec) -> CloudTrailSourceSpec | str:
        """Find the settings of the source that the spec names, or make them of the one inside of it; or say why not."""
        if spec.source is not None:
            return spec.source.to_source_spec()
        name = spec.source_ref.name if spec.source_ref else ""
        manifest = self._sources.source(SourceKey(backfill.key.namespace, name))
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            return f"there is no CloudTrailSource {name} in namespace {backfill.key.namespace}"
        settings = parse_spec(manifest.get("spec") or {})
        if isinstance(settings, SpecProblem):
            return f"the spec of CloudTrailSource {name} is not in order: {'; '.join(settings.sentences)}"
        return settings

    async def _go_on_without(self, backfill: Backfill, spec: CloudTrailBackfillSpec, sentence: str) -> BackfillVerdict:
        """Wait for the source. A Job that is there goes on as far as it can: the ServiceAccount went with the source."""
        verdict: BackfillVerdict | None = None
        if self._children.find_job(backfill) is not None:
            await self._children.control(backfill, spec)
            verdict = self._judge(backfill, spec)
            if verdict.completed_at is not None:
                return verdict
        findings = evaluate_backfill_wait(Reason.SOURCE_NOT_FOUND, sentence, suspended=spec.suspend)
        return BackfillVerdict(findings, figures=None if verdict is None else verdict.figures)

    async def _pursue(self, work: Work) -> BackfillVerdict:
        """Make what is missing, bring the Job under control, and judge it."""
        backfill, spec = work.backfill, work.spec
        denial = self._find_denial(work)
        if denial:
            await self._children.remove(backfill)
            problem = SpecProblem(Reason.NOT_ALLOWED, denial)
            return BackfillVerdict(evaluate_backfill_problem(problem, suspended=spec.suspend))
        job = self._children.find_job(backfill)
        if job is not None and is_of_other_spec(job, work):
            problem = SpecProblem(
                Reason.SPEC_CHANGED,
                ("the backfill was started with another spec: put it back, or make a new backfill",),
            )
            return BackfillVerdict(evaluate_backfill_problem(problem, suspended=spec.suspend))
        await self._children.apply(backfill, build_desired_backfill(work))
        await self._children.control(backfill, spec)
        return self._judge(backfill, spec)

    def _find_denial(self, work: Work) -> tuple[str, ...]:
        """Hold the settings against the allow-list, as those of a source; but for the queue where there is none."""
        named = collect_named(work.workload.spec)
        if work.spec.source is not None:
            named["queue_arns"] = ()
        return find_refusal(self._policy.allow_list, work.backfill.key.namespace, named)

    def _judge(self, backfill: Backfill, spec: CloudTrailBackfillSpec) -> BackfillVerdict:
        seen = self._observe(backfill)
        findings = evaluate_backfill(spec, seen)
        over = is_end(findings)
        figures = build_figures(
            seen.notes,
            seen.job,
            shares=spec.shares,
            parallelism=spec.parallelism,
            at_work=not over and not spec.suspend,
        )
        ended_at = seen.job.succeeded_at or seen.job.failed_at
        return BackfillVerdict(findings, figures=figures, completed_at=ended_at if over else None)

    def _repeat(self, backfill: Backfill, spec: CloudTrailBackfillSpec) -> BackfillVerdict:
        """Say again how it ended. The workers' last notes may have come after that was seen."""
        seen = self._observe(backfill)
        figures = build_figures(seen.notes, seen.job, shares=spec.shares, parallelism=spec.parallelism, at_work=False)
        return BackfillVerdict(repeat_findings(backfill.status), figures=figures if seen.notes else None)

    def _observe(self, backfill: Backfill) -> BackfillObservation:
        children = self._store.children(backfill.key)
        notes = [parse_progress(child) for child in children if _is_note(child, backfill)]
        return BackfillObservation(
            job=parse_job(self._children.find_job(backfill)),
            pods=tuple(parse_pod(manifest) for manifest in self._store.pods(backfill.key)),
            notes=tuple(note for note in notes if note is not None),
            at=self._outside.clock.now(),
        )

    async def _report(self, backfill: Backfill, verdict: BackfillVerdict) -> bool:
        """Write the status if it has to be, and tell people what changed. Return whether nothing is left to write."""
        clock = self._outside.clock
        times = StatusTimes(clock.now(), timedelta(seconds=self._policy.stall_seconds))
        status = build_backfill_status(backfill, verdict, times)
        # After a restart nobody knows when figures were written last: as if just now.
        last = self._figures_written.setdefault(backfill.key, clock.monotonic())
        due = clock.monotonic() - last >= self._policy.status_seconds
        if not backfill_needs_write(status, backfill.status, figures_due=due):
            return due or not backfill_needs_write(status, backfill.status, figures_due=True)
        written = await self._outside.cluster.apply_status(_build_status_manifest(backfill, status))
        self._figures_written[backfill.key] = clock.monotonic()
        self._store.put(Kind.BACKFILL, written)
        for notice in build_backfill_notices(backfill.status, status):
            await self._outside.recorder.record(backfill, notice)
        return True

    async def _report_failure(self, backfill: Backfill, error: Exception) -> None:
        """Write into the status why the look failed, before it is tried again."""
        sentence, suspended = str(error) or type(error).__name__, bool(backfill.spec.get("suspend"))
        if isinstance(error, WorkloadRejectedError):
            problem = SpecProblem(Reason.WORKLOAD_REJECTED, (sentence,))
            findings = evaluate_backfill_problem(problem, suspended=suspended)
        else:
            findings = evaluate_backfill_wait(Reason.RECONCILE_FAILED, sentence, suspended=suspended)
        with suppress(ClusterError):  # what failed first is what has to be told
            if not backfill.is_over:
                await self._report(backfill, BackfillVerdict(findings))


def _is_note(child: Manifest, backfill: Backfill) -> bool:
    prefix = f"{progress_prefix(backfill.key.name)}-"
    return bool(child["kind"] == Kind.CONFIG_MAP.value.kind and child["metadata"]["name"].startswith(prefix))


def _build_status_manifest(backfill: Backfill, status: CloudTrailBackfillStatus) -> Manifest:
    return {
        "apiVersion": Kind.BACKFILL.value.api_version,
        "kind": backfill.kind,
        "metadata": {"name": backfill.key.name, "namespace": backfill.key.namespace},
        "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
