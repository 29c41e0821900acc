"""What every namespace holds from the start, and how a deleted namespace (or CRD) is emptied and removed."""

from __future__ import annotations

from localcluster.embedded.crds import CLEANUP_FINALIZER
from localcluster.embedded.jsontypes import Json, clone
from localcluster.embedded.lifecycle import CRDS, NAMESPACES, DeleteOptions, Lifecycle, WriteOptions
from localcluster.embedded.resources import Registry, Resource, StorageKey
from localcluster.embedded.store import Event, Store

_OPTIONS = WriteOptions(manager="kube-controller-manager")


class NamespaceContents:
    """Puts the default ServiceAccount and the trust anchor into each new namespace, before anybody can notice."""

    def __init__(self, lifecycle: Lifecycle, registry: Registry, certificate: str) -> None:
        self._lifecycle = lifecycle
        self._registry = registry
        self._certificate = certificate

    def on_change(self, key: StorageKey, event: Event) -> None:
        """Listen to the store."""
        if key != NAMESPACES or event.type != "ADDED":
            return
        name = event.obj["metadata"]["name"]
        account: Json = {"metadata": {"name": "default"}}
        anchor: Json = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": self._certificate}}
        self._lifecycle.create(self._registry.builtin("serviceaccounts"), name, account, _OPTIONS)
        self._lifecycle.create(self._registry.builtin("configmaps"), name, anchor, _OPTIONS)


class Terminator:
    """Empties what is being deleted and removes it when nothing is left."""

    def __init__(self, store: Store, registry: Registry, lifecycle: Lifecycle) -> None:
        self._store = store
        self._registry = registry
        self._lifecycle = lifecycle

    def reconcile(self) -> None:
        """Take one step for every namespace and CRD that is being deleted."""
        for namespace in self._store.list(NAMESPACES):
            if namespace["metadata"].get("deletionTimestamp"):
                self._empty_namespace(namespace)
        for crd in self._store.list(CRDS):
            if CLEANUP_FINALIZER in (crd["metadata"].get("finalizers") or []) and crd["metadata"].get(
                "deletionTimestamp"
            ):
                self._empty_crd(crd)

    def _empty_namespace(self, namespace: Json) -> None:
        name, left = namespace["metadata"]["name"], 0
        for resource in self._registry.stored():
            if resource.namespaced:
                left += self._delete_all(resource, name)
        if not left and not namespace["metadata"].get("finalizers"):
            self._lifecycle.finish(self._registry.builtin("namespaces"), namespace)

    def _empty_crd(self, crd: Json) -> None:
        name = crd["metadata"]["name"]
        served = [resource for resource in self._registry.stored() if resource.crd == name]
        if sum(self._delete_all(resource, "") for resource in served):
            return
        released = clone(crd)
        released["metadata"]["finalizers"].remove(CLEANUP_FINALIZER)
        self._lifecycle.update(self._registry.builtin(CRDS[1], CRDS[0]), crd, released, _OPTIONS)

    def _delete_all(self, resource: Resource, namespace: str) -> int:
        """Delete the objects of a kind; returns how many are held by a finalizer or a node."""
        for obj in self._store.list(resource.key, namespace):
            if not obj["metadata"].get("deletionTimestamp"):
                self._lifecycle.delete(resource, obj, DeleteOptions())
        return len(self._store.list(resource.key, namespace))
