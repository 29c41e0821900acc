"""Makes a source's children what they should be."""

from cloudtrail_operator.core.desired import Desired
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.core.plan import Plan, is_going, owner_of, plan_changes
from cloudtrail_operator.core.source import Source
from cloudtrail_operator.errors import ClusterError, OccupiedError
from cloudtrail_operator.ports import Cluster
from cloudtrail_operator.reconcile.store import Store


async def apply_children(cluster: Cluster, store: Store, source: Source, desired: Desired) -> Plan:
    """Apply what differs and return the plan, whose deletions are left to `delete_children`."""
    plan = plan_changes(desired.manifests, store.children(source.key), owner_uid=source.uid)
    for manifest in plan.apply:
        await _check_owner(cluster, store, source, manifest)
        store.put(Kind.of(manifest["kind"]), await cluster.apply(manifest))
    return plan


async def delete_children(cluster: Cluster, plan: Plan, *, rollout_over: bool) -> None:
    """Delete what is no longer wanted. Old pods may still start with an old ConfigMap until the rollout is over."""
    for manifest in plan.delete:
        if rollout_over or manifest["kind"] != Kind.CONFIG_MAP.value.kind:
            await cluster.delete(manifest)


async def _check_owner(cluster: Cluster, store: Store, source: Source, manifest: Manifest) -> None:
    """Refuse to take over what is not ours: it may be a ServiceAccount that other pods run under."""
    kind, name = Kind.of(manifest["kind"]), manifest["metadata"]["name"]
    known = store.child(source.key, kind, name) or await cluster.get(kind, source.key.namespace, name)
    if known is None:
        return
    if is_going(known):
        raise ClusterError(f"{kind.value.kind} {name} is being deleted; it is made again afterwards")
    if owner_of(known) != source.uid:
        raise OccupiedError(f"{kind.value.kind} {name} exists already and does not belong to this source")
