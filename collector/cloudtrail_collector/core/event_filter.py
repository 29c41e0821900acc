"""Turns filter rules into a function that decides about the fields of one event record.

A field that is null counts as absent, and so does one that is an object or a list: only operators that begin with
"not" hold for it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from cloudtrail_collector.core.fields import FieldPlan, Getter, Value, read_text
from cloudtrail_spec.filters import FieldSelector, FilterAction, FilterRule

KEEP = 0
Decide = Callable[[Any], int]
_Test = Callable[[Value], bool]
_Match = Callable[[Any], bool]


def list_paths(rules: Sequence[FilterRule]) -> list[str]:
    """List the fields that rules read."""
    return [selector.field for rule in rules for selector in rule.field_selectors]


def compile_rules(rules: Sequence[FilterRule], plan: FieldPlan) -> Decide:
    """Build the decision: KEEP, or the number (from 1) of the rule that drops. The first rule that matches decides."""
    compiled = [
        (_compile_rule(rule, plan), number if rule.action is FilterAction.DROP else KEEP)
        for number, rule in enumerate(rules, start=1)
    ]
    if not compiled:
        return lambda _fields: KEEP
    if len(compiled) == 1:
        match, verdict = compiled[0]
        return match if verdict else lambda _fields: KEEP  # True is 1, the rule's number

    def decide(fields: Any) -> int:
        for match, verdict in compiled:
            if match(fields):
                return verdict
        return KEEP

    return decide


def _compile_rule(rule: FilterRule, plan: FieldPlan) -> _Match:
    """Build the conjunction of a rule's selectors. One and two, by far the most frequent, are spelled out: calls cost."""
    parts = [(plan.getters[selector.field], _compile(selector)) for selector in rule.field_selectors]
    if len(parts) == 1:
        return _match_one(*parts[0])
    if len(parts) == 2:
        return _match_two(*parts[0], *parts[1])
    return lambda fields: all(test(get(fields)) for get, test in parts)


def _match_one(get: Getter, test: _Test) -> _Match:
    return lambda fields: test(get(fields))


def _match_two(get_first: Getter, test_first: _Test, get_second: Getter, test_second: _Test) -> _Match:
    return lambda fields: test_first(get_first(fields)) and test_second(get_second(fields))


def _compile(selector: FieldSelector) -> _Test:
    """Turn a selector into one test: all of its operators must hold; the values of one are alternatives."""
    tests: list[_Test] = []
    for values, build, negated in (
        (selector.equals, _equalling, False),
        (selector.not_equals, _equalling, True),
        (selector.starts_with, _starting, False),
        (selector.not_starts_with, _starting, True),
        (selector.ends_with, _ending, False),
        (selector.not_ends_with, _ending, True),
    ):
        if values is not None:
            test = build(values, selector.field)
            tests.append(_negate(test) if negated else test)
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


def _negate(test: _Test) -> _Test:
    return lambda value: not test(value)


def _equalling(values: tuple[str, ...], field: str) -> _Test:
    wanted: frozenset[Value] = frozenset(values)
    direct = wanted | {True for value in values if value == "true"} | {False for value in values if value == "false"}
    if "." not in field:
        return direct.__contains__  # text, boolean or absent, without a call of ours
    # A whole number must not be looked up: 1 would equal True.
    return lambda value: str(value) in wanted if value.__class__ is int else value in direct


def _starting(values: tuple[str, ...], _field: str) -> _Test:
    def test_other(value: Value) -> bool:
        text = read_text(value)
        return text is not None and text.startswith(values)

    return lambda value: value.startswith(values) if value.__class__ is str else test_other(value)


def _ending(values: tuple[str, ...], _field: str) -> _Test:
    def test_other(value: Value) -> bool:
        text = read_text(value)
        return text is not None and text.endswith(values)

    return lambda value: value.endswith(values) if value.__class__ is str else test_other(value)
