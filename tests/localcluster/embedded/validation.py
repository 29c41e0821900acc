"""Schema validation: value and structural schema -> findings, in the words of the real server.

Kubernetes uses a small part of JSON Schema, and its messages matter here (tests and users read them), so the
part is written out instead of borrowed from a general validator.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from localcluster.embedded.errors import Cause
from localcluster.embedded.jsontypes import Json
from localcluster.embedded.schema import ROOT_FIELDS, child_schema

BLOCKING_REASONS = frozenset(
    {"FieldValueRequired", "FieldValueTypeInvalid", "FieldValueTooLong", "FieldValueTooMany", "FieldValueNotSupported"}
)
"""After one of these the CEL rules are not evaluated: they could not rely on what they read."""


def validate(obj: Json, schema: Json) -> list[Cause]:
    """Validate a whole object; of metadata only the names, which a CRD may restrict."""
    body = {key: value for key, value in obj.items() if key not in ROOT_FIELDS}
    reduced = {**schema, "required": [key for key in schema.get("required") or [] if key not in ROOT_FIELDS]}
    names = {key: obj["metadata"][key] for key in ("name", "generateName") if key in obj.get("metadata", {})}
    metadata: Json = (schema.get("properties") or {}).get("metadata") or {}
    restricted = {key: child for key, child in (metadata.get("properties") or {}).items() if key in names}
    return [*_value(names, {"properties": restricted}, "metadata"), *_value(body, reduced, "")]


def _value(value: Any, schema: Json, path: str) -> Iterator[Cause]:
    if value is None:
        if not schema.get("nullable") and "type" in schema:
            yield _type_cause(path, schema["type"], value)
        return
    wrong = _check_type(value, schema, path)
    if wrong:
        yield wrong
        return
    yield from _enumeration(value, schema, path)
    yield from _by_type(value, schema, path)
    yield from _combinations(value, schema, path)


def _by_type(value: Any, schema: Json, path: str) -> Iterator[Cause]:
    match value:
        case str():
            yield from _string(value, schema, path)
        case bool():
            return
        case int() | float():
            yield from _number(value, schema, path)
        case list():
            yield from _array(value, schema, path)
        case dict():
            yield from _object(value, schema, path)


_TYPE_NAMES = {type(None): "null", bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


def json_type(value: Any) -> str:
    """The JSON Schema name of a value's type."""
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return _TYPE_NAMES[type(value)]


def _check_type(value: Any, schema: Json, path: str) -> Cause | None:
    actual = json_type(value)
    if schema.get("x-kubernetes-int-or-string"):
        return None if actual in ("integer", "string") else _type_cause(path, "integer,string", value)
    wanted = schema.get("type")
    if wanted is None or wanted == actual or (wanted == "number" and actual == "integer"):
        return None
    return _type_cause(path, wanted, value)


def _type_cause(path: str, wanted: str, value: Any) -> Cause:
    actual = json_type(value)
    message = f'Invalid value: "{actual}": {path} in body must be of type {wanted}: "{actual}"'
    return Cause(path, message, "FieldValueTypeInvalid")


def _enumeration(value: Any, schema: Json, path: str) -> Iterator[Cause]:
    choices = schema.get("enum")
    if choices is not None and value not in choices:
        listed = ", ".join(json.dumps(choice) for choice in choices)
        message = f"Unsupported value: {json.dumps(value)}: supported values: {listed}"
        yield Cause(path, message, "FieldValueNotSupported")


def _in_body(path: str, value: Any, rule: str) -> Cause:
    return Cause(path, f"Invalid value: {json.dumps(value)}: {path} in body {rule}")


def _string(value: str, schema: Json, path: str) -> Iterator[Cause]:
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        yield Cause(path, f"Too long: may not be more than {longest} bytes", "FieldValueTooLong")
    elif shortest is not None and len(value) < shortest:
        yield _in_body(path, value, f"should be at least {shortest} chars long")
    elif "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield _in_body(path, value, f"should match '{schema['pattern']}'")
    elif "format" in schema and not _FORMATS.get(schema["format"], _any_text)(value):
        rule = f"must be of type {schema['format']}: {json.dumps(value)}"
        yield Cause(path, _in_body(path, value, rule).message, "FieldValueTypeInvalid")


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("\\z", "\\Z"))


def _number(value: float, schema: Json, path: str) -> Iterator[Cause]:
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if highest is not None:
        if schema.get("exclusiveMaximum") and value >= highest:
            yield _in_body(path, value, f"should be less than {highest}")
        elif value > highest:
            yield _in_body(path, value, f"should be less than or equal to {highest}")
    if lowest is not None:
        if schema.get("exclusiveMinimum") and value <= lowest:
            yield _in_body(path, value, f"should be greater than {lowest}")
        elif value < lowest:
            yield _in_body(path, value, f"should be greater than or equal to {lowest}")
    if "multipleOf" in schema and value % schema["multipleOf"]:
        yield _in_body(path, value, f"should be a multiple of {schema['multipleOf']}")


def _size(count: int, schema: Json, path: str, limits: tuple[str, str], noun: str) -> Iterator[Cause]:
    fewest, most = schema.get(limits[0]), schema.get(limits[1])
    if most is not None and count > most:
        items = "item" if most == 1 else "items"
        yield Cause(path, f"Too many: {count}: must have at most {most} {items}", "FieldValueTooMany")
    elif fewest is not None and count < fewest:
        yield _in_body(path, count, f"should have at least {fewest} {noun}")


def _array(items: list[Any], schema: Json, path: str) -> Iterator[Cause]:
    yield from _size(len(items), schema, path, ("minItems", "maxItems"), "items")
    item_schema = schema.get("items")
    if isinstance(item_schema, dict):
        for position, item in enumerate(items):
            yield from _value(item, item_schema, f"{path}[{position}]")
    yield from _duplicates(items, schema, path)


def _duplicates(items: list[Any], schema: Json, path: str) -> Iterator[Cause]:
    keys = schema.get("x-kubernetes-list-map-keys")
    if schema.get("x-kubernetes-list-type") not in ("map", "set"):
        return
    seen: set[str] = set()
    for position, item in enumerate(items):
        identity = {key: item[key] for key in keys if key in item} if keys and isinstance(item, dict) else item
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        if text in seen:
            yield Cause(f"{path}[{position}]", f"Duplicate value: {text}", "FieldValueDuplicate")
        seen.add(text)


def _object(obj: Json, schema: Json, path: str) -> Iterator[Cause]:
    yield from _size(len(obj), schema, path, ("minProperties", "maxProperties"), "properties")
    for key, value in obj.items():
        child = child_schema(schema, key)
        if child is not None:
            yield from _value(value, child, f"{path}.{key}" if path else key)
    for key in schema.get("required") or []:
        if key not in obj:
            yield Cause(f"{path}.{key}" if path else key, "Required value", "FieldValueRequired")


def _combinations(value: Any, schema: Json, path: str) -> Iterator[Cause]:
    shown = path or "<root>"
    for branch in schema.get("allOf") or []:
        yield from _value(value, branch, path)
    counts = {
        kind: sum(1 for branch in schema[kind] if not list(_value(value, branch, path)))
        for kind in ("anyOf", "oneOf")
        if schema.get(kind)
    }
    if counts.get("anyOf") == 0:
        yield Cause(path, f'Invalid value: "": "{shown}" must validate at least one schema (anyOf)')
    if counts.get("oneOf", 1) != 1:
        yield Cause(path, f'Invalid value: "": "{shown}" must validate one and only one schema (oneOf)')
    if schema.get("not") and not list(_value(value, schema["not"], path)):
        yield Cause(path, f'Invalid value: "": "{shown}" must not validate the schema (not)')


def _any_text(_: str) -> bool:
    return True


def _date_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "T" in text


def _uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


_FORMATS: dict[str, Callable[[str], bool]] = {"date-time": _date_time, "uri": _uri}
