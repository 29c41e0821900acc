"""CEL rules of a CRD: compiled once with the schema, evaluated over an object and the object it replaces.

The evaluator is a wheel that knows core CEL and most of the string and list library, not everything that Kubernetes adds
(format, isURL, quantity, optional types …). A CRD with a rule that it cannot compile, or that calls a function
which it does not have, is refused at creation: no rule is ever skipped silently.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import cel
from cel.stdlib import add_stdlib_to_context

from localcluster.embedded.errors import Cause
from localcluster.embedded.jsontypes import Json
from localcluster.embedded.schema import child_schema

_NATIVE = frozenset(
    [
        "has",
        "all",
        "exists",
        "exists_one",
        "map",
        "filter",
        "size",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "timestamp",
        "duration",
        "type",
        "dyn",
        "getFullYear",
        "getMonth",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
        "in",
    ]
)
_EVALUATION_ERRORS = (RuntimeError, TypeError, ValueError, LookupError, ArithmeticError)
_UNSUPPORTED_KEYS = ("optionalOldSelf",)
NOT_CHECKED = Cause(
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


@cache
def _library() -> frozenset[str]:
    context = cel.Context()
    add_stdlib_to_context(context)
    return frozenset(context.functions) | _NATIVE


@cache
def _compiled(rule: str) -> cel.Program:
    return cel.compile(rule)


def broken_rules(schema: Json, path: str) -> Iterator[Cause]:
    """The rules of a schema that this server could not enforce."""
    for rule in schema.get("x-kubernetes-validations") or []:
        problem = _problem(rule)
        if problem:
            yield Cause(f"{path}.x-kubernetes-validations", f"Invalid value: {json.dumps(rule['rule'])}: {problem}")
    for key, child in (schema.get("properties") or {}).items():
        yield from broken_rules(child, f"{path}.properties[{key}]")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from broken_rules(schema[key], f"{path}.{key}")


def _problem(rule: Json) -> str | None:
    for key in _UNSUPPORTED_KEYS:
        if key in rule:
            return f"the embedded API server does not support {key}"
    try:
        program = _compiled(rule["rule"])
    except ValueError as error:
        return f"compilation failed: {error}"
    named = (name for name in program.functions() if name[0].isalpha() and name not in _library())
    missing = sorted(name for name in named if not name.startswith(("math.", "sets.", "strings.", "lists.")))
    return f"the embedded API server has no CEL function {', '.join(missing)}" if missing else None


def has_rules(schema: Json) -> bool:
    """Whether any rule hangs anywhere in the schema."""
    if schema.get("x-kubernetes-validations"):
        return True
    children = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return any(has_rules(child) for child in children if isinstance(child, dict))


def evaluate(value: Any, schema: Json, old: Any = None, path: str = "") -> Iterator[Cause]:
    """Evaluate every rule below a value; rules that mention oldSelf only where there is an old value."""
    for rule in schema.get("x-kubernetes-validations") or []:
        if old is None and "oldSelf" in rule["rule"]:
            continue
        failure = _evaluate_rule(rule, value, old, schema)
        if failure is not None:
            yield _cause(rule, value, path, failure)
    if isinstance(value, dict):
        yield from _members(value, schema, old, path)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        yield from _items(value, schema, old, path)


def _members(value: Json, schema: Json, old: Any, path: str) -> Iterator[Cause]:
    before = old if isinstance(old, dict) else {}
    for key, item in value.items():
        child = child_schema(schema, key)
        if child is not None and item is not None:
            yield from evaluate(item, child, before.get(key), f"{path}.{key}" if path else key)


def _items(value: list[Any], schema: Json, old: Any, path: str) -> Iterator[Cause]:
    keys = schema.get("x-kubernetes-list-map-keys") or []
    before: dict[str, Any] = {}
    if keys and isinstance(old, list):
        before = {json.dumps([item.get(key) for key in keys]): item for item in old}
    for position, item in enumerate(value):
        previous = before.get(json.dumps([item.get(key) for key in keys])) if before else None
        yield from evaluate(item, schema["items"], previous, f"{path}[{position}]")


def _evaluate_rule(rule: Json, value: Any, old: Any, schema: Json) -> str | None:
    """None when the rule holds, else the message to show."""
    context = cel.Context({"self": _typed(value, schema), "oldSelf": _typed(old, schema)})
    add_stdlib_to_context(context)
    try:
        if _compiled(rule["rule"]).execute(context) is True:
            return None
    except _EVALUATION_ERRORS as error:
        return f"rule evaluation error: {error}"
    if rule.get("messageExpression"):
        try:
            return str(_compiled(rule["messageExpression"]).execute(context))
        except _EVALUATION_ERRORS:
            pass
    return str(rule.get("message") or f"failed rule: {rule['rule']}")


def _typed(value: Any, schema: Json | None) -> Any:
    """JSON has one number; CEL tells int and double apart, and the schema says which it is."""
    if schema is None:
        return value
    if isinstance(value, dict):
        return {key: _typed(item, child_schema(schema, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item, schema.get("items")) for item in value]
    if isinstance(value, int) and schema.get("type") == "number" and not isinstance(value, bool):
        return float(value)
    return value


def _cause(rule: Json, value: Any, path: str, failure: str) -> Cause:
    field = f"{path}{rule['fieldPath']}" if rule.get("fieldPath") else path
    shown = json.dumps(value) + ": " if isinstance(value, (str, int, float)) else ""
    match rule.get("reason"):
        case "FieldValueForbidden":
            return Cause(field, f"Forbidden: {failure}", "FieldValueForbidden")
        case "FieldValueRequired":
            return Cause(field, f"Required value: {failure}", "FieldValueRequired")
        case "FieldValueDuplicate":
            return Cause(field, f"Duplicate value: {shown}{failure}", "FieldValueDuplicate")
        case _:
            return Cause(field or "<nil>", f"Invalid value: {shown}{failure}")
