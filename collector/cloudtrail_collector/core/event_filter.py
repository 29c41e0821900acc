"""Turns filter rules into a function that decides about one event record, reading only the fields that rules name.

A field that is null counts as absent, and so does one that is an object or a list: only operators that begin with
"not" hold for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from cloudtrail_spec.filters import FieldSelector, FilterAction, FilterRule

EVENT_TIME = "eventTime"

Read = Callable[[Any], str | None]
Test = Callable[[Any], bool]


class UndecodableRecordError(ValueError):
    """The record is not JSON that can be read."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to a record: `dropped_by` names the rule, None keeps it; `event_time` is that of a kept one."""

    dropped_by: str | None
    event_time: str | None


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    drops: bool
    tests: tuple[Test, ...]


class EventFilter:
    """Compiled filter rules; the first that matches decides, no match keeps.

    A record is decoded to the raw text of the top-level fields that rules name; a field becomes a string only when a
    test asks for it.
    """

    def __init__(self, rules: Sequence[FilterRule]) -> None:
        paths = {EVENT_TIME} | {selector.field for rule in rules for selector in rule.field_selectors}
        names = {root: f"f{index}" for index, root in enumerate(sorted({path.split(".")[0] for path in paths}))}
        struct = msgspec.defstruct(
            "Fields",
            [(name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for name in names.values()],
            rename={name: root for root, name in names.items()},
        )
        self._decoder = msgspec.json.Decoder(struct)
        readers = {path: _build_reader(names[path.split(".")[0]], path.split(".")[1:]) for path in paths}
        self._read_time = readers[EVENT_TIME]
        self._rules = tuple(
            _Rule(
                rule.name,
                rule.action is FilterAction.DROP,
                tuple(_compile(selector, readers[selector.field]) for selector in rule.field_selectors),
            )
            for rule in rules
        )

    def decide(self, record: bytes) -> Verdict:
        """Decide about one record. Raises UndecodableRecordError."""
        try:
            fields = self._decoder.decode(record)
            dropped_by = self._find_rule(fields)
            return Verdict(dropped_by, None if dropped_by else self._read_time(fields))
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise UndecodableRecordError(str(error)) from error

    def _find_rule(self, fields: Any) -> str | None:
        for rule in self._rules:
            for test in rule.tests:
                if not test(fields):
                    break
            else:
                return rule.name if rule.drops else None
        return None


def _build_reader(name: str, inner: Sequence[str]) -> Read:
    read_field = attrgetter(name)
    return lambda fields: _read_text(read_field(fields), inner)


def _read_text(raw: msgspec.Raw | msgspec.UnsetType, inner: Sequence[str]) -> str | None:
    if isinstance(raw, msgspec.UnsetType):
        return None
    text = bytes(raw)
    for name in inner:
        if not text.startswith(b"{"):
            return None
        members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        if name not in members:
            return None
        text = bytes(members[name])
    return _read_scalar(text)


def _read_scalar(text: bytes) -> str | None:
    if text.startswith(b'"'):
        plain: Any = msgspec.json.decode(text) if b"\\" in text else text[1:-1].decode()
        return str(plain)
    return None if text.startswith((b"{", b"[", b"null")) else text.decode()


def _compile(selector: FieldSelector, read: Read) -> Test:
    """Turn a selector into one test: all of its operators must hold; the values of one are alternatives."""
    tests: list[Callable[[str | None], bool]] = []
    if selector.equals is not None:
        tests.append(frozenset(selector.equals).__contains__)
    if selector.not_equals is not None:
        tests.append(_negate(frozenset(selector.not_equals).__contains__))
    if selector.starts_with is not None:
        tests.append(_starting(selector.starts_with))
    if selector.not_starts_with is not None:
        tests.append(_negate(_starting(selector.not_starts_with)))
    if selector.ends_with is not None:
        tests.append(_ending(selector.ends_with))
    if selector.not_ends_with is not None:
        tests.append(_negate(_ending(selector.not_ends_with)))
    if len(tests) == 1:
        only = tests[0]
        return lambda fields: only(read(fields))
    return lambda fields: all(test(read(fields)) for test in tests)


def _negate(test: Callable[[str | None], bool]) -> Callable[[str | None], bool]:
    return lambda text: not test(text)


def _starting(values: tuple[str, ...]) -> Callable[[str | None], bool]:
    return lambda text: text is not None and text.startswith(values)


def _ending(values: tuple[str, ...]) -> Callable[[str | None], bool]:
    return lambda text: text is not None and text.endswith(values)
