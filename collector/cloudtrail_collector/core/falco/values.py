"""Reads values out of a parsed record, whatever is in it: a path that is not there gives None."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

Record: TypeAlias = Mapping[str, Any]


def read_path(record: Record, path: str) -> Any:
    """Return the value at a path through objects."""
    value: Any = record
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def read_object(value: Any) -> Record:
    """Return an object, an empty one in the place of anything else."""
    return value if isinstance(value, dict) else {}


def read_list(value: Any) -> list[Any]:
    """Return a list, an empty one in the place of anything else."""
    return value if isinstance(value, list) else []


def read_text(value: Any) -> str | None:
    """Return a scalar as text, booleans and numbers as in JSON; None for anything else."""
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else None
