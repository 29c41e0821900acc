"""Structural schemas at work: unknown fields are pruned (and named), absent fields get their defaults."""

from __future__ import annotations

from typing import Any

from localcluster.embedded.jsontypes import Json, clone

ROOT_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


def complete(obj: Json, schema: Json) -> list[str]:
    """Prune and default an object in place; returns the paths of the unknown fields that were dropped, sorted."""
    unknown: list[str] = []
    _complete_object(obj, schema, "", unknown, at_root=True)
    return sorted(unknown)


def keeps_unknown(schema: Json) -> bool:
    """Whether fields that the schema does not name survive."""
    return bool(schema.get("x-kubernetes-preserve-unknown-fields")) or schema.get("additionalProperties") is True


def child_schema(schema: Json, key: str) -> Json | None:
    """The schema of one member of an object; None where the schema says nothing about it."""
    properties: Json = schema.get("properties") or {}
    if key in properties:
        child: Json = properties[key]
        return child
    extra = schema.get("additionalProperties")
    return extra if isinstance(extra, dict) else None


def _complete(value: Any, schema: Json, path: str, unknown: list[str]) -> None:
    if isinstance(value, dict):
        _complete_object(value, schema, path, unknown, at_root=False)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for position, item in enumerate(value):
            _complete(item, schema["items"], f"{path}[{position}]", unknown)


def _complete_object(obj: Json, schema: Json, path: str, unknown: list[str], *, at_root: bool) -> None:
    for key in list(obj):
        if (at_root or schema.get("x-kubernetes-embedded-resource")) and key in ROOT_FIELDS:
            continue
        child_path = f"{path}.{key}" if path else key
        child = child_schema(schema, key)
        if child is None:
            if not keeps_unknown(schema):
                del obj[key]
                unknown.append(child_path)
        elif obj[key] is None and not child.get("nullable"):
            del obj[key]
        else:
            _complete(obj[key], child, child_path, unknown)
    for key, child in (schema.get("properties") or {}).items():
        if key not in obj and "default" in child:
            obj[key] = clone(child["default"])
            _complete(obj[key], child, f"{path}.{key}", unknown)
