"""Turns the stored bytes of a digest file or log file into its content, and into the SHA-256 of that.

CloudTrail writes exactly one gzip member. Whatever follows its end is read by some programs and not by others: a file with
such an appendix was altered. A copy that was decompressed on its way has the same content.
"""

import hashlib
from collections.abc import Iterable, Iterator

from isal import isal_zlib

from cloudtrail_collector.core.gunzip import GZIP_MAGIC, GZIP_WINDOW, PIECE_BYTES

_GzipError: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]  # the stubs call it an instance


class ContentError(ValueError):
    """The bytes are not one whole gzip member; the message says why."""


def iterate_content(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress piece by piece, whatever the size of each. Raises ContentError, at the latest after the last piece."""
    source = iter(pieces)
    head = b""
    while len(head) < len(GZIP_MAGIC) and (piece := next(source, b"")):
        head += piece
    if not head.startswith(GZIP_MAGIC):
        yield head
        yield from source
        return
    stream = isal_zlib.decompressobj(GZIP_WINDOW)
    try:
        yield from _decompress(stream, head)
        for piece in source:
            if stream.eof and piece:
                raise ContentError("bytes follow the end of its gzip data")
            yield from _decompress(stream, piece)
    except _GzipError as error:
        raise ContentError(f"its gzip data are damaged: {error}") from error
    if not stream.eof:
        raise ContentError("its gzip data end too early")


def _decompress(stream: isal_zlib.Decompress, piece: bytes) -> Iterator[bytes]:
    """Decompress all that a piece gives: text may wait inside after the last byte of it has gone in."""
    while not stream.eof:
        text = stream.decompress(piece, PIECE_BYTES)
        piece = stream.unconsumed_tail
        if text:
            yield text
        elif not piece:
            break
    if stream.unused_data:
        raise ContentError("bytes follow the end of its gzip data")


def hash_content(pieces: Iterable[bytes]) -> str:
    """Return the SHA-256 of the content in hexadecimal digits. Raises ContentError."""
    digest = hashlib.sha256()
    for piece in iterate_content(pieces):
        digest.update(piece)
    return digest.hexdigest()


def read_content(pieces: Iterable[bytes], limit: int) -> bytes:
    """Return the content as a whole. Raises ContentError, also when it is longer than `limit` bytes."""
    content = bytearray()
    for piece in iterate_content(pieces):
        content += piece
        if len(content) > limit:
            raise ContentError(f"it is longer than {limit} bytes")
    return bytes(content)
