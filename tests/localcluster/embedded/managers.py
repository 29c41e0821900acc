"""Field managers: metadata.managedFields <-> who owns which fields, after updates and after applies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localcluster.embedded.fieldsets import Path, compare, decode, encode
from localcluster.embedded.jsontypes import Json, timestamp

_UNTRACKED_METADATA = frozenset(
    [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
    ]
)


@dataclass(frozen=True, slots=True)
class Manager:
    """One entry's identity."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Ownership:
    """One entry's content."""

    paths: frozenset[Path]
    time: str


Owners = dict[Manager, Ownership]


def trackable(paths: set[Path]) -> set[Path]:
    """Leave out what the server owns: identity, versions, the manager list itself."""
    return {path for path in paths if not _untracked(path)}


def _untracked(path: Path) -> bool:
    if path in {(), ("f:metadata",), ("f:apiVersion",), ("f:kind",)}:
        return True
    return len(path) >= 2 and path[0] == "f:metadata" and path[1][2:] in _UNTRACKED_METADATA


def read_owners(obj: Json) -> Owners:
    """Read metadata.managedFields."""
    owners: Owners = {}
    for entry in obj["metadata"].get("managedFields") or []:
        manager = Manager(
            entry["manager"], entry["operation"], entry.get("apiVersion", ""), entry.get("subresource", "")
        )
        owners[manager] = Ownership(frozenset(decode(entry.get("fieldsV1") or {})), entry.get("time") or timestamp())
    return owners


def write_owners(obj: Json, owners: Owners) -> None:
    """Write metadata.managedFields; managers that own nothing are left out."""
    entries = [_entry(manager, ownership) for manager, ownership in owners.items() if ownership.paths]
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


def _entry(manager: Manager, ownership: Ownership) -> Json:
    entry: dict[str, Any] = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": ownership.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": encode(ownership.paths),
    }
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def record_update(old: Json | None, new: Json, schema: Json, manager: Manager, without: str = "") -> None:
    """After a create, PUT or patch: the writer owns what it changed, and nobody owns what it removed.

    The field named last is left out of account: defaults of a status are nobody's.
    """
    owners = read_owners(new if old is None else old)
    difference = compare(_tracked_part(old or {}, without), _tracked_part(new, without), schema)
    changed = trackable(difference.added | difference.modified)
    taken = difference.modified | difference.added | difference.removed
    if not taken:
        write_owners(new, owners)
        return
    updated: Owners = {}
    for other, ownership in owners.items():
        remaining = ownership.paths - taken
        updated[other] = ownership if remaining == ownership.paths else Ownership(remaining, ownership.time)
    if changed:
        mine = updated.pop(manager, Ownership(frozenset(), ""))
        updated[manager] = Ownership(mine.paths | changed, timestamp())
    write_owners(new, updated)


def _tracked_part(obj: Json, without: str) -> Json:
    part = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", without)}
    metadata = obj.get("metadata") or {}
    part["metadata"] = {key: value for key, value in metadata.items() if key not in _UNTRACKED_METADATA}
    return part
