"""Makes a backfill's children what they should be. Its Job and its task are made once, and stay as they were made."""

from cloudtrail_operator.core.backfill.job import (
    build_control,
    build_last_control,
    find_task_name,
    is_under_control,
)
from cloudtrail_operator.core.backfill.job_state import parse_job
from cloudtrail_operator.core.backfill.manifests import DesiredBackfill
from cloudtrail_operator.core.backfill.resource import Backfill
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import CONTROL_MANAGER, Manifest, backfill_name
from cloudtrail_operator.core.plan import identify, is_going, owner_of, plan_changes
from cloudtrail_operator.errors import ClusterError
from cloudtrail_operator.ports import Cluster
from cloudtrail_operator.reconcile.children import check_owner, check_source, remove_children
from cloudtrail_operator.reconcile.store import Store
from cloudtrail_spec.backfill import CloudTrailBackfillSpec


class BackfillChildren:
    """The children of backfills, as the store knows them, and as they should be."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store

    def find_job(self, backfill: Backfill) -> Manifest | None:
        """Find the backfill's own Job. One of that name which belongs to somebody else counts for nothing."""
        job = self._store.child(backfill.key, Kind.JOB, backfill_name(backfill.key.name))
        return job if job is not None and owner_of(job) == backfill.uid else None

    async def apply(self, backfill: Backfill, desired: DesiredBackfill) -> None:
        """Apply what differs and delete what is of no use any more."""
        job = self.find_job(backfill)
        if job is not None:
            await self._check_task(backfill, job)
        kept = set() if job is None else {identify(job), (Kind.CONFIG_MAP.value.kind, find_task_name(job))}
        wanted = desired.supports if job is not None else (*desired.supports, *desired.start)
        observed = [child for child in self._store.children(backfill.key) if identify(child) not in kept]
        plan = plan_changes(wanted, observed, owner_uid=backfill.uid)
        await check_source(self._cluster, self._store, backfill, plan)
        for manifest in plan.apply:
            await check_owner(self._cluster, self._store, backfill, manifest)
            self._store.put(Kind.of(manifest["kind"]), await self._cluster.apply(manifest))
        for manifest in plan.delete:
            await self._cluster.delete(manifest)

    async def _check_task(self, backfill: Backfill, job: Manifest) -> None:
        """Delete a Job that lost its task, of which no pod could start. The next one goes on from the workers' notes."""
        state, name = parse_job(job), find_task_name(job)
        is_over = state.failed_at is not None or state.succeeded_at is not None
        if is_over or is_going(job) or self._store.child(backfill.key, Kind.CONFIG_MAP, name) is not None:
            return
        await self._cluster.delete(job)
        raise ClusterError(f"ConfigMap {name} with the workers' task is gone: the Job is made anew")

    async def control(self, backfill: Backfill, spec: CloudTrailBackfillSpec) -> None:
        """Let the Job go, hold it, or change its pace."""
        await self._apply_control(backfill, build_control(backfill, spec))

    async def clean_up(self, backfill: Backfill, spec: CloudTrailBackfillSpec) -> None:
        """Let a Job that has ended live as long as it should. When it is gone, the other children go, too."""
        job = self.find_job(backfill)
        if job is None:
            await remove_children(self._cluster, self._store, backfill)
        else:
            await self._apply_control(backfill, build_last_control(backfill, spec, job))

    async def _apply_control(self, backfill: Backfill, control: Manifest) -> None:
        job = self.find_job(backfill)
        if job is not None and not is_going(job) and not is_under_control(job, control):
            self._store.put(Kind.JOB, await self._cluster.apply(control, manager=CONTROL_MANAGER))

    async def remove(self, backfill: Backfill) -> None:
        """Delete all: the pods stop, and what they were allowed to ends."""
        await remove_children(self._cluster, self._store, backfill)
