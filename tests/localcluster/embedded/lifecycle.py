"""The life of an object: create, update, apply, delete, with every check between the request and the store.

Used by the HTTP routes for clients and by the controllers for themselves.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from localcluster.embedded import admission, crds, names, rules, validation
from localcluster.embedded.apply import apply_configuration, undeclared_field
from localcluster.embedded.coretypes import object_meta
from localcluster.embedded.errors import (
    ApiError,
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    not_found,
    stale,
)
from localcluster.embedded.jsontypes import Json, clone, timestamp
from localcluster.embedded.managers import Manager, record_update
from localcluster.embedded.resources import Registry, Resource
from localcluster.embedded.schema import ROOT_FIELDS, complete
from localcluster.embedded.store import Store

NAMESPACES = ("", "namespaces")
PODS = ("", "pods")
JOBS = ("batch", "jobs")
CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")
_SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "name",
    "namespace",
    "managedFields",
)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a client wants its write to be treated. Warnings for the client are appended to the list."""

    manager: str = "embedded-controller"
    dry_run: bool = False
    field_validation: str = "Ignore"
    force: bool = False
    warnings: tuple[list[str], ...] = ()


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How a deletion is to go."""

    grace_seconds: int | None = None
    propagation: str = "Background"
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


class Lifecycle:
    """All writes to the store go through here."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.store = store
        self.registry = registry

    def create(self, resource: Resource, namespace: str, body: Json, options: WriteOptions) -> Json:
        """Create an object; the body is cloned."""
        obj = clone(body)
        self._identify(resource, namespace, obj)
        metadata = obj["metadata"]
        if metadata.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        if self.store.get(resource.key, metadata.get("namespace", ""), metadata["name"]):
            raise already_exists(resource.target(metadata["name"]))
        for field in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(field, None)
        if resource.has_status:
            obj.pop("status", None)
        applied = metadata.get("managedFields")
        metadata.pop("managedFields", None)
        self._admit(resource, obj, None, options)
        metadata = obj["metadata"]
        metadata.update(uid=metadata.get("uid") or str(uuid.uuid4()), creationTimestamp=timestamp())
        if resource.has_generation:
            metadata["generation"] = 1
        if applied:
            metadata["managedFields"] = applied
        else:
            without = "status" if resource.has_status else ""
            record_update(None, obj, resource.schema, _updater(resource, options), without)
        return obj if options.dry_run else self._store(resource, obj)

    def _identify(self, resource: Resource, namespace: str, obj: Json) -> None:
        _check_kind(resource, obj)
        metadata = obj.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + names.generate_suffix()
        findings = names.check_name(resource, metadata.get("name") or "")
        if findings:
            raise invalid(resource.target(metadata.get("name") or ""), findings)
        if not resource.namespaced:
            metadata.pop("namespace", None)
            return
        if metadata.get("namespace") not in (None, "", namespace):
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        metadata["namespace"] = namespace
        home = self.store.get(NAMESPACES, "", namespace)
        if home is None:
            raise not_found(self.registry.builtin("namespaces").target(namespace))
        if home["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(resource.target(metadata["name"]), why)

    def update(self, resource: Resource, old: Json, new: Json, options: WriteOptions, subresource: str = "") -> Json:
        """Replace an object, or one part of it through a subresource; a write that changes nothing is not stored."""
        self._check_preconditions(resource, old, new)
        new = _through_endpoint(resource, old, new, subresource)
        metadata = new["metadata"]
        applied = metadata.get("managedFields")
        for field in _SERVER_OWNED:
            metadata.pop(field, None)
            if field in old["metadata"]:
                metadata[field] = old["metadata"][field]
        metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
        if not metadata.get("finalizers"):
            metadata.pop("finalizers", None)
        self._admit(resource, new, old, options)
        if resource.has_generation and _specified(resource, new) != _specified(resource, old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if options.manager.startswith("apply:"):
            new["metadata"]["managedFields"] = applied
        else:
            record_update(old, new, resource.schema, _updater(resource, options, subresource))
        if new == old or options.dry_run:
            return old if new == old else new
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and not _lingers(resource, new):
            return self._forget(resource, new)
        return self._store(resource, new)

    def apply(
        self, resource: Resource, namespace: str, name: str, config: Json, options: WriteOptions, subresource: str = ""
    ) -> tuple[Json, bool]:
        """Server-side apply; returns the object and whether it was created."""
        _check_kind(resource, config)
        where = f"{namespace}/{name}" if resource.namespaced else f"/{name}"
        unknown = undeclared_field(config, resource.schema)
        if unknown:
            kind = f"{resource.api_version}, Kind={resource.kind}"
            message = f"failed to create typed patch object ({where}; {kind}): {unknown}: field not declared in schema"
            raise ApiError(500, "InternalError", message)
        intent = _through_apply_endpoint(resource, config, subresource)
        manager = Manager(options.manager, "Apply", resource.api_version, subresource)
        live = self.store.get(resource.key, namespace, name)
        if live is None:
            if subresource:
                raise not_found(resource.target(name))
            fresh = apply_configuration({"metadata": {}}, intent, resource.schema, manager, force=True)
            fresh["metadata"]["name"] = name
            return self.create(resource, namespace, fresh, options), True
        wanted_version = config.get("metadata", {}).get("resourceVersion")
        merged = apply_configuration(live, intent, resource.schema, manager, force=options.force)
        merged["metadata"]["resourceVersion"] = wanted_version
        return self.update(
            resource, live, merged, replace(options, manager=f"apply:{options.manager}"), subresource
        ), False

    def _check_preconditions(self, resource: Resource, old: Json, new: Json) -> None:
        _check_kind(resource, new)
        metadata, before = new.setdefault("metadata", {}), old["metadata"]
        if metadata.get("name") not in (None, "", before["name"]):
            message = (
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({before['name']})"
            )
            raise bad_request(message)
        if metadata.get("uid") not in (None, "", before["uid"]):
            uids = f"UID in precondition: {metadata['uid']}, UID in object meta: {before['uid']}"
            raise conflict(resource.target(before["name"]), f"Precondition failed: {uids}")
        if metadata.get("resourceVersion") not in (None, "", before["resourceVersion"]):
            raise stale(resource.target(before["name"]))
        added = set(metadata.get("finalizers") or ()) - set(before.get("finalizers") or ())
        if before.get("deletionTimestamp") and added:
            why = "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers"
            cause = Cause("metadata.finalizers", f"{why} {sorted(added)}", "FieldValueForbidden")
            raise invalid(resource.target(before["name"]), [cause])

    def _admit(self, resource: Resource, obj: Json, old: Json | None, options: WriteOptions) -> None:
        obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind
        unknown = complete(obj, resource.schema)
        unknown += [f"metadata.{path}" for path in complete(obj["metadata"], object_meta())]
        for field in ("labels", "annotations", "finalizers", "ownerReferences"):
            if field in obj["metadata"] and not obj["metadata"][field]:
                del obj["metadata"][field]
        _report_unknown(resource, unknown, options)
        admission.fill_defaults(resource, obj)
        findings = crds.check(obj) if resource.key == CRDS else self._findings(resource, obj, old)
        findings += names.check_labels(obj["metadata"].get("labels") or {})
        if findings:
            raise invalid(resource.target(obj["metadata"]["name"]), findings)
        if resource.key == CRDS:
            crds.fill_defaults(obj)
            crds.establish(obj)
        if old is None:
            self._initialise(resource, obj)

    def _findings(self, resource: Resource, obj: Json, old: Json | None) -> list[Cause]:
        findings = validation.validate(obj, resource.schema)
        if any(finding.reason in validation.BLOCKING_REASONS for finding in findings):
            return [*findings, rules.NOT_CHECKED] if resource.crd and rules.has_rules(resource.schema) else findings
        findings += rules.evaluate(obj, resource.schema, old)
        return findings + admission.check(resource, obj, old)

    def _initialise(self, resource: Resource, obj: Json) -> None:
        if resource.key == PODS:
            obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
            admission.admit_pod(self.store, obj)
        elif resource.key == JOBS:
            # Its own labels name its uid.
            obj["metadata"]["uid"] = str(uuid.uuid4())
            admission.admit_job(obj)
        elif resource.key == NAMESPACES:
            obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
            obj["spec"] = {"finalizers": ["kubernetes"]}
            obj["status"] = {"phase": "Active"}

    def delete(self, resource: Resource, obj: Json, options: DeleteOptions) -> tuple[Json, bool]:
        """Delete an object, or only mark it while something holds it. Returns it, and whether it is gone."""
        metadata = obj["metadata"]
        if options.uid not in (None, metadata["uid"]):
            uids = f"UID in precondition: {options.uid}, UID in object meta: {metadata['uid']}"
            raise conflict(resource.target(metadata["name"]), f"Precondition failed: {uids}")
        if options.resource_version not in (None, metadata["resourceVersion"]):
            versions = f"ResourceVersion in precondition: {options.resource_version}"
            held = f"ResourceVersion in object meta: {metadata['resourceVersion']}"
            raise conflict(resource.target(metadata["name"]), f"Precondition failed: {versions}, {held}")
        grace = _grace_seconds(resource, obj, options)
        finalizers = list(metadata.get("finalizers") or [])
        hold = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(options.propagation)
        if hold and hold not in finalizers and not metadata.get("deletionTimestamp"):
            finalizers.append(hold)
        if options.dry_run:
            return obj, False
        if not finalizers and not grace and resource.key != NAMESPACES:
            return self._forget(resource, obj), True
        return self._mark_deleted(resource, obj, finalizers, grace), False

    def _mark_deleted(self, resource: Resource, obj: Json, finalizers: list[str], grace: int) -> Json:
        metadata = obj["metadata"]
        already = metadata.get("deletionTimestamp")
        if already and grace >= metadata.get("deletionGracePeriodSeconds", 0):
            return obj
        marked = clone(obj)
        deadline = timestamp(datetime.now(UTC) + timedelta(seconds=grace))
        marked["metadata"].update(deletionTimestamp=deadline, deletionGracePeriodSeconds=grace)
        if finalizers:
            marked["metadata"]["finalizers"] = finalizers
        if resource.has_generation and not already:
            marked["metadata"]["generation"] = metadata.get("generation", 0) + 1
        if resource.key == NAMESPACES:
            marked["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        return self._store(resource, marked)

    def finish(self, resource: Resource, obj: Json) -> None:
        """Remove a marked object whose last hold is gone (controllers only)."""
        self._forget(resource, obj)

    def _store(self, resource: Resource, obj: Json) -> Json:
        stored = self.store.put(resource.key, obj)
        if resource.key == CRDS:
            self.registry.replace_custom(stored["metadata"]["name"], crds.resources_of(stored))
        return stored

    def _forget(self, resource: Resource, obj: Json) -> Json:
        last = self.store.remove(resource.key, obj)
        if resource.key == CRDS:
            self.registry.replace_custom(last["metadata"]["name"], [])
        return last


def _updater(resource: Resource, options: WriteOptions, subresource: str = "") -> Manager:
    return Manager(options.manager, "Update", resource.api_version, subresource)


def _check_kind(resource: Resource, obj: Json) -> None:
    kind, version = obj.get("kind") or resource.kind, obj.get("apiVersion") or resource.api_version
    if (kind, version) != (resource.kind, resource.api_version):
        raise bad_request(
            f'{kind} in version "{version}" cannot be handled as a {resource.kind}: the API version in the data '
            f"({version}) does not match the expected API version ({resource.api_version})"
        )


def _report_unknown(resource: Resource, unknown: list[str], options: WriteOptions) -> None:
    fields = [f'unknown field "{path}"' for path in unknown]
    if not fields:
        return
    if options.field_validation == "Strict":
        prefix = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
        raise bad_request(f"{prefix}: strict decoding error: {', '.join(fields)}")
    if options.field_validation == "Warn":
        for warnings in options.warnings:
            warnings.extend(fields)


def _through_endpoint(resource: Resource, old: Json, new: Json, subresource: str) -> Json:
    """Keep of a write what its endpoint may change; the result is ours to change."""
    if subresource == "status":
        kept = clone(old)
        kept.pop("status", None)
        if new.get("status") is not None:
            kept["status"] = clone(new["status"])
        kept["metadata"]["managedFields"] = new["metadata"].get("managedFields")
        return kept
    written = clone(new)
    if resource.has_status:
        written.pop("status", None)
        if "status" in old:
            written["status"] = clone(old["status"])
    return written


def _through_apply_endpoint(resource: Resource, config: Json, subresource: str) -> Json:
    """The part of an intent that the endpoint lets through, so that nothing else is owned."""
    intent = {key: value for key, value in config.items() if key not in ("apiVersion", "kind")}
    if subresource == "status":
        return {key: value for key, value in intent.items() if key == "status"}
    if resource.has_status:
        intent.pop("status", None)
    dropped = ("name", "namespace", "uid", "resourceVersion", "managedFields", "creationTimestamp", "generation")
    metadata = {key: value for key, value in (intent.get("metadata") or {}).items() if key not in dropped}
    return {**intent, "metadata": metadata}


def _specified(resource: Resource, obj: Json) -> Json:
    left_out = (ROOT_FIELDS | {"status"}) if resource.has_status or not resource.crd else ROOT_FIELDS
    return {key: value for key, value in obj.items() if key not in left_out}


def _grace_seconds(resource: Resource, obj: Json, options: DeleteOptions) -> int:
    """Only a pod that a node runs gets time: the node agent confirms by deleting with 0."""
    if resource.key != PODS or not obj["spec"].get("nodeName"):
        return 0
    if (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if options.grace_seconds is not None:
        return max(options.grace_seconds, 0)
    return int(obj["spec"].get("terminationGracePeriodSeconds", 30))


def _lingers(resource: Resource, obj: Json) -> bool:
    return resource.key == NAMESPACES or bool(obj["metadata"].get("deletionGracePeriodSeconds"))
