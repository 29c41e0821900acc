"""Turns the bytes of a gzip file into pieces of text: all members, checked to their end."""

from collections.abc import Generator, Iterator
from typing import TypeAlias

from isal import isal_zlib

from cloudtrail_collector.core.rejection import LogFileRejectedError, RejectReason

Buffer: TypeAlias = bytes | bytearray | memoryview

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 31  # 15 bits of window + 16: expect a gzip header and check the trailer
PIECE_BYTES = 1024 * 1024
# The decompressor copies the input that it leaves, with each piece: it must not get all of a large file at once.
FEED_BYTES = 256 * 1024
_GzipError: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]  # the stubs call it an instance


def iterate_text(body: Buffer, piece_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    """Gunzip piece by piece, at most `piece_bytes` each; bytes without a gzip header come as they are.

    Raises LogFileRejectedError where the data are damaged or cut off: only after the last piece is the file known to be
    whole.
    """
    view = memoryview(body)
    if view[:2] != GZIP_MAGIC:
        for start in range(0, len(view), piece_bytes):
            yield bytes(view[start : start + piece_bytes])
        return
    position = 0
    while position < len(view):
        if view[position : position + 2] != GZIP_MAGIC:
            if bytes(view[position:]).strip(b"\0"):
                raise LogFileRejectedError(RejectReason.CORRUPT, "bytes that are not gzip follow the last gzip member")
            return  # zero padding is allowed after the last member
        position = yield from _iterate_member(view, position, piece_bytes)


def _iterate_member(body: memoryview, position: int, piece_bytes: int) -> Generator[bytes, None, int]:
    """Gunzip the member that begins at `position`; returns where it ends."""
    stream = isal_zlib.decompressobj(GZIP_WINDOW)
    pending: Buffer = b""
    try:
        while not stream.eof:
            if not pending:
                pending = body[position : position + FEED_BYTES]
                position += len(pending)
            piece = stream.decompress(pending, piece_bytes)
            pending = stream.unconsumed_tail
            if piece:
                yield piece
            elif not pending and position == len(body) and not stream.eof:
                raise LogFileRejectedError(RejectReason.CORRUPT, "the gzip data end too early")
    except _GzipError as error:
        raise LogFileRejectedError(RejectReason.CORRUPT, f"the gzip data are damaged: {error}") from error
    return position - len(stream.unused_data)
