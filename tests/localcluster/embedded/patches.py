"""Three patch formats applied to an object: JSON patch, merge patch, strategic merge patch.

(Server-side apply, the fourth, is in apply.py.)
"""

from __future__ import annotations

from typing import Any

import jsonpatch
import jsonpointer

from localcluster.embedded.errors import ApiError, bad_request
from localcluster.embedded.jsontypes import Json, clone
from localcluster.embedded.schema import child_schema

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def apply_json_patch(obj: Json, operations: Any) -> Json:
    """RFC 6902. A failed test, or a path that is not there, is an invalid request (422), as the real server answers."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        patched: Json = jsonpatch.apply_patch(clone(obj), operations)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        message = f"the server rejected our request due to an error in our request: {error}"
        raise ApiError(422, "Invalid", message) from error
    return patched


def apply_merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: objects merge, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return clone(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = apply_merge_patch(merged.get(key), value)
    return merged


def apply_strategic_patch(target: Any, patch: Any, schema: Json) -> Any:
    """Merge patch that knows which lists merge by key, and the directives $patch, $deleteFromPrimitiveList, $retainKeys."""
    if isinstance(patch, list):
        return _merge_lists(target if isinstance(target, list) else [], patch, schema)
    if not isinstance(patch, dict):
        return clone(patch)
    if patch.get("$patch") == "replace":
        return {key: clone(value) for key, value in patch.items() if not key.startswith("$")}
    merged = dict(target) if isinstance(target, dict) else {}
    _apply_directives(merged, patch)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = apply_strategic_patch(merged.get(key), value, child_schema(schema, key) or {})
    return merged


def _apply_directives(merged: Json, patch: Json) -> None:
    retained = patch.get("$retainKeys")
    if retained is not None:
        for key in set(merged) - set(retained):
            del merged[key]
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.split("/", 1)[1]
            merged[field] = [item for item in merged.get(field) or [] if item not in value]


def _merge_lists(target: list[Any], patch: list[Any], schema: Json) -> list[Any]:
    if schema.get("x-kubernetes-list-type") == "set":
        return [*target, *(item for item in patch if item not in target)]
    keys = schema.get("x-kubernetes-list-map-keys")
    if not keys or any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [clone(item) for item in patch if not (isinstance(item, dict) and item.get("$patch") == "replace")]
    merged = list(target)
    for item in patch:
        _merge_item(merged, item, keys[0], schema.get("items") or {})
    return merged


def _merge_item(merged: list[Any], item: Json, key: str, schema: Json) -> None:
    """Strategic merge identifies an item by the first key alone (a port by its number, whatever the protocol)."""
    place = next((index for index, other in enumerate(merged) if other.get(key) == item.get(key)), None)
    if item.get("$patch") == "delete":
        if place is not None:
            del merged[place]
    elif place is None:
        merged.append(clone(item))
    else:
        merged[place] = apply_strategic_patch(merged[place], item, schema)
