"""Masks of account ids, of own fields and of own patterns."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from cloudtrail_collector.core.masking.document import SIMPLE_ESCAPES, Leaf, Span
from cloudtrail_collector.core.masking.replacement import Replace
from cloudtrail_spec.patterns import compile_pattern

_DIGITS = 12
_RUN = b"0" * _DIGITS
_TO_ZEROS = bytes(ord("0") if chr(code).isdigit() and code < 128 else ord(" ") for code in range(256))
_UUID_BEGINNING = re.compile(rb"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}")
_UUID_BEGINNING_LENGTH = 24
_ACCOUNT_BEHIND_ESCAPE = re.compile(rb"\\[bfnrt][0-9]{12}(?![0-9])")
# Digits that run on like this may be a number, which must not be cut; in a text a quote or a letter comes first.
_MAY_BE_NUMBER = re.compile(rb"[0-9.eE+-]*(?:[,\]}\s]|\Z)").match
_ACCOUNT_NUMBER = re.compile(rb"[0-9]{12}(?:\.0)?").fullmatch
_ACCOUNT_NAMES = (b"account", b"owner")
# What makes a match depend on what stands around it, once classes and other escapes are taken away.
_LOOKS_AROUND = re.compile(r"[\^$]|\\[bBAzQ]")
_CLASS_OR_ESCAPE = re.compile(r"\\[^bBAzQ]|\[\^?\]?(?:\\.|[^\]\\])*\]")
_MEMBER = re.compile(rb'[\s,{]*"[^"\\]*"\s*:\s*')
_END = re.compile(rb"\s*\}\s*")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class AccountIdMask:
    """The preset AccountIds."""

    def __init__(self, replace: Replace) -> None:
        self._replace = replace

    def read_quickly(self, record: bytes) -> list[Span] | None:
        """Find what to hide in the text of a record; None when that is uncertain."""
        if b"\\" in record and _ACCOUNT_BEHIND_ESCAPE.search(record):
            return None
        spans = self._find(record)
        for _, end, _ in spans:
            if _MAY_BE_NUMBER(record, end):
                return None
        return spans

    def study(self, _leaves: Sequence[Leaf]) -> Callable[[Leaf], Sequence[Span]]:
        """Return what finds the spans of a leaf."""
        return self._find_in_leaf

    def _find_in_leaf(self, leaf: Leaf) -> Sequence[Span]:
        if leaf.inner is not None:
            return []
        if leaf.is_string:
            return self._find(leaf.text)
        if not _ACCOUNT_NUMBER(leaf.text) or not leaf.path:
            return []
        name = leaf.path[-1].lower()
        is_account = any(part in name for part in _ACCOUNT_NAMES)
        return [(0, len(leaf.text), self._replace(leaf.text[:_DIGITS]))] if is_account else []

    def _find(self, text: bytes) -> list[Span]:
        return [
            (start, start + _DIGITS, self._replace(text[start : start + _DIGITS])) for start in _find_accounts(text)
        ]


def _find_accounts(text: bytes) -> Iterator[int]:
    """Find runs of exactly twelve digits. Zeros for digits let a plain search find them."""
    zeros = text.translate(_TO_ZEROS)
    start = zeros.find(_RUN)
    while start >= 0:
        end = start + _DIGITS
        before = text[start - 1 : start] if start else b""
        if not (before.isalnum() or text[end : end + 1].isalnum() or _ends_uuid(text, start)):
            yield start
        while zeros[end : end + 1] == b"0":
            end += 1
        start = zeros.find(_RUN, end)


def _ends_uuid(text: bytes, start: int) -> bool:
    return text[start - 1 : start] == b"-" and bool(
        _UUID_BEGINNING.fullmatch(text, max(0, start - _UUID_BEGINNING_LENGTH), start)
    )


class FieldMask:
    """A mask of one field by its path."""

    def __init__(self, path: str, replace: Replace) -> None:
        self._path = tuple(name.encode() for name in path.split("."))
        self._replace = replace
        self._steps = tuple(re.compile(rb'"' + re.escape(name) + rb'"\s*:\s*') for name in self._path)

    def read_quickly(self, record: bytes) -> list[Span] | None:
        """Find the value in the text of a record; None when that is uncertain.

        The value of a member is the text behind its name when its name stands in one place only.
        """
        start, text = 0, record
        for name, step in zip(self._path, self._steps, strict=True):
            if name not in text:
                return []
            if not text.startswith(b"{"):
                return None
            offset, text = _read_member(text, name.decode(), step)
            if offset is None:
                return None
            start += offset
        if text in {b"", b"null"}:
            return []
        is_plain = text.startswith(b'"') and b"\\" not in text
        return [(start + 1, start + len(text) - 1, self._replace(text[1:-1]))] if is_plain else None

    def study(self, _leaves: Sequence[Leaf]) -> Callable[[Leaf], Sequence[Span]]:
        """Return what finds the spans of a leaf."""
        return self._find_in_leaf

    def _find_in_leaf(self, leaf: Leaf) -> Sequence[Span]:
        is_null = not leaf.is_string and leaf.text == b"null"
        if leaf.is_name or is_null or leaf.path[: len(self._path)] != self._path:
            return []
        return [(0, len(leaf.text), self._replace(leaf.text))]


def _read_member(text: bytes, name: str, step: re.Pattern[bytes]) -> tuple[int | None, bytes]:
    """Return where in the text of an object a member's value begins, and that value's text.

    An object without such a member gives an empty text; None says that the place is uncertain.
    """
    try:
        members = _decode_members(text)
    except (msgspec.MsgspecError, RecursionError):
        return None, text
    if name not in members:
        return 0, b""
    value = bytes(members[name])
    places = [place.end() for place in step.finditer(text)]
    start = places[0] if len(places) == 1 else _measure(text, members, name)
    return (start, value) if start is not None and text.startswith(value, start) else (None, text)


def _measure(text: bytes, members: Mapping[str, msgspec.Raw], name: str) -> int | None:
    """Go from member to member up to the end: names may occur deeper inside, and twice here, which is uncertain."""
    found = None
    position = 0
    for other, raw in members.items():
        place = _MEMBER.match(text, position)
        if place is None or not text.startswith(value := bytes(raw), place.end()):
            return None
        if other == name:
            found = place.end()
        position = place.end() + len(value)
    return found if _END.fullmatch(text, position) else None


def _resolve_escape(escape: re.Match[bytes]) -> bytes:
    return SIMPLE_ESCAPES.get(escape[1], escape[1])


class PatternMask:
    """A mask of what matches an RE2 expression."""

    def __init__(self, pattern: str, replace: Replace) -> None:
        compiled = compile_pattern(pattern)
        self._search = compiled.search
        self._find_all = compiled.finditer
        self._replace = replace
        self._sees_only_itself = not _LOOKS_AROUND.search(_CLASS_OR_ESCAPE.sub("", pattern))

    def read_quickly(self, record: bytes) -> list[Span] | None:
        """Say that nothing matches, or that it is uncertain: in the text of a record a match could go beyond its value."""
        if not self._sees_only_itself or self._search(record) is not None:
            return None
        # The text of a leaf is a part of the record's with as many levels of escapes resolved as it lies deep.
        text = record
        while b"\\" in text:
            resolved = _ESCAPE.sub(_resolve_escape, text)
            if resolved == text or self._search(resolved) is not None:
                return None
            text = resolved
        return []

    def study(self, _leaves: Sequence[Leaf]) -> Callable[[Leaf], Sequence[Span]]:
        """Return what finds the spans of a leaf."""
        return self._find_in_leaf

    def _find_in_leaf(self, leaf: Leaf) -> Sequence[Span]:
        if leaf.inner is not None:
            return []
        matches = (match.span() for match in self._find_all(leaf.text))
        return [(start, end, self._replace(leaf.text[start:end])) for start, end in matches if end > start]
