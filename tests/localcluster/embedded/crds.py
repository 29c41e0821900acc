"""CustomResourceDefinitions: one CRD object -> the resources it serves, its defaults and its status conditions."""

from __future__ import annotations

from collections.abc import Iterator

from localcluster.embedded.errors import Cause
from localcluster.embedded.jsontypes import Json, timestamp
from localcluster.embedded.resources import ALWAYS_SELECTABLE, Resource, custom_schema
from localcluster.embedded.rules import broken_rules

CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
_AGE_COLUMN: Json = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def fill_defaults(crd: Json) -> None:
    """Complete the names and the conversion, in place."""
    names = crd["spec"]["names"]
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", names["kind"] + "List")
    crd["spec"].setdefault("conversion", {"strategy": "None"})


def check(crd: Json) -> list[Cause]:
    """What would make the CRD unusable here."""
    spec = crd.get("spec") or {}
    missing = [key for key in ("group", "names", "scope", "versions") if not spec.get(key)]
    if missing:
        return [Cause(f"spec.{key}", "Required value", "FieldValueRequired") for key in missing]
    findings = []
    wanted = f"{spec['names']['plural']}.{spec['group']}"
    if crd["metadata"]["name"] != wanted:
        message = f'Invalid value: "{crd["metadata"]["name"]}": must be spec.names.plural+"."+spec.group'
        findings.append(Cause("metadata.name", message))
    if sum(1 for version in spec["versions"] if version.get("storage")) != 1:
        findings.append(
            Cause("spec.versions", "Invalid value: must have exactly one version marked as storage version")
        )
    for position, version in enumerate(spec["versions"]):
        path = f"spec.versions[{position}].schema.openAPIV3Schema"
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None:
            findings.append(Cause(path, "Required value: schemas are required", "FieldValueRequired"))
        else:
            findings += [*_not_structural(schema, path), *broken_rules(schema, path)]
    return findings


def _not_structural(schema: Json, path: str) -> Iterator[Cause]:
    untyped = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if "type" not in schema and not untyped:
        yield Cause(
            f"{path}.type", "Required value: must not be empty for specified object fields", "FieldValueRequired"
        )
    if "$ref" in schema:
        yield Cause(f"{path}.$ref", "Forbidden: $ref is not supported", "FieldValueForbidden")
    for key, child in (schema.get("properties") or {}).items():
        yield from _not_structural(child, f"{path}.properties[{key}]")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _not_structural(schema[key], f"{path}.{key}")


def establish(crd: Json) -> None:
    """Set the status that a served CRD has, in place. The times of conditions that are already there stay."""
    names, now = crd["spec"]["names"], timestamp()
    stored = [version["name"] for version in crd["spec"]["versions"] if version.get("storage")]
    before = {condition["type"]: condition for condition in (crd.get("status") or {}).get("conditions") or []}
    conditions = [
        before.get(kind)
        or {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now}
        for kind, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    crd["status"] = {"conditions": conditions, "acceptedNames": dict(names), "storedVersions": stored}
    finalizers = crd["metadata"].setdefault("finalizers", [])
    if CLEANUP_FINALIZER not in finalizers and not crd["metadata"].get("deletionTimestamp"):
        finalizers.append(CLEANUP_FINALIZER)
    if not finalizers:
        del crd["metadata"]["finalizers"]


def resources_of(crd: Json) -> list[Resource]:
    """The resources that a CRD serves, one per version."""
    return [_resource(crd, version) for version in crd["spec"]["versions"] if version.get("served")]


def _resource(crd: Json, version: Json) -> Resource:
    spec, names = crd["spec"], crd["spec"]["names"]
    subresources: Json = version.get("subresources") or {}
    scale = subresources.get("scale") or {}
    selectable = {field["jsonPath"].lstrip(".") for field in version.get("selectableFields") or []}
    columns = version.get("additionalPrinterColumns") or [_AGE_COLUMN]
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        schema=custom_schema(version["schema"]["openAPIV3Schema"]),
        namespaced=spec["scope"] == "Namespaced",
        singular=names.get("singular") or "",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=frozenset(subresources),
        has_generation=True,
        selectable=ALWAYS_SELECTABLE | selectable,
        columns=tuple(columns),
        scale_paths=(scale.get("specReplicasPath", ""), scale.get("statusReplicasPath", "")),
        crd=crd["metadata"]["name"],
    )
