"""Log files of hundreds of megabytes, and gzip bombs, made in seconds: one compressed block is repeated.

A block that ends with a full flush refers to nothing before it, so that its bytes can be repeated in one valid gzip
stream; length and checksum at the end are those of the whole.
"""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from bench.files import Corpus, StoredFile, is_noise
from localcluster.corpus import generate_log_files

HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
MEBIBYTE = 1 << 20


def build_gzip(head: bytes, block: bytes, repeats: int, tail: bytes) -> bytes:
    """Compress `head`, `repeats` times `block`, and `tail`."""
    packed = _pack(block, zlib.Z_FULL_FLUSH) * repeats
    checksum, length = 0, 0
    for part in _iterate(head, block, repeats, tail):
        checksum, length = zlib.crc32(part, checksum), length + len(part)
    trailer = checksum.to_bytes(4, "little") + (length % 2**32).to_bytes(4, "little")
    return HEAD + _pack(head, zlib.Z_FULL_FLUSH) + packed + _pack(tail, zlib.Z_FINISH) + trailer


def _iterate(head: bytes, block: bytes, repeats: int, tail: bytes) -> Iterator[bytes]:
    yield head
    for _ in range(repeats):
        yield block
    yield tail


def _pack(data: bytes, flush: int) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush(flush)


def write_giants(
    directory: Path, ordinary: Corpus, *, large: int, large_bytes: int, bombs: int, bomb_bytes: int
) -> Corpus:
    """Write a corpus of ordinary files with large ones and bombs between them."""
    directory.mkdir()
    large_body, large_file = _build_large(large_bytes)
    bomb_body, bomb_file = _build_bomb(bomb_bytes)
    (directory / large_file.name).write_bytes(large_body)
    (directory / bomb_file.name).write_bytes(bomb_body)
    for file in ordinary.files:
        (directory / file.name).write_bytes((ordinary.directory / file.name).read_bytes())
    giants = [large_file] * large + [bomb_file] * bombs
    step = max(1, len(ordinary.files) // max(1, len(giants)))
    files: list[StoredFile] = list(ordinary.files)
    for number, giant in enumerate(giants):
        files.insert(number * (step + 1), giant)
    corpus = Corpus(directory, tuple(files))
    corpus.save()
    return corpus


def _build_large(size: int) -> tuple[bytes, StoredFile]:
    """Build a valid log file of about `size` bytes of JSON."""
    (made,) = generate_log_files(1, seed=5, events_per_file=2000, sigma=0.0)
    text = zlib.decompress(made.body, 31)
    records = text[len(b'{"Records":[') : -len(b"]}")]
    block, repeats = records + b",", size // (len(records) + 1)
    body = build_gzip(b'{"Records":[', block, repeats, records + b"]}")
    kept = sum(not is_noise(record) for record in json.loads(text)["Records"])
    length = (repeats + 1) * len(block) + 13
    count = len(made.event_ids)
    return body, StoredFile("large.json.gz", len(body), length, count * (repeats + 1), kept * (repeats + 1))


def _build_bomb(size: int) -> tuple[bytes, StoredFile]:
    """Build one record with a text of `size` bytes: as gzip a thousandth of it."""
    block = b"0" * (16 * MEBIBYTE)
    body = build_gzip(b'{"Records":[{"eventVersion":"', block, size // len(block), b'"}]}')
    # Refused as a whole: none of it counts as read.
    return body, StoredFile("bomb.json.gz", len(body), 0, 0, 0)
