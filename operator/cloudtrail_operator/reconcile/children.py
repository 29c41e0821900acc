"""Makes a source's children what they should be, and hands its Deployment over to an autoscaler."""

from cloudtrail_operator.core.desired import Desired
from cloudtrail_operator.core.kinds import AUTOSCALERS, CHILD_KINDS, Kind
from cloudtrail_operator.core.names import HANDOVER_MANAGER, Manifest
from cloudtrail_operator.core.plan import Plan, is_going, owner_of, plan_changes
from cloudtrail_operator.core.scaling import build_handover, choose_handover
from cloudtrail_operator.core.source import Source
from cloudtrail_operator.errors import ClusterError, OccupiedError, SourceGoneError
from cloudtrail_operator.ports import Cluster
from cloudtrail_operator.reconcile.store import Store
from cloudtrail_spec.source import Scaling


async def apply_children(cluster: Cluster, store: Store, source: Source, desired: Desired) -> Plan:
    """Apply what differs and return the plan, whose deletions are left to `delete_children`.

    But for autoscalers: one that is not wanted goes first, since it would fight with the next, or with mode Paused.
    """
    plan = plan_changes(desired.manifests, store.children(source.key), owner_uid=source.uid)
    for manifest in filter(_is_autoscaler, plan.delete):
        await cluster.delete(manifest)
    if any(_find(store, source, manifest) is None for manifest in plan.apply):
        await _check_source(cluster, source)
    for manifest in plan.apply:
        await _check_owner(cluster, store, source, manifest)
        if desired.scaling is not None and manifest["kind"] == Kind.DEPLOYMENT.value.kind:
            await _hand_over(cluster, manifest, desired.scaling)
        store.put(Kind.of(manifest["kind"]), await cluster.apply(manifest))
    return plan


async def delete_children(cluster: Cluster, plan: Plan, *, rollout_over: bool) -> None:
    """Delete what is no longer wanted. Old pods may still start with an old ConfigMap until the rollout is over."""
    for manifest in plan.delete:
        is_in_use = not rollout_over and manifest["kind"] == Kind.CONFIG_MAP.value.kind
        if not is_in_use and not _is_autoscaler(manifest):
            await cluster.delete(manifest)


def _is_autoscaler(manifest: Manifest) -> bool:
    return Kind.of(manifest["kind"]) in AUTOSCALERS


async def _hand_over(cluster: Cluster, deployment: Manifest, scaling: Scaling) -> None:
    """Let another field manager own the replicas that are ours, before they are left out of what is applied."""
    metadata = deployment["metadata"]
    live = await cluster.get(Kind.DEPLOYMENT, metadata["namespace"], metadata["name"])
    replicas = choose_handover(live, scaling)
    if replicas is not None:
        await cluster.apply(build_handover(deployment, replicas), manager=HANDOVER_MANAGER)


async def remove_children(cluster: Cluster, store: Store, source: Source) -> None:
    """Delete all that a source has, in the order in which nothing comes back: its collectors stop, its identity goes."""
    plan = plan_changes((), store.children(source.key), owner_uid=source.uid)
    for manifest in sorted(plan.delete, key=lambda child: -CHILD_KINDS.index(Kind.of(child["kind"]))):
        await cluster.delete(manifest)


async def _check_source(cluster: Cluster, source: Source) -> None:
    """Before a child is made, make sure that its source exists: Kubernetes deletes the children of one that is gone.

    When the watch of sources is later to tell than those of children, they would be made and deleted again and again.
    """
    live = await cluster.get(Kind.SOURCE, source.key.namespace, source.key.name)
    if live is None or live["metadata"]["uid"] != source.uid:
        raise SourceGoneError(f"the source {source.key} does not exist any more")


async def _check_owner(cluster: Cluster, store: Store, source: Source, manifest: Manifest) -> None:
    """Refuse to take over what is not ours: it may be a ServiceAccount that other pods run under."""
    kind, name = Kind.of(manifest["kind"]), manifest["metadata"]["name"]
    known = _find(store, source, manifest) or await cluster.get(kind, source.key.namespace, name)
    if known is None:
        return
    if is_going(known):
        raise ClusterError(f"{kind.value.kind} {name} is being deleted; it is made again afterwards")
    if owner_of(known) != source.uid:
        raise OccupiedError(f"{kind.value.kind} {name} exists already and does not belong to this source")


def _find(store: Store, source: Source, manifest: Manifest) -> Manifest | None:
    return store.child(source.key, Kind.of(manifest["kind"]), manifest["metadata"]["name"])
