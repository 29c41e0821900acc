"""Label and field selectors: the text of a query parameter -> a predicate over an object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from localcluster.embedded.errors import bad_request
from localcluster.embedded.jsontypes import Json, dig

Predicate = Callable[[Json], bool]
Labels = Mapping[str, str]

_SET_TERM = re.compile(r"^(\S+)\s+(in|notin)\s*\((.*)\)$")
_EQUALITY_TERM = re.compile(r"^([^!=\s]+)\s*(==|=|!=)\s*(.*)$")
_COMMA_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")
_KEY = re.compile(r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$")


def parse_labels(text: str) -> Callable[[Labels], bool]:
    """Read a label selector; every comma-separated term must hold."""
    terms = [_label_term(term.strip()) for term in _COMMA_OUTSIDE_PARENTHESES.split(text) if term.strip()]
    return lambda labels: all(term(labels) for term in terms)


def _label_term(term: str) -> Callable[[Labels], bool]:
    if found := _SET_TERM.match(term):
        key, values = found[1], {value.strip() for value in found[3].split(",")}
        if found[2] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUALITY_TERM.match(term):
        key, value = found[1], found[3]
        if found[2] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    key = term.removeprefix("!")
    if not _KEY.match(key):
        raise bad_request(f"unable to parse requirement: found '{term}'")
    if term.startswith("!"):
        return lambda labels: key not in labels
    return lambda labels: key in labels


def matches_label_selector(selector: Json, labels: Labels) -> bool:
    """Evaluate a LabelSelector object (matchLabels, matchExpressions) as controllers do."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_matches_expression(expression, labels) for expression in selector.get("matchExpressions") or [])


def _matches_expression(expression: Json, labels: Labels) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def parse_fields(text: str, selectable: frozenset[str]) -> Predicate:
    """Read a field selector over the fields that the resource makes selectable."""
    terms = [_field_term(term, selectable) for term in text.split(",") if term.strip()]
    return lambda obj: all(term(obj) for term in terms)


def _field_term(term: str, selectable: frozenset[str]) -> Predicate:
    found = _EQUALITY_TERM.match(term.strip())
    if not found:
        raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
    field, operator, value = found[1], found[2], found[3]
    if field not in selectable:
        raise bad_request(f"field label not supported: {field}")
    path = field.split(".")

    def holds(obj: Json) -> bool:
        actual = dig(obj, *path)
        text = "" if actual is None else str(actual).lower() if isinstance(actual, bool) else str(actual)
        return (text == value) != (operator == "!=")

    return holds
