"""Makes children what they should be, and hands a source's Deployment over to an autoscaler."""

from cloudtrail_operator.core.desired import Desired
from cloudtrail_operator.core.kinds import AUTOSCALERS, BACKFILLS, CHILD_KINDS, SOURCES, Kind
from cloudtrail_operator.core.names import HANDOVER_MANAGER, Manifest
from cloudtrail_operator.core.plan import Plan, is_going, owner_of, plan_changes
from cloudtrail_operator.core.scaling import build_handover, choose_handover
from cloudtrail_operator.core.source import Owner, Source
from cloudtrail_operator.errors import ClusterError, OccupiedError, SourceGoneError
from cloudtrail_operator.ports import Cluster
from cloudtrail_operator.reconcile.store import Store
from cloudtrail_spec.source import Scaling

_WORDS = {SOURCES.owner.value.kind: "source", BACKFILLS.owner.value.kind: "backfill"}


async def apply_children(cluster: Cluster, store: Store, source: Source, desired: Desired) -> Plan:
    """Apply what differs and return the plan, whose deletions are left to `delete_children`.

    But for autoscalers: one that is not wanted goes first, since it would fight with the next, or with mode Paused.
    """
    plan = plan_changes(desired.manifests, store.children(source.key), owner_uid=source.uid)
    for manifest in filter(_is_autoscaler, plan.delete):
        await cluster.delete(manifest)
    await check_source(cluster, store, source, plan)
    for manifest in plan.apply:
        await check_owner(cluster, store, source, manifest)
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


async def remove_children(cluster: Cluster, store: Store, owner: Owner) -> None:
    """Delete all that an owner has, in the order in which nothing comes back: its collectors stop, its identity goes."""
    plan = plan_changes((), store.children(owner.key), owner_uid=owner.uid)
    for manifest in sorted(plan.delete, key=lambda child: -CHILD_KINDS.index(Kind.of(child["kind"]))):
        await cluster.delete(manifest)


async def check_source(cluster: Cluster, store: Store, owner: Owner, plan: Plan) -> None:
    """Before a child is made, make sure that its owner exists: Kubernetes deletes the children of one that is gone.

    When the watch of owners is later to tell than those of children, they would be made and deleted again and again.
    """
    if all(_find(store, owner, manifest) is not None for manifest in plan.apply):
        return
    live = await cluster.get(store.family.owner, owner.key.namespace, owner.key.name)
    if live is None or live["metadata"]["uid"] != owner.uid:
        raise SourceGoneError(f"{owner.kind} {owner.key} does not exist any more")


async def check_owner(cluster: Cluster, store: Store, owner: Owner, manifest: Manifest) -> None:
    """Refuse to take over what is not ours: it may be a ServiceAccount that other pods run under."""
    kind, name = Kind.of(manifest["kind"]), manifest["metadata"]["name"]
    known = _find(store, owner, manifest) or await cluster.get(kind, owner.key.namespace, name)
    if known is None:
        return
    if is_going(known):
        raise ClusterError(f"{kind.value.kind} {name} is being deleted; it is made again afterwards")
    if owner_of(known) != owner.uid:
        raise OccupiedError(f"{kind.value.kind} {name} exists already and does not belong to this {_WORDS[owner.kind]}")


def _find(store: Store, owner: Owner, manifest: Manifest) -> Manifest | None:
    return store.child(owner.key, Kind.of(manifest["kind"]), manifest["metadata"]["name"])
