"""Turns the text of a JSON value into its leaves, and spans to hide in leaves into a new text that differs only there.

A string that holds a JSON object or list is opened, and its values are leaves as well. Everything is bytes of UTF-8;
bytes that are no UTF-8 are carried along.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple, NoReturn, TypeAlias

Path: TypeAlias = tuple[bytes, ...]
# Where a part of a text begins and ends, and what shall stand there. A bare tuple: masks make three for a record.
Span: TypeAlias = tuple[int, int, bytes]

# A string, a character of structure, or a number or word: the text is known to be JSON.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]++', re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
SIMPLE_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}
_MOST_LEVELS = 16  # of JSON in strings; each level doubles the backslashes, so that real ones have three
_NULL = b"null"


class UnmaskableRecordError(ValueError):
    """The record cannot be taken apart, so that nobody can say what it holds."""


class Leaf(NamedTuple):
    """A name, string, number or word in a JSON text, which it takes up from `start` to `end`.

    `text` has no quotes and no escapes. `path` has the names that lead here (lists add none). `inner` are the leaves of
    the JSON that a string holds.
    """

    start: int
    end: int
    path: Path
    is_name: bool
    is_string: bool
    text: bytes
    inner: tuple["Leaf", ...] | None


def read_document(text: bytes) -> tuple[Leaf, ...]:
    """Take a JSON text apart. Raises UnmaskableRecordError."""
    try:
        _check_json(text)
        return tuple(_read_leaves(text, (), 0))
    except (ValueError, RecursionError) as error:
        raise UnmaskableRecordError(f"the record is not JSON that can be read: {error}") from error


def walk(leaves: Iterable[Leaf]) -> Iterator[Leaf]:
    """Go through all leaves; a string that holds JSON comes before the leaves inside."""
    for leaf in leaves:
        yield leaf
        if leaf.inner is not None:
            yield from walk(leaf.inner)


def rewrite(text: bytes, leaves: Iterable[Leaf], find_spans: Callable[[Leaf], Sequence[Span]]) -> bytes:
    """Replace what `find_spans` finds in leaves, by positions in `Leaf.text`."""
    return apply_spans(text, _lift_spans(text, leaves, find_spans))


def apply_spans(text: bytes, spans: Sequence[Span]) -> bytes:
    """Replace spans, which must be in order and apart. Without any the very same text is returned."""
    if not spans:
        return text
    parts: list[bytes] = []
    last = 0
    for start, end, replacement in spans:
        parts += (text[last:start], replacement)
        last = end
    parts.append(text[last:])
    return b"".join(parts)


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """Put spans in order; of spans that overlap the first one's replacement stands for all."""
    merged: list[Span] = []
    for span in sorted(spans, key=itemgetter(0)):
        if merged and span[0] < merged[-1][1]:
            start, end, replacement = merged[-1]
            merged[-1] = (start, max(end, span[1]), replacement)
        else:
            merged.append(span)
    return merged


def _check_json(text: bytes) -> None:
    json.loads(text.decode("utf-8", "surrogateescape"), parse_int=str, parse_float=str, parse_constant=_refuse_constant)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _read_leaves(text: bytes, base: Path, level: int) -> Iterator[Leaf]:  # noqa: C901  # one branch for each mark
    path = list(base)
    in_object: list[bool] = []
    at_name = False
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark == b"{":
            in_object.append(True)
            path.append(b"")
            at_name = True
        elif mark == b"[":
            in_object.append(False)
            at_name = False
        elif mark in {b"}", b"]"}:
            if in_object.pop():
                path.pop()
        elif mark == b",":
            at_name = in_object[-1]
        elif mark == b":":
            at_name = False
        elif at_name:
            path[-1] = _unescape(mark[1:-1])[0]
            yield Leaf(token.start(), token.end(), tuple(path[:-1]), True, True, path[-1], None)
        else:
            yield _read_value(token.start(), mark, tuple(path), level)


def _read_value(start: int, mark: bytes, path: Path, level: int) -> Leaf:
    end = start + len(mark)
    if not mark.startswith(b'"'):
        return Leaf(start, end, path, False, False, mark, None)
    text = _unescape(mark[1:-1])[0]
    return Leaf(start, end, path, False, True, text, _open(text, path, level + 1))


def _open(text: bytes, path: Path, level: int) -> tuple[Leaf, ...] | None:
    if level > _MOST_LEVELS or not text.lstrip(b" \t\r\n").startswith((b"{", b"[")):
        return None
    try:
        _check_json(text)
    except (ValueError, RecursionError):
        return None
    return tuple(_read_leaves(text, path, level))


def _unescape(raw: bytes) -> tuple[bytes, list[int] | None]:
    """Resolve escapes; with them, say for every byte of the result, and its end, where it begins in `raw`."""
    if b"\\" not in raw:
        return raw, None
    parts: list[bytes] = []
    origins: list[int] = []
    last = 0
    position = 0
    while (position := raw.find(b"\\", last)) >= 0:
        parts.append(raw[last:position])
        origins += range(last, position)
        plain, last = _read_escape(raw, position)
        parts.append(plain)
        origins += [position] * len(plain)
    parts.append(raw[last:])
    origins += range(last, len(raw) + 1)
    return b"".join(parts), origins


def _read_escape(raw: bytes, position: int) -> tuple[bytes, int]:
    """Resolve one escape, or a pair of them for one character; returns the character and where the escape ends.

    Half a pair becomes the replacement character: it is no character, and no mask means it.
    """
    escape = _ESCAPE.match(raw, position)
    if escape is None:
        raise ValueError("a string ends within an escape")
    if escape[1] is None:
        return SIMPLE_ESCAPES.get(escape[2], escape[2]), escape.end()
    code = int(escape[1], 16)
    if 0xD800 <= code < 0xDC00:
        second = _ESCAPE.match(raw, escape.end())
        low = int(second[1], 16) if second is not None and second[1] else 0
        if second is not None and 0xDC00 <= low < 0xE000:
            return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)).encode(), second.end()
    return ("\ufffd" if 0xD800 <= code < 0xE000 else chr(code)).encode(), escape.end()


def _lift_spans(text: bytes, leaves: Iterable[Leaf], find_spans: Callable[[Leaf], Sequence[Span]]) -> list[Span]:
    """Turn the spans in leaves into spans in the text that the leaves are part of."""
    lifted: list[Span] = []
    for leaf in leaves:
        spans = find_spans(leaf)
        if leaf.inner is not None:
            spans = [*spans, *_lift_spans(leaf.text, leaf.inner, find_spans)]
        if not spans:
            continue
        spans = merge_spans(spans)
        if leaf.is_string:
            origins = _unescape(text[leaf.start + 1 : leaf.end - 1])[1]
            lifted += [_lift(span, leaf.start + 1, origins) for span in spans]
        else:
            lifted.append((leaf.start, leaf.end, b'"%b"' % _escape(apply_spans(leaf.text, spans))))
    return lifted


def _lift(span: Span, base: int, origins: list[int] | None) -> Span:
    start, end, replacement = span
    if origins is not None:
        start, end = origins[start], origins[end]
    return base + start, base + end, _escape(replacement)


def _escape(text: bytes) -> bytes:
    return json.dumps(text.decode("utf-8", "surrogateescape"), ensure_ascii=False)[1:-1].encode(
        "utf-8", "surrogateescape"
    )
