"""The JSONPath subset that printer columns, selectable fields and scale paths use."""

from __future__ import annotations

import re
from typing import Any

from localcluster.embedded.jsontypes import Json

_STEP = re.compile(r"""\.([A-Za-z0-9_\-/]+)|\['([^']+)'\]|\[\?\(@\.([\w.]+)\s*==\s*["'](.+?)["']\)\]|\[(\d+|\*)\]""")


def read_path(obj: Any, path: str) -> Any:
    """The first value at the path, or None."""
    for step in _STEP.finditer(path.replace("\\.", ".") if "['" in path else path):
        obj = _descend(obj, step)
        if obj is None:
            return None
    return obj


def _descend(obj: Any, step: re.Match[str]) -> Any:
    key = step[1] or step[2]
    if key is not None:
        return obj.get(key) if isinstance(obj, dict) else None
    if not isinstance(obj, list):
        return None
    if step[3]:
        return next((item for item in obj if isinstance(item, dict) and str(item.get(step[3])) == step[4]), None)
    position = 0 if step[5] == "*" else int(step[5])
    return obj[position] if position < len(obj) else None


def write_path(obj: Json, path: str, value: Any) -> None:
    """Set a value at a plain dotted path, making the objects on the way."""
    *parents, last = path.strip(".").split(".")
    for key in parents:
        obj = obj.setdefault(key, {})
    obj[last] = value
