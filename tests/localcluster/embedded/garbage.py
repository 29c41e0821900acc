"""Garbage collection: what is owned only by things that are gone is deleted; orphaning and foreground deletion."""

from __future__ import annotations

from localcluster.embedded.jsontypes import Json, clone
from localcluster.embedded.lifecycle import DeleteOptions, Lifecycle, WriteOptions
from localcluster.embedded.resources import Registry, Resource
from localcluster.embedded.store import Store

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_OPTIONS = WriteOptions(manager="kube-controller-manager")


class GarbageCollector:
    """Looks at every object with an owner; called after something was deleted or got an owner."""

    def __init__(self, store: Store, registry: Registry, lifecycle: Lifecycle) -> None:
        self._store = store
        self._registry = registry
        self._lifecycle = lifecycle

    def reconcile(self) -> None:
        """One pass over all objects."""
        everything = [(resource, obj) for resource in self._registry.stored() for obj in self._store.list(resource.key)]
        owned = [(resource, obj) for resource, obj in everything if obj["metadata"].get("ownerReferences")]
        for resource, obj in owned:
            if not obj["metadata"].get("deletionTimestamp") and not self._has_owner(obj):
                self._lifecycle.delete(resource, obj, DeleteOptions())
        for resource, obj in everything:
            self._release(resource, obj, owned)

    def _has_owner(self, obj: Json) -> bool:
        return any(self._store.has_uid(reference["uid"]) for reference in obj["metadata"]["ownerReferences"])

    def _release(self, resource: Resource, owner: Json, owned: list[tuple[Resource, Json]]) -> None:
        """Let an owner go that waits for its dependents to be set free (orphan) or deleted (foreground)."""
        metadata = owner["metadata"]
        held = {ORPHAN, FOREGROUND} & set(metadata.get("finalizers") or ())
        if not held or not metadata.get("deletionTimestamp"):
            return
        dependents = [(kind, obj) for kind, obj in owned if _is_owned_by(obj, metadata["uid"])]
        current = [(kind, found) for kind, obj in dependents if (found := self._current(kind, obj)) is not None]
        if ORPHAN in held:
            for kind, obj in current:
                self._set_free(kind, obj, metadata["uid"])
        elif current:
            for kind, obj in current:
                if not obj["metadata"].get("deletionTimestamp"):
                    self._lifecycle.delete(kind, obj, DeleteOptions(propagation="Foreground"))
            return
        released = clone(owner)
        released["metadata"]["finalizers"] = [name for name in metadata["finalizers"] if name not in held]
        self._lifecycle.update(resource, owner, released, _OPTIONS)

    def _current(self, resource: Resource, obj: Json) -> Json | None:
        return self._store.get(resource.key, obj["metadata"].get("namespace") or "", obj["metadata"]["name"])

    def _set_free(self, resource: Resource, obj: Json, owner_uid: str) -> None:
        freed = clone(obj)
        kept = [reference for reference in obj["metadata"]["ownerReferences"] if reference["uid"] != owner_uid]
        freed["metadata"]["ownerReferences"] = kept
        if not kept:
            del freed["metadata"]["ownerReferences"]
        self._lifecycle.update(resource, obj, freed, _OPTIONS)


def _is_owned_by(obj: Json, uid: str) -> bool:
    return any(reference["uid"] == uid for reference in obj["metadata"]["ownerReferences"])
