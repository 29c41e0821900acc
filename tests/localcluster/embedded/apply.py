"""Server-side apply: a live object and a manager's whole intent -> the merged object, or the conflicts.

What the manager applied before and left out now is removed, unless somebody else owns it or a part of it. What others
own and the intent changes is a conflict; with force it is taken over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from localcluster.embedded.errors import ApiError
from localcluster.embedded.fieldsets import Path, compare, is_granular, item_identity, paths_in, show
from localcluster.embedded.jsontypes import Json, clone, timestamp
from localcluster.embedded.managers import Manager, Owners, Ownership, read_owners, trackable, write_owners
from localcluster.embedded.schema import child_schema, keeps_unknown


def undeclared_field(value: Any, schema: Json, path: str = "") -> str | None:
    """The first field that the schema does not know; apply refuses those whatever the field validation."""
    if isinstance(value, dict):
        for key, item in value.items():
            child = child_schema(schema, key)
            here = f"{path}.{key}"
            if child is None and not keeps_unknown(schema):
                return here
            found = undeclared_field(item, child or {"x-kubernetes-preserve-unknown-fields": True}, here)
            if found:
                return found
    elif isinstance(value, list):
        items = schema.get("items") or {"x-kubernetes-preserve-unknown-fields": True}
        return next(filter(None, (undeclared_field(item, items, f"{path}[{n}]") for n, item in enumerate(value))), None)
    return None


def apply_configuration(live: Json, config: Json, schema: Json, manager: Manager, *, force: bool) -> Json:
    """Merge the configuration of one manager into the live object; raises Conflict (409)."""
    intent = {key: value for key, value in config.items() if key not in ("apiVersion", "kind")}
    intended = frozenset(trackable(set(paths_in(intent, schema))))
    owners = read_owners(live)
    merged: Json = merge(live, intent, schema)
    changed = compare(live, merged, schema)
    contested = _contested(owners, manager, changed.added | changed.modified)
    if contested and not force:
        raise _conflicts(contested, manager)
    before = owners.get(manager)
    others = {other: own for other, own in owners.items() if other != manager}
    left_out = _with_containers(before.paths if before else frozenset()) - _with_containers(intended)
    for path in sorted(left_out, key=len):
        if not any(_covers(path, own.paths) for own in others.values()):
            _remove(merged, path, schema)
    after: Owners = {
        other: replace(own, paths=own.paths - contested.get(other, set())) for other, own in others.items()
    }
    same = before is not None and before.paths == intended
    after[manager] = before if before and same else Ownership(intended, timestamp())
    write_owners(merged, after)
    return merged


def _with_containers(paths: frozenset[Path]) -> set[Path]:
    """The paths and those of the objects around them: with an object goes what defaults put into it.

    The metadata itself is nobody's: an object without any label left has its name still.
    """
    return trackable({path[:length] for path in paths for length in range(1, len(path) + 1)})


def _contested(owners: Owners, manager: Manager, changed: set[Path]) -> dict[Manager, set[Path]]:
    found = {other: set(own.paths & changed) for other, own in owners.items() if other != manager}
    return {other: paths for other, paths in found.items() if paths}


def _covers(path: Path, paths: frozenset[Path]) -> bool:
    return any(other[: len(path)] == path for other in paths)


def _conflicts(contested: dict[Manager, set[Path]], manager: Manager) -> ApiError:
    found = [(_describe(other), show(path)) for other, paths in contested.items() for path in sorted(paths)]
    by_manager: dict[str, list[str]] = {}
    for who, path in sorted(found):
        by_manager.setdefault(who, []).append(path)
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        parts = [
            f"conflicts with {who}:\n" + "\n".join(f"- {path}" for path in paths) for who, paths in by_manager.items()
        ]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(parts)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path} for who, path in found
    ]
    return ApiError(409, "Conflict", message, {"causes": causes})


def _describe(manager: Manager) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    return text if manager.operation == "Apply" else f"{text} using {manager.api_version}"


def merge(live: Any, intent: Any, schema: Json) -> Any:
    """Lay the intent over the live value, list by list as the schema says."""
    if is_granular(intent, schema) and isinstance(live, dict):
        merged = dict(live)
        for key, value in intent.items():
            child = child_schema(schema, key) or {}
            merged[key] = merge(merged[key], value, child) if key in merged else clone(value)
        return merged
    identity = item_identity(schema) if isinstance(intent, list) and isinstance(live, list) else None
    if identity is None:
        return clone(intent)
    wanted = {identity(item): item for item in intent}
    item_schema = schema.get("items") or {}
    present = {identity(item): item for item in live}
    kept = [merge(item, wanted[step], item_schema) if step in wanted else item for step, item in present.items()]
    return [*kept, *(clone(item) for step, item in wanted.items() if step not in present)]


def _remove(obj: Any, path: Path, schema: Json) -> None:
    """Remove what is at the path, and the objects that become empty by it. Copies nothing: merged is ours."""
    step, rest = path[0], path[1:]
    if step.startswith("f:"):
        _remove_member(obj, step[2:], rest, schema)
    elif isinstance(obj, list):
        identity = item_identity(schema)
        for index, item in enumerate(obj):
            if identity and identity(item) == step:
                if rest:
                    obj[index] = _shallow(item)
                    _remove(obj[index], rest, schema.get("items") or {})
                else:
                    del obj[index]
                return


def _remove_member(obj: Any, key: str, rest: Path, schema: Json) -> None:
    if not isinstance(obj, dict) or key not in obj:
        return
    if not rest:
        del obj[key]
        return
    obj[key] = _shallow(obj[key])
    _remove(obj[key], rest, child_schema(schema, key) or {})
    if obj[key] in ({}, []):
        del obj[key]


def _shallow(value: Any) -> Any:
    """The live object is shared with watchers: what is changed below is copied first."""
    if isinstance(value, dict):
        return dict(value)
    return list(value) if isinstance(value, list) else value
