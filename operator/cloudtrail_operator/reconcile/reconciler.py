"""One look at one source: gather, decide, act, report. Safe to repeat at any time and from any state."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from cloudtrail_operator.aws_setup.published import build_documents
from cloudtrail_operator.aws_setup.trust import Identity
from cloudtrail_operator.core.allow_list import AllowList, find_denial
from cloudtrail_operator.core.change import Change
from cloudtrail_operator.core.desired import Desired, build_desired
from cloudtrail_operator.core.evaluation import (
    evaluate,
    evaluate_denial,
    evaluate_failure,
    evaluate_problem,
    evaluate_rejection,
    is_denied,
    is_under_way,
)
from cloudtrail_operator.core.findings import Verdict
from cloudtrail_operator.core.flow import DEFAULT_LIMITS, FlowLimits
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import Manifest, aws_documents_name, workload_name
from cloudtrail_operator.core.notices import build_notices
from cloudtrail_operator.core.observation import Observation, parse_rollout
from cloudtrail_operator.core.pods import parse_pod
from cloudtrail_operator.core.readiness import describe_rollout
from cloudtrail_operator.core.scaling import Autoscaler, find_scaling_problem
from cloudtrail_operator.core.source import Source, SourceKey, SpecProblem, parse_source, parse_spec
from cloudtrail_operator.core.status import StatusTimes, build_status, compare
from cloudtrail_operator.core.workload import CollectorDefaults
from cloudtrail_operator.errors import ClusterError, NotLeadingError, SourceGoneError, WorkloadRejectedError
from cloudtrail_operator.ports import Clock, Cluster, Recorder, Reports
from cloudtrail_operator.reconcile.children import apply_children, delete_children, remove_children
from cloudtrail_operator.reconcile.polling import Poller
from cloudtrail_operator.reconcile.served_kinds import ServedKinds
from cloudtrail_operator.reconcile.settled import SettledSources, find_basis
from cloudtrail_operator.reconcile.store import Store
from cloudtrail_operator.reconcile.unchanged import UnchangedVerdicts
from cloudtrail_spec.crd import KIND
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.source import CloudTrailSourceSpec
from cloudtrail_spec.status import CloudTrailSourceStatus

UNDER_WAY_SECONDS = 2.0  # how soon to look again while something is under way
READY_FACTOR = 2  # what is well is asked less often: a thousand sources at rest are to cost a twentieth of a core


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's settings, as far as they decide about sources."""

    defaults: CollectorDefaults
    allow_list: AllowList = ()
    poll_seconds: float = 15.0
    status_seconds: float = 60.0
    stall_seconds: float = 300.0
    flow: FlowLimits = DEFAULT_LIMITS
    documents: Identity | None = None
    """Publish the IAM documents of each source, with what is known of the pods' identity. None: do not."""


@dataclass(frozen=True, slots=True)
class Outside:
    """The ports that a reconciler needs."""

    cluster: Cluster
    reports: Reports
    recorder: Recorder
    clock: Clock


class Reconciler:
    """Reconciles sources, one at a time for each key."""

    def __init__(self, store: Store, served: ServedKinds, outside: Outside, policy: Policy) -> None:
        self._store = store
        self._served = served
        self._outside = outside
        self._policy = policy
        self._poller = Poller(outside.reports, outside.clock)
        self._settled = SettledSources()
        self._unchanged = UnchangedVerdicts()
        self._figures_written: dict[SourceKey, float] = {}
        self._incomplete: set[SourceKey] = set()
        """The sources whose documents are to be made with the next look."""

    async def reconcile(self, key: SourceKey) -> float | None:
        """Look at a source. Return after how many seconds to look again; None: not until something changes.

        Raises what went wrong, after it is written into the source's status.
        """
        manifest = self._store.source(key)
        if manifest is None or (source := parse_source(manifest)).deleting:
            self._forget(key)
            return None
        try:
            verdict = await self._act(source)
            await self._report(source, verdict)
        except SourceGoneError:
            self._store.remove(Kind.SOURCE, manifest)
            self._forget(key)
            return None
        except NotLeadingError:
            raise  # nothing failed, and nothing may be written
        except Exception as error:
            await self._report_failure(source, error)
            raise
        return 0.0 if self._is_outdated(key, manifest) else self._choose_delay(key, verdict)

    def _is_outdated(self, key: SourceKey, seen: Manifest) -> bool:
        """Say whether the source was changed meanwhile: an answer to our own write may tell before the watch does."""
        if self._store.source_version(key) == int(seen["metadata"]["resourceVersion"]):
            return False
        known = self._store.source(key)
        said = ("generation", "annotations", "deletionTimestamp")
        return known is not None and any(seen["metadata"].get(name) != known["metadata"].get(name) for name in said)

    async def _report_failure(self, source: Source, error: Exception) -> None:
        """Write into the status why the look failed, before it is tried again."""
        evaluate_error = evaluate_rejection if isinstance(error, WorkloadRejectedError) else evaluate_failure
        sentence, peers = str(error) or type(error).__name__, self._store.queue_peers(source.key)
        with suppress(ClusterError):  # what failed first is what has to be told
            await self._report(source, evaluate_error(sentence, source.status, peers))

    def _choose_delay(self, key: SourceKey, verdict: Verdict) -> float | None:
        """Choose when to look again if nothing changes until then."""
        if is_under_way(verdict) or key in self._incomplete:
            return min(UNDER_WAY_SECONDS, self._policy.poll_seconds)
        # No collector runs, or none that this spec is about: only a change of the source makes a difference.
        rests = verdict.replicas is None or verdict.mode is Mode.PAUSED or is_denied(verdict)
        if rests:
            return None
        return self._policy.poll_seconds * (READY_FACTOR if verdict.is_ready() else 1)

    async def _act(self, source: Source) -> Verdict:
        autoscaler = self._served.autoscaler
        basis = find_basis(source, autoscaler, self._store.child_versions(source.key))
        settled = self._settled.find(source.key, basis)
        if settled is not None:
            return evaluate(settled, await self._observe(source.key), source.status, self._policy.flow)
        spec = parse_spec(source.spec)
        if isinstance(spec, SpecProblem):
            return evaluate_problem(spec, source.status, self._store.queue_peers(source.key))
        denial = find_denial(self._policy.allow_list, source.key.namespace, spec)
        if denial:
            await remove_children(self._outside.cluster, self._store, source)
            return evaluate_denial(denial, source.status)
        problem = find_scaling_problem(spec, autoscaler)
        if problem is not None:
            return evaluate_problem(problem, source.status, self._store.queue_peers(source.key))
        desired = self._build_desired(source, spec, autoscaler)
        plan = await apply_children(self._outside.cluster, self._store, source, desired)
        if plan.is_empty:
            self._settled.note(source.key, basis, desired)
        observation = await self._observe(source.key)
        await delete_children(self._outside.cluster, plan, rollout_over=_is_over(desired, observation))
        return evaluate(desired, observation, source.status, self._policy.flow)

    def _build_desired(self, source: Source, spec: CloudTrailSourceSpec, autoscaler: Autoscaler) -> Desired:
        """Build all children. The documents come when the rest is there: no collector, of any source, waits for them."""
        desired = build_desired(source, spec, self._policy.defaults, autoscaler)
        self._incomplete.discard(source.key)
        if self._policy.documents is None:
            return desired
        made = (Kind.DEPLOYMENT, workload_name(source.key.name)), (Kind.CONFIG_MAP, aws_documents_name(source.key.name))
        if all(self._store.child(source.key, *place) is None for place in made):
            self._incomplete.add(source.key)
            return desired
        documents = build_documents(source, spec, self._policy.documents)
        return replace(desired, manifests=(*desired.manifests, documents))

    async def _observe(self, key: SourceKey) -> Observation:
        pods = [parse_pod(manifest) for manifest in self._store.pods(key)]
        return Observation(
            rollout=parse_rollout(self._store.child(key, Kind.DEPLOYMENT, workload_name(key.name))),
            collectors=await self._poller.poll(key, pods),
            at=self._outside.clock.now(),
            peers=self._store.queue_peers(key),
        )

    async def _report(self, source: Source, verdict: Verdict) -> None:
        """Write the status if it has to be, and tell people what changed."""
        clock = self._outside.clock
        # After a restart nobody knows when figures were written last: as if just now.
        last = self._figures_written.setdefault(source.key, clock.monotonic())
        due = clock.monotonic() - last >= self._policy.status_seconds
        if self._unchanged.is_repeated(source, verdict, figures_due=due):
            return
        times = StatusTimes(clock.now(), timedelta(seconds=self._policy.stall_seconds))
        status = build_status(source, verdict, source.status, times)
        change = compare(status, source.status)
        if change is Change.NONE or (change is Change.MINOR and not due):
            self._unchanged.note(source, verdict, change)
            return
        try:
            written = await self._outside.cluster.apply_status(_build_status_manifest(source, status))
        except SourceGoneError:
            return
        self._figures_written[source.key] = clock.monotonic()
        self._store.put(Kind.SOURCE, written)
        for notice in build_notices(source.status, status):
            await self._outside.recorder.record(source, notice)

    def _forget(self, key: SourceKey) -> None:
        self._poller.forget(key)
        self._settled.forget(key)
        self._unchanged.forget(key)
        self._incomplete.discard(key)
        self._figures_written.pop(key, None)


def _is_over(desired: Desired, observation: Observation) -> bool:
    return describe_rollout(desired, observation) is None


def _build_status_manifest(source: Source, status: CloudTrailSourceStatus) -> Manifest:
    return {
        "apiVersion": Kind.SOURCE.value.api_version,
        "kind": KIND,
        "metadata": {"name": source.key.name, "namespace": source.key.namespace},
        "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
