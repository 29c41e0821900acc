"""Sets of fields: an object and its schema -> the paths in it, and what changed between two objects.

A path is a tuple of steps as the FieldsV1 format writes them: `f:name` for a member, `k:{"name":"x"}` for an item of a
list that merges by key, `v:"x"` for an item of a set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from localcluster.embedded.jsontypes import Json
from localcluster.embedded.schema import child_schema

Path = tuple[str, ...]
Identity = Callable[[Any], str]

_NOTHING: Json = {}


def is_granular(value: Any, schema: Json) -> bool:
    """Whether an object's members are owned one by one."""
    return isinstance(value, dict) and schema.get("x-kubernetes-map-type") != "atomic"


def item_identity(schema: Json) -> Identity | None:
    """How items of this list are told apart; None for a list that is replaced as a whole."""
    kind = schema.get("x-kubernetes-list-type")
    if kind == "set":
        return lambda item: "v:" + _compact(item)
    keys = schema.get("x-kubernetes-list-map-keys")
    if kind != "map" or not keys:
        return None
    members: Json = (schema.get("items") or {}).get("properties") or {}
    defaults = {key: members[key]["default"] for key in keys if "default" in members.get(key, _NOTHING)}

    def identity(item: Any) -> str:
        named = {key: item.get(key, defaults.get(key)) for key in sorted(keys)}
        return "k:" + _compact({key: value for key, value in named.items() if value is not None})

    return identity


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _children(value: Any, schema: Json) -> Iterator[tuple[str, Any, Json]] | None:
    """The separately owned parts of a value with their steps; None where the value is owned as a whole."""
    if is_granular(value, schema):
        return (("f:" + key, item, child_schema(schema, key) or _NOTHING) for key, item in value.items())
    identity = item_identity(schema) if isinstance(value, list) else None
    if identity is None:
        return None
    item_schema = schema.get("items") or _NOTHING
    return ((identity(item), item, item_schema) for item in value)


def paths_in(value: Any, schema: Json, prefix: Path = (), *, containers: bool = False) -> Iterator[Path]:
    """The paths of all parts of a value; with containers, those of the objects and lists around them too."""
    children = _children(value, schema)
    if children is None or not value:
        yield prefix
        return
    if (containers and prefix) or (prefix and prefix[-1][:2] in ("k:", "v:")):
        yield prefix
    for step, item, item_schema in children:
        yield from paths_in(item, item_schema, (*prefix, step), containers=containers)


@dataclass(slots=True)
class Difference:
    """What one object has that another has not."""

    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)


def compare(old: Any, new: Any, schema: Json) -> Difference:
    """The paths that differ between two versions of an object."""
    difference = Difference()
    _compare(old, new, schema, (), difference)
    return difference


def _compare(old: Any, new: Any, schema: Json, prefix: Path, difference: Difference) -> None:
    if old is new or old == new:
        return
    before, after = _children(old, schema), _children(new, schema)
    if before is None or after is None or type(old) is not type(new):
        difference.modified.add(prefix)
        return
    old_parts = {step: (item, item_schema) for step, item, item_schema in before}
    new_parts = {step: (item, item_schema) for step, item, item_schema in after}
    for step, (item, item_schema) in new_parts.items():
        path = (*prefix, step)
        if step not in old_parts:
            difference.added.update(paths_in(item, item_schema, path, containers=True))
        else:
            _compare(old_parts[step][0], item, item_schema, path, difference)
    for step, (item, item_schema) in old_parts.items():
        if step not in new_parts:
            difference.removed.update(paths_in(item, item_schema, (*prefix, step), containers=True))


def encode(paths: Iterable[Path]) -> Json:
    """Write a set of paths as FieldsV1."""
    tree: Json = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    return _without_lone_dots(tree)


def _without_lone_dots(node: Json) -> Json:
    if set(node) == {"."}:
        return {}
    return {step: _without_lone_dots(child) if step != "." else {} for step, child in node.items()}


def decode(tree: Json, prefix: Path = ()) -> set[Path]:
    """Read FieldsV1."""
    if not tree:
        return {prefix}
    paths: set[Path] = set()
    for step, child in tree.items():
        paths |= {prefix} if step == "." else decode(child, (*prefix, step))
    return paths


def show(path: Path) -> str:
    """A path in the notation of conflict messages: .spec.containers[name="x"].image."""
    return "".join(_show_step(step) for step in path)


def _show_step(step: str) -> str:
    if step.startswith("f:"):
        return "." + step[2:]
    if step.startswith("k:"):
        keys = json.loads(step[2:])
        return "[" + ",".join(f"{key}={_compact(value)}" for key, value in keys.items()) + "]"
    return f"[={step[2:]}]"
