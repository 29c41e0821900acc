"""Turns the bytes of a log file into its event records, each a slice of the bytes that AWS wrote."""

import re
from enum import StrEnum

import msgspec
from isal import isal_zlib

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 31  # 15 bits of window + 16: expect a gzip header and check the trailer
CHUNK_BYTES = 1024 * 1024
_GzipError: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]  # the stubs call it an instance


class RejectReason(StrEnum):
    """Why a log file as a whole cannot be read."""

    TOO_LARGE = "too_large"
    CORRUPT = "corrupt"
    NOT_A_LOG_FILE = "not_a_log_file"


class LogFileRejectedError(ValueError):
    """The file cannot be taken apart; nothing of it is delivered."""

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Document(msgspec.Struct, rename={"records": "Records"}):
    records: list[msgspec.Raw]


_decoder = msgspec.json.Decoder(_Document)
# A string, or one character of structure: all that is needed to delimit elements, whatever is inside of strings.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]', re.DOTALL)


def decompress(body: bytes, limit: int) -> bytes:
    """Gunzip all members of a file; bytes without a gzip header are returned as they are.

    Raises LogFileRejectedError when the result would be longer than `limit` bytes, or the file is damaged or cut off.
    """
    if not body.startswith(GZIP_MAGIC):
        _check_size(len(body), limit)
        return body
    parts: list[bytes] = []
    size = 0
    rest = body
    while rest:
        if not rest.startswith(GZIP_MAGIC):
            if rest.strip(b"\0"):
                raise LogFileRejectedError(RejectReason.CORRUPT, "bytes that are not gzip follow the last gzip member")
            break  # zero padding is allowed after the last member
        rest, size = _decompress_member(rest, parts, size, limit)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _decompress_member(member: bytes, parts: list[bytes], size: int, limit: int) -> tuple[bytes, int]:
    stream = isal_zlib.decompressobj(GZIP_WINDOW)
    pending = member
    try:
        while not stream.eof:
            part = stream.decompress(pending, CHUNK_BYTES)
            pending = stream.unconsumed_tail
            if not part and not pending and not stream.eof:
                raise LogFileRejectedError(RejectReason.CORRUPT, "the gzip data end too early")
            size += len(part)
            _check_size(size, limit)
            parts.append(part)
    except _GzipError as error:
        raise LogFileRejectedError(RejectReason.CORRUPT, f"the gzip data are damaged: {error}") from error
    return bytes(stream.unused_data), size


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise LogFileRejectedError(RejectReason.TOO_LARGE, f"the file is larger than {limit} bytes when decompressed")


def split_records(text: bytes) -> list[bytes]:
    """Cut out the elements of `Records`, each on one line, otherwise byte for byte.

    A record that no JSON parser takes is cut out all the same as long as its brackets and quotes match. Raises
    LogFileRejectedError when there is no list `Records` or it cannot be delimited.
    """
    try:
        slices = [bytes(raw) for raw in _decoder.decode(text).records]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        slices = list(_delimit_records(text))
    if b"\n" in text or b"\r" in text:
        # Line breaks stand only between tokens in JSON, where they mean nothing.
        slices = [one.translate(None, b"\r\n") for one in slices]
    return slices


def _delimit_records(text: bytes) -> list[bytes]:
    """Find the elements by brackets and quotes alone. Slow; for files that the parser refuses."""
    start = _find_list(text)
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
            return [*found, last] if last else found
        elif mark == b"," and depth == 0:
            found.append(text[begin : token.start()].strip())
            begin = token.end()
    raise LogFileRejectedError(RejectReason.NOT_A_LOG_FILE, "the list Records does not end")


def _find_list(text: bytes) -> int:
    """Return where the elements of the top-level `Records` begin."""
    depth = 0
    previous: tuple[bytes, bytes] = (b"", b"")
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark == b"[" and depth == 1 and previous == (b'"Records"', b":"):
            return token.end()
        depth += (mark in {b"[", b"{"}) - (mark in {b"]", b"}"})
        previous = (previous[1], mark)
    raise LogFileRejectedError(RejectReason.NOT_A_LOG_FILE, "there is no list Records")
