"""ReplicaSets: keep the wanted number of pods, and report how many are ready and available."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from localcluster.embedded.errors import ApiError
from localcluster.embedded.jsontypes import Json, clone, dig, parse_timestamp, timestamp
from localcluster.embedded.lifecycle import PODS, DeleteOptions, Lifecycle, WriteOptions
from localcluster.embedded.resources import Registry
from localcluster.embedded.store import Store

REPLICASETS = ("apps", "replicasets")
_OPTIONS = WriteOptions(manager="kube-controller-manager")


def controller_of(obj: Json) -> str | None:
    """The uid of the object that manages this one."""
    references = obj["metadata"].get("ownerReferences") or []
    return next((reference["uid"] for reference in references if reference.get("controller")), None)


def controller_reference(owner: Json) -> Json:
    """The reference that makes an object managed by its owner."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_active(pod: Json) -> bool:
    """Whether the pod counts: not finished, not being deleted."""
    finished = dig(pod, "status", "phase") in ("Succeeded", "Failed")
    return not finished and not pod["metadata"].get("deletionTimestamp")


def ready_since(pod: Json) -> datetime | None:
    """When the pod became ready; None while it is not."""
    for condition in dig(pod, "status", "conditions") or []:
        if condition["type"] == "Ready" and condition["status"] == "True":
            since = condition.get("lastTransitionTime")
            return parse_timestamp(since) if since else datetime.fromtimestamp(0, UTC)
    return None


class ReplicaSetController:
    """Called after pods or ReplicaSets changed, and once a second for what depends on the time."""

    def __init__(self, store: Store, registry: Registry, lifecycle: Lifecycle) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._pods = registry.builtin("pods")
        self._replicasets = registry.builtin("replicasets", "apps")

    def reconcile(self) -> None:
        """One pass over all ReplicaSets."""
        for replicaset in self._store.list(REPLICASETS):
            if not replicaset["metadata"].get("deletionTimestamp"):
                self._reconcile(replicaset)

    def _reconcile(self, replicaset: Json) -> None:
        pods = self._active_pods(replicaset)
        wanted = int(dig(replicaset, "spec", "replicas") or 0)
        failure = None
        try:
            for _ in range(wanted - len(pods)):
                self._create_pod(replicaset)
        except ApiError as error:
            failure = error.message
        for pod in sorted(pods, key=_deletion_order)[: max(len(pods) - wanted, 0)]:
            self._lifecycle.delete(self._pods, pod, DeleteOptions())
        self._report(replicaset, failure)

    def _active_pods(self, replicaset: Json) -> list[Json]:
        uid, namespace = replicaset["metadata"]["uid"], replicaset["metadata"]["namespace"]
        return [pod for pod in self._store.list(PODS, namespace) if controller_of(pod) == uid and is_active(pod)]

    def _create_pod(self, replicaset: Json) -> None:
        template, metadata = dig(replicaset, "spec", "template") or {}, replicaset["metadata"]
        # A name in the template is ignored, as a real controller does: two pods cannot share it.
        inherited = {name: value for name, value in (template.get("metadata") or {}).items() if name != "name"}
        pod: Json = {
            "metadata": {
                **clone(inherited),
                "generateName": f"{metadata['name']}-",
                "ownerReferences": [controller_reference(replicaset)],
            },
            "spec": clone(template.get("spec") or {}),
        }
        self._lifecycle.create(self._pods, metadata["namespace"], pod, _OPTIONS)

    def _report(self, replicaset: Json, failure: str | None) -> None:
        pods = self._active_pods(replicaset)
        settled = datetime.now(UTC) - timedelta(seconds=dig(replicaset, "spec", "minReadySeconds") or 0)
        ready = [since for since in map(ready_since, pods) if since is not None]
        counts = {
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods),
            "readyReplicas": len(ready),
            "availableReplicas": sum(1 for since in ready if since <= settled),
        }
        status: Json = {key: value for key, value in counts.items() if value or key == "replicas"}
        status["observedGeneration"] = replicaset["metadata"]["generation"]
        if failure is not None:
            status["conditions"] = [_failure_condition(replicaset, failure)]
        if status != replicaset.get("status"):
            reported = {**replicaset, "metadata": clone(replicaset["metadata"]), "status": status}
            self._lifecycle.update(self._replicasets, replicaset, reported, _OPTIONS, "status")


def _failure_condition(replicaset: Json, message: str) -> Json:
    for condition in dig(replicaset, "status", "conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["message"] == message:
            known: Json = condition
            return known
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": message,
        "lastTransitionTime": timestamp(),
    }


def _deletion_order(pod: Json) -> tuple[bool, bool, float]:
    """First what no node runs, then what is not ready, then the youngest."""
    created = parse_timestamp(pod["metadata"]["creationTimestamp"]).timestamp()
    return bool(dig(pod, "spec", "nodeName")), ready_since(pod) is not None, -created
