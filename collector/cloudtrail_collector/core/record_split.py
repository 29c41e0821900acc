"""Turns the text of a log file into its event records, each the very bytes that AWS wrote, on one line.

Three ways, by what the text is like: the usual form is cut at literal boundaries after a decoder has proven that they are
the boundaries; any other JSON by a decoder that returns raw slices; what no JSON parser takes by brackets and quotes.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from stringzilla import Str

from cloudtrail_collector.core.rejection import LogFileRejectedError, RejectReason

FIRST_KEY = "eventVersion"
_HEAD = b'{"Records":[{"eventVersion":'
_TAIL = b"}]}"
_BOUNDARY = b'},{"eventVersion":'
_LINE_HEAD, _LINE_BOUNDARY, _LINE_TAIL = b'{"eventVersion":', b'}\n{"eventVersion":', b"}\n"
# JSON may write a letter as \u0041 to \u007a.
_ESCAPED_LETTERS = (rb"\u004", rb"\u005", rb"\u006", rb"\u007")
# No record is longer: AWS allows 256 KiB for an event.
MAX_RECORD_BYTES = 64 * 1024 * 1024
# A boundary's text may stand inside of a record; then the one before it is tried, and in the end every token looked at.
BOUNDARIES_TO_TRY = 3

_Decode = Callable[[Any], Any]
_DECODE_ERRORS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


class _Document(msgspec.Struct, rename={"records": "Records"}):
    records: list[msgspec.Raw]


_raw_decoder = msgspec.json.Decoder(_Document)
_raw_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])
# A string, ended or not, or one character of structure: all that is needed to delimit elements.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)|[\[\]{},:]', re.DOTALL)


class UsualDocuments:
    """Splits documents in the form that CloudTrail writes: compact, every record begins with `eventVersion`."""

    def __init__(self, record_type: type[msgspec.Struct]) -> None:
        """Take the structure to read of each record; it must require `eventVersion`."""
        document = msgspec.defstruct(
            "Document",
            [("records", list[record_type])],  # type: ignore[valid-type]
            rename={"records": "Records"},
            forbid_unknown_fields=True,
        )
        self._decode: _Decode = msgspec.json.Decoder(document).decode

    def split(self, text: bytes) -> "tuple[Sequence[Any], list[Str]] | None":
        """Return the decoded fields and the cut text of each record; None when the text has another form.

        The cuts need no second parse. The decoder has read N records, all with the key, and nothing beside them. When
        the key's text occurs N times, it is each record's own (it cannot be spelled with escapes, see below) and stands
        nowhere else; N - 1 boundaries, each with the key in it, are then the N - 1 places where records meet.
        """
        if not (text.startswith(_HEAD) and text.endswith(_TAIL)):
            return None
        whole = Str(text)
        if whole.find(b"\n") >= 0:
            return None
        try:
            fields: Sequence[Any] = self._decode(text).records
        except _DECODE_ERRORS:
            return None
        if whole.count(b'"eventVersion"') != len(fields) or _escapes_letters(whole):
            return None
        cuts = whole[len(_HEAD) : len(text) - len(_TAIL)].split(_BOUNDARY)
        return (fields, list(cuts)) if len(cuts) == len(fields) else None


def _escapes_letters(text: Str) -> bool:
    return text.find(rb"\u00") >= 0 and any(text.find(escape) >= 0 for escape in _ESCAPED_LETTERS)


def restore_cut(cut: Str) -> bytes:
    """Give a cut record back what the cut took."""
    return b"".join((_LINE_HEAD, cut, b"}"))


def join_cuts(cuts: Sequence[Str]) -> bytes:
    """Put cut records together as NDJSON, every line ended; each gets back what the cut took."""
    if not cuts:
        return b""
    parts: list[Any] = list(cuts)
    parts[0] = _LINE_HEAD + bytes(parts[0])
    parts[-1] = bytes(parts[-1]) + _LINE_TAIL
    return _LINE_BOUNDARY.join(parts)


def split_document(text: bytes) -> list[bytes]:
    """Cut out the elements of `Records`, whatever the form.

    A record that no JSON parser takes is cut out all the same as long as its brackets and quotes match. Raises
    LogFileRejectedError when there is no list `Records` or it does not end.
    """
    try:
        return _put_on_lines([bytes(raw) for raw in _raw_decoder.decode(text).records])
    except _DECODE_ERRORS:
        start = find_list(text)
    records, _, has_ended = _delimit(text, start)
    if not has_ended:
        raise LogFileRejectedError(RejectReason.NOT_A_LOG_FILE, "the list Records does not end")
    return _put_on_lines(records)


def iterate_records(pieces: Iterable[bytes], window_bytes: int) -> Iterator[list[bytes]]:
    """Cut out the elements of `Records` of a text that comes in pieces, holding about `window_bytes` at a time.

    Raises LogFileRejectedError as `split_document` does, possibly after records were returned.
    """
    rest = b""
    in_list = False
    for window in _build_windows(pieces, window_bytes):
        text = rest + window
        start = 0 if in_list else find_list(text)
        in_list = True
        records, end, has_ended = _take_records(text, start)
        if records:
            yield _put_on_lines(records)
        if has_ended:
            return
        rest = text[end:]
        if len(rest) > MAX_RECORD_BYTES:
            raise LogFileRejectedError(RejectReason.NOT_A_LOG_FILE, f"a record is longer than {MAX_RECORD_BYTES} bytes")
    records, _, has_ended = _delimit(rest, 0)
    if not has_ended:
        raise LogFileRejectedError(RejectReason.NOT_A_LOG_FILE, "the list Records does not end")
    if records:
        yield _put_on_lines(records)


def _build_windows(pieces: Iterable[bytes], window_bytes: int) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= window_bytes:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _take_records(text: bytes, start: int) -> tuple[list[bytes], int, bool]:
    """Take complete records off the beginning; returns them, where the rest begins, and whether the list has ended."""
    for mark in (_BOUNDARY, b"},{"):
        boundary = len(text)
        for _ in range(BOUNDARIES_TO_TRY):
            boundary = text.rfind(mark, start, boundary)
            if boundary < 0:
                break
            try:
                # If what is before the boundary is a list of values, the boundary is one between elements.
                raws = _raw_list_decoder.decode(b"".join((b"[", memoryview(text)[start : boundary + 1], b"]")))
            except _DECODE_ERRORS:
                continue
            return [bytes(raw) for raw in raws], boundary + 2, False
    return _delimit(text, start)


def _delimit(text: bytes, start: int) -> tuple[list[bytes], int, bool]:
    """Find elements by brackets and quotes alone; slow. Returns as `_take_records` does."""
    found: list[bytes] = []
    depth, begin = 0, start
    for token in _TOKEN.finditer(text, start):
        mark = token.group()
        if mark in {b"[", b"{"}:
            depth += 1
        elif mark in {b"]", b"}"} and depth > 0:
            depth -= 1
        elif mark == b"]":
            last = text[begin : token.start()].strip()
            return ([*found, last] if last else found), token.end(), True
        elif mark == b"," and depth == 0:
            found.append(text[begin : token.start()].strip())
            begin = token.end()
        elif mark.startswith(b'"') and not token.group(1):
            break
    return found, begin, False


def find_list(text: bytes) -> int:
    """Return where the elements of the top-level `Records` begin. Raises LogFileRejectedError."""
    depth = 0
    previous: tuple[bytes, bytes] = (b"", b"")
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark == b"[" and depth == 1 and previous == (b'"Records"', b":"):
            return token.end()
        depth += (mark in {b"[", b"{"}) - (mark in {b"]", b"}"})
        previous = (previous[1], mark)
    raise LogFileRejectedError(RejectReason.NOT_A_LOG_FILE, "there is no list Records")


def _put_on_lines(records: list[bytes]) -> list[bytes]:
    """Take out line breaks: they stand only between tokens in JSON, where they mean nothing."""
    if any(b"\n" in record or b"\r" in record for record in records):
        return [record.translate(None, b"\r\n") for record in records]
    return records
