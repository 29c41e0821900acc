"""A folder → the layer that it becomes in an image: how many bytes, and which."""

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

# docker-library's record of python:3.13.14-slim-trixie for amd64, of August 2026: the sum of its compressed layers.
# https://github.com/docker-library/repo-info/blob/2986dca3a80cb11b70fc4599941096374ea9e509/repos/python/remote/3.13.14-slim-trixie.md
BASE_BYTES = 42_961_458
MEGABYTE = 1_000_000
# How container engines compress layers.
_GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Layer:
    """What a folder weighs; the digest is that of the uncompressed archive, as images state it."""

    files: int
    unpacked_bytes: int
    compressed_bytes: int
    digest: str

    @property
    def image_bytes(self) -> int:
        """What a node downloads that has nothing of the image yet."""
        return BASE_BYTES + self.compressed_bytes


class _Meter(io.RawIOBase):
    """Counts and hashes what is written."""

    def __init__(self) -> None:
        self.count = 0
        self.hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | memoryview[int]") -> int:  # type: ignore[override]
        self.count += len(data)
        self.hash.update(data)
        return len(data)


class _Archive(_Meter):
    """Passes what is written on to gzip."""

    def __init__(self, compressed: gzip.GzipFile) -> None:
        super().__init__()
        self._compressed = compressed

    def write(self, data: "bytes | memoryview[int]") -> int:  # type: ignore[override]
        self._compressed.write(data)
        return super().write(data)


def measure(folder: Path) -> Layer:
    """Measure a folder as the layer with its content at /app, owned by root."""
    compressed = _Meter()
    paths = sorted(folder.rglob("*"))
    with gzip.GzipFile(fileobj=compressed, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0) as packer:
        archive = _Archive(packer)
        with tarfile.open(fileobj=archive, mode="w|", format=tarfile.PAX_FORMAT) as layer:
            for path in paths:
                layer.add(path, f"app/{path.relative_to(folder)}", recursive=False, filter=_own_by_root)
    files = [path for path in paths if path.is_file() and not path.is_symlink()]
    return Layer(
        len(files), sum(path.stat().st_size for path in files), compressed.count, f"sha256:{archive.hash.hexdigest()}"
    )


def _own_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
