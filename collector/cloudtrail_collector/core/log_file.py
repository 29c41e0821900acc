"""Turns the bytes of a log file into text that is known to be whole, or into pieces of it when it is large."""

from collections.abc import Iterator
from dataclasses import dataclass

from cloudtrail_collector.core.gunzip import PIECE_BYTES, Buffer, iterate_text
from cloudtrail_collector.core.record_split import iterate_records
from cloudtrail_collector.core.rejection import LogFileRejectedError, RejectReason

# Larger files are read in pieces of this size. CloudTrail's own files are rarely larger than 1 MiB.
WINDOW_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log file that was decompressed to its end: no part of a damaged one is ever delivered.

    `text` is all of it, None when it is larger than a window: then `iterate_records` decompresses it once more.
    """

    body: Buffer
    uncompressed_bytes: int
    text: bytes | None

    def iterate_records(self) -> Iterator[list[bytes]]:
        """Cut out the records, a window at a time. Raises LogFileRejectedError."""
        return iterate_records(iterate_text(self.body), WINDOW_BYTES)


def read_log_file(body: Buffer, limit: int) -> LogFile:
    """Decompress and check a file. Raises LogFileRejectedError when it is damaged or longer than `limit` bytes."""
    size = 0
    held: list[bytes] = []
    for piece in iterate_text(body, _guess_size(body)):
        size += len(piece)
        if size > limit:
            message = f"the file is larger than {limit} bytes when decompressed"
            raise LogFileRejectedError(RejectReason.TOO_LARGE, message)
        if size <= WINDOW_BYTES:
            held.append(piece)
        else:
            held.clear()
    if size > WINDOW_BYTES:
        return LogFile(body, size, None)
    return LogFile(body, size, held[0] if len(held) == 1 else b"".join(held))


def _guess_size(body: Buffer) -> int:
    """Take the size that a gzip file states at its end, within bounds: it saves putting pieces together, nothing else."""
    stated = int.from_bytes(bytes(body[-4:]), "little") + 1
    return min(max(stated, PIECE_BYTES), WINDOW_BYTES)
