"""Deployments: one ReplicaSet per pod template, moved from the old to the new one by the strategy; and the status."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from localcluster.embedded.jsontypes import Json, clone, dig, parse_timestamp, timestamp
from localcluster.embedded.lifecycle import PODS, DeleteOptions, Lifecycle, WriteOptions
from localcluster.embedded.replicasets import REPLICASETS, controller_of, controller_reference
from localcluster.embedded.resources import Registry
from localcluster.embedded.rollouts import Bounds, Generation, bounds, plan_new, plan_old
from localcluster.embedded.store import Store

DEPLOYMENTS = ("apps", "deployments")
HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_OPTIONS = WriteOptions(manager="kube-controller-manager")
_HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Json) -> str:
    """A short name for a pod template."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_HASH_ALPHABET[byte % len(_HASH_ALPHABET)] for byte in digest[:10])


class DeploymentController:
    """Called after Deployments, ReplicaSets or pods changed, and once a second for the progress deadline."""

    def __init__(self, store: Store, registry: Registry, lifecycle: Lifecycle) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._deployments = registry.builtin("deployments", "apps")
        self._replicasets = registry.builtin("replicasets", "apps")

    def reconcile(self) -> None:
        """One pass over all Deployments."""
        for deployment in self._store.list(DEPLOYMENTS):
            if not deployment["metadata"].get("deletionTimestamp"):
                self._reconcile(deployment)

    def _reconcile(self, deployment: Json) -> None:
        owned = self._owned(deployment)
        current = template_hash(deployment["spec"]["template"])
        new = next((rs for rs in owned if rs["metadata"]["labels"].get(HASH_LABEL) == current), None)
        old = [rs for rs in owned if rs is not new]
        paused = deployment["spec"].get("paused")
        recreate = deployment["spec"]["strategy"]["type"] == "Recreate"
        if not paused and recreate:
            self._recreate(deployment, new, old)
        elif not paused:
            self._roll(deployment, new, old)
        elif new is not None:
            self._scale(new, deployment["spec"]["replicas"])
        self._forget_history(deployment)
        self._report(deployment, current)

    def _owned(self, deployment: Json) -> list[Json]:
        namespace, uid = deployment["metadata"]["namespace"], deployment["metadata"]["uid"]
        found = [rs for rs in self._store.list(REPLICASETS, namespace) if controller_of(rs) == uid]
        return sorted(found, key=lambda rs: int(dig(rs, "metadata", "annotations", REVISION) or 0))

    def _recreate(self, deployment: Json, new: Json | None, old: list[Json]) -> None:
        for replicaset in old:
            self._scale(replicaset, 0)
        if any(self._has_pods(replicaset) for replicaset in old):
            return
        new = new or self._create(deployment, 0)
        self._scale(self._number(deployment, new), deployment["spec"]["replicas"])

    def _has_pods(self, replicaset: Json) -> bool:
        """Whether pods are left that have not finished; those being deleted still run, and count."""
        namespace, uid = replicaset["metadata"]["namespace"], replicaset["metadata"]["uid"]
        pods = [pod for pod in self._store.list(PODS, namespace) if controller_of(pod) == uid]
        return any(dig(pod, "status", "phase") not in ("Succeeded", "Failed") for pod in pods)

    def _roll(self, deployment: Json, new: Json | None, old: list[Json]) -> None:
        replicas, limits = deployment["spec"]["replicas"], bounds(deployment["spec"])
        new = self._number(deployment, new or self._create(deployment, 0))
        generations = [_generation(replicaset) for replicaset in old]
        wanted = plan_new(replicas, limits, _generation(new), generations)
        if wanted != _generation(new).wanted:
            self._scale(new, wanted)
            return
        for replicaset, keep in zip(old, plan_old(replicas, limits, _generation(new), generations), strict=True):
            self._scale(replicaset, keep)

    def _create(self, deployment: Json, replicas: int) -> Json:
        metadata, spec = deployment["metadata"], deployment["spec"]
        template = clone(spec["template"])
        name = template_hash(spec["template"])
        labels = {**(dig(template, "metadata", "labels") or {}), HASH_LABEL: name}
        template.setdefault("metadata", {})["labels"] = labels
        selector = clone(spec["selector"])
        selector.setdefault("matchLabels", {})[HASH_LABEL] = name
        replicaset: Json = {
            "metadata": {
                "name": f"{metadata['name']}-{name}",
                "labels": dict(labels),
                "annotations": {REVISION: "0"},
                "ownerReferences": [controller_reference(deployment)],
            },
            "spec": {"replicas": replicas, "selector": selector, "template": template},
        }
        if spec.get("minReadySeconds"):
            replicaset["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        return self._lifecycle.create(self._replicasets, metadata["namespace"], replicaset, _OPTIONS)

    def _number(self, deployment: Json, new: Json) -> Json:
        """Give the new ReplicaSet the highest revision, and the Deployment the same."""
        revisions = {
            rs["metadata"]["uid"]: int(rs["metadata"]["annotations"][REVISION]) for rs in self._owned(deployment)
        }
        own = revisions.pop(new["metadata"]["uid"], 0)
        highest = max(revisions.values(), default=0)
        if own <= highest:
            new = self._annotate(self._replicasets, new, highest + 1)
            own = highest + 1
        if dig(deployment, "metadata", "annotations", REVISION) != str(own):
            self._annotate(self._deployments, self._current(deployment), own)
        return new

    def _annotate(self, resource: object, obj: Json, revision: int) -> Json:
        changed = clone(obj)
        changed["metadata"].setdefault("annotations", {})[REVISION] = str(revision)
        kind = self._replicasets if resource is self._replicasets else self._deployments
        return self._lifecycle.update(kind, obj, changed, _OPTIONS)

    def _current(self, deployment: Json) -> Json:
        metadata = deployment["metadata"]
        return self._store.get(DEPLOYMENTS, metadata["namespace"], metadata["name"]) or deployment

    def _scale(self, replicaset: Json, replicas: int) -> None:
        if dig(replicaset, "spec", "replicas") != replicas:
            changed = clone(replicaset)
            changed["spec"]["replicas"] = replicas
            self._lifecycle.update(self._replicasets, replicaset, changed, _OPTIONS)

    def _forget_history(self, deployment: Json) -> None:
        owned = self._owned(deployment)[:-1]
        idle = [rs for rs in owned if not dig(rs, "spec", "replicas") and not dig(rs, "status", "replicas")]
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        for replicaset in idle[: max(len(idle) - limit, 0)]:
            self._lifecycle.delete(self._replicasets, replicaset, DeleteOptions())

    def _report(self, deployment: Json, current_hash: str) -> None:
        deployment = self._current(deployment)
        owned = self._owned(deployment)
        new = next((rs for rs in owned if rs["metadata"]["labels"].get(HASH_LABEL) == current_hash), None)
        status = summarize(deployment, new, owned)
        if status != deployment.get("status"):
            reported = {**deployment, "metadata": clone(deployment["metadata"]), "status": status}
            self._lifecycle.update(self._deployments, deployment, reported, _OPTIONS, "status")


def _generation(replicaset: Json) -> Generation:
    return Generation(dig(replicaset, "spec", "replicas") or 0, dig(replicaset, "status", "availableReplicas") or 0)


def _count(replicasets: list[Json], field: str) -> int:
    return sum(dig(replicaset, "status", field) or 0 for replicaset in replicasets)


def summarize(deployment: Json, new: Json | None, owned: list[Json]) -> Json:
    """The status of a Deployment from its ReplicaSets."""
    replicas = deployment["spec"]["replicas"]
    available = _count(owned, "availableReplicas")
    counts = {
        "replicas": _count(owned, "replicas"),
        "updatedReplicas": _count([new] if new else [], "replicas"),
        "readyReplicas": _count(owned, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, max(replicas, _count(owned, "replicas")) - available),
    }
    status: Json = {key: value for key, value in counts.items() if value}
    status["observedGeneration"] = deployment["metadata"]["generation"]
    recreate = deployment["spec"]["strategy"]["type"] == "Recreate"
    limits = Bounds(0, 0) if recreate else bounds(deployment["spec"])
    before = {item["type"]: item for item in dig(deployment, "status", "conditions") or []}
    conditions = [
        _available(available >= replicas - limits.unavailable, before.get("Available")),
        _progressing(deployment, new, status, before.get("Progressing")),
    ]
    failures = [
        item for rs in owned for item in dig(rs, "status", "conditions") or [] if item["type"] == "ReplicaFailure"
    ]
    status["conditions"] = [*conditions, *failures[:1]]
    return status


def _available(enough: bool, before: Json | None) -> Json:
    if enough:
        return _condition(
            "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", before
        )
    message = "Deployment does not have minimum availability."
    return _condition("Available", "False", "MinimumReplicasUnavailable", message, before)


def _progressing(deployment: Json, new: Json | None, status: Json, before: Json | None) -> Json:
    name = new["metadata"]["name"] if new else ""
    replicas = deployment["spec"]["replicas"]
    done = all(status.get(key, 0) == replicas for key in ("replicas", "updatedReplicas", "availableReplicas"))
    if done and new is not None:
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return _condition("Progressing", "True", "NewReplicaSetAvailable", message, before)
    counted = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    earlier = deployment.get("status") or {}
    moved = any(status.get(key, 0) != earlier.get(key, 0) for key in counted)
    fresh = status["observedGeneration"] != earlier.get("observedGeneration")
    if before is not None and not moved and not fresh:
        waited = (datetime.now(UTC) - parse_timestamp(before["lastUpdateTime"])).total_seconds()
        late = waited > deployment["spec"].get("progressDeadlineSeconds", 600)
        if not late or before["status"] == "False" or before["reason"] == "NewReplicaSetAvailable":
            return before
        message = f'ReplicaSet "{name}" has timed out progressing.'
        return _condition("Progressing", "False", "ProgressDeadlineExceeded", message, before)
    message = f'ReplicaSet "{name}" is progressing.' if new else "Deployment is waiting for its old pods to end."
    return {**_condition("Progressing", "True", "ReplicaSetUpdated", message, before), "lastUpdateTime": timestamp()}


def _condition(kind: str, status: str, reason: str, message: str, before: Json | None) -> Json:
    now = timestamp()
    if before and (before["status"], before["reason"], before["message"]) == (status, reason, message):
        return before
    since = before["lastTransitionTime"] if before and before["status"] == status else now
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": now,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
