"""Masks of values that a record itself names: the caller's address, the names of users. They are hidden wherever the same
value stands in the same record, delimited."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from cloudtrail_collector.core.masking.document import Leaf, Span, merge_spans
from cloudtrail_collector.core.masking.replacement import Replace
from cloudtrail_spec.masks import MaskPreset

_NAME = rb"[A-Za-z0-9_+=,.@-]+"
_PATH_AND_NAME = b"(?:" + _NAME + b"/)*(" + _NAME + b")"
_REMEMBERED = 4096
_HIDDEN_BY_AWS = b"HIDDEN_DUE_TO_SECURITY_REASONS"
_DIGITS = frozenset(b"0123456789")
_HEXADECIMAL = _DIGITS | frozenset(b"abcdefABCDEF:")
_LETTERS_AND_DIGITS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_WORD = _LETTERS_AND_DIGITS | frozenset(b"_-")
_JSON_WORD = re.compile(rb"null|true|false|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch
_ESCAPE_LETTERS = frozenset(b"bfnrt")
_DOT, _BACKSLASH = ord("."), ord("\\")

_Match: TypeAlias = Callable[[bytes, int], re.Match[bytes] | None]


class _UncertainError(Exception):
    """The text of the record does not say it; it must be taken apart."""


@dataclass(frozen=True, slots=True)
class Word:
    """A value to hide, and the characters that must not stand before and after it, or, behind a dot, after it."""

    text: bytes
    not_before: frozenset[int]
    not_after: frozenset[int]
    not_after_dot: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Kind:
    """How such values are found: ends of the names of fields that hold them; literals and patterns behind them in texts."""

    names: tuple[bytes, ...]
    patterns: tuple[tuple[bytes, bytes], ...]
    parse: Callable[[bytes], tuple[Word, ...]]


@lru_cache(_REMEMBERED)
def _parse_addresses(value: bytes) -> tuple[Word, ...]:
    words: list[Word] = []
    for part in value.split(b","):
        text = part.strip()
        try:
            version = ipaddress.ip_address(text.decode("ascii")).version
        except ValueError:
            continue  # a service's name, such as cloudtrail.amazonaws.com, or AWS Internal
        if version == 4:
            words.append(Word(text, _DIGITS | {_DOT}, _DIGITS, _DIGITS))
            words.append(Word(text.replace(b".", b"-"), _DIGITS, _DIGITS, frozenset()))
        else:
            words.append(Word(text, _HEXADECIMAL, _HEXADECIMAL, frozenset()))
    return tuple(words)


@lru_cache(_REMEMBERED)
def _parse_name(value: bytes) -> tuple[Word, ...]:
    text = value.strip().rstrip(b".,")
    if not text or text == _HIDDEN_BY_AWS or text.startswith((b"{", b"[")):
        return ()
    return (Word(text, _WORD | {_DOT, ord("@")}, _WORD | {ord("@")}, _LETTERS_AND_DIGITS),)


# Names from the second or third letter on, as in `literals`.
_KINDS = {
    MaskPreset.SOURCE_IPS: _Kind((b"ourceIPAddress", b"urceIpAddress", b"rceIp", b"lientIp"), (), _parse_addresses),
    MaskPreset.USER_NAMES: _Kind(
        (b"serName", b"ername", b"ser_name"),
        (
            (b":user/", _PATH_AND_NAME),
            (b":federated-user/", _PATH_AND_NAME),
            (b":assumed-role/", b"(" + _NAME + b")(?:/(" + _NAME + b"))?"),
            (b"AROA", b"[A-Z0-9]{12,}:(" + _NAME + b")"),
        ),
        _parse_name,
    ),
}


class KnownValueMask:
    """One such preset."""

    def __init__(self, preset: MaskPreset, replace: Replace) -> None:
        self._kind = _KINDS[preset]
        self._replace = replace
        names = b"|".join(self._kind.names)
        literals = [*self._kind.names, *(literal for literal, _ in self._kind.patterns)]
        self._find_literals = BytesAhoCorasick(
            literals, MatchKind.LeftmostFirst, Implementation.DFA
        ).find_matches_as_indexes
        self._match_patterns = [re.compile(re.escape(literal) + rest).match for literal, rest in self._kind.patterns]
        # What may follow the end of a name in the text of a record; anything else makes it uncertain.
        self._match_raw = re.compile(
            rb"(?:" + names + rb")"
            rb'(?:"\s*:\s*(?:"([^"\\]*)"|null|\{)|\\"\s*:\s*\\"([^"\\]*)\\"|\\?"\s*[,}\]]|(?=[^"\\]))'
        ).match
        self._match_loose = re.compile(rb"(?:" + names + rb')"\s*:\s*"([^"\\]+)"').match

    def read_quickly(self, record: bytes) -> list[Span] | None:
        """Find what to hide in the text of a record; None when that is uncertain."""
        try:
            return self._find_words(record, self._read_text(record, self._match_raw), is_raw=True)
        except _UncertainError:
            return None

    def study(self, leaves: Sequence[Leaf]) -> Callable[[Leaf], Sequence[Span]]:
        """Learn what a record names; returns what finds the spans of a leaf."""
        values = {value for leaf in leaves for value in self._read_leaf(leaf)}

        def find(leaf: Leaf) -> Sequence[Span]:
            is_text = leaf.is_string and leaf.inner is None
            return self._find_words(leaf.text, values, is_raw=False) if is_text else []

        return find

    def _read_text(self, text: bytes, match_field: _Match) -> set[bytes]:
        """Collect the values that a text names, be it that of a record or of a leaf."""
        values: set[bytes] = set()
        names = len(self._kind.names)
        for index, start, _ in self._find_literals(text):
            match = match_field(text, start) if index < names else self._match_patterns[index - names](text, start)
            if match is not None:
                values.update(group for group in match.groups() if group)
            elif index < names and match_field is self._match_raw:
                raise _UncertainError
        return values

    def _read_leaf(self, leaf: Leaf) -> set[bytes]:
        if leaf.inner is not None:
            return set()
        values = self._read_text(leaf.text, self._match_loose)
        if leaf.is_string and not leaf.is_name and leaf.path and leaf.path[-1].endswith(self._kind.names):
            values.add(leaf.text)
        return values

    def _find_words(self, text: bytes, values: AbstractSet[bytes], *, is_raw: bool) -> list[Span]:
        words = {word for value in values for word in self._kind.parse(value)}
        if is_raw and any(_JSON_WORD(word.text) for word in words):
            raise _UncertainError  # a user named null
        spans = [
            (start, start + len(word.text), self._replace(word.text))
            for word in words
            for start in _find_word(text, word, is_raw=is_raw)
        ]
        # Of two that begin in one place the longer one comes first, so that the order of a set does not matter.
        spans.sort(key=lambda span: (span[0], -span[1]))
        return merge_spans(spans)


def _find_word(text: bytes, word: Word, *, is_raw: bool) -> Iterable[int]:
    start = text.find(word.text)
    while start >= 0:
        end = start + len(word.text)
        if is_raw and start > 1 and text[start - 2] == _BACKSLASH and text[start - 1] in _ESCAPE_LETTERS:
            raise _UncertainError  # a line break or a letter?
        if not (start and text[start - 1] in word.not_before) and not _runs_on(text, end, word):
            yield start
        start = text.find(word.text, start + 1)


def _runs_on(text: bytes, end: int, word: Word) -> bool:
    following = text[end : end + 2]
    if not following:
        return False
    is_dotted = following[0] == _DOT and len(following) == 2 and following[1] in word.not_after_dot
    return is_dotted or following[0] in word.not_after
