"""What the content of the log files was that this process has read, by its SHA-256: such need not be read again."""

import threading
from collections import OrderedDict
from hashlib import blake2b

# About 250 bytes each. What is forgotten is read again when its digest file comes.
MAX_FILES = 50_000


class ReadHashes:
    """Remembers the newest; used by all threads at once. A file that was read twice has the hashes of both times."""

    def __init__(self, limit: int = MAX_FILES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._hashes: OrderedDict[bytes, frozenset[str]] = OrderedDict()

    def note(self, bucket: str, key: str, sha256: str) -> None:
        """Note the hash of a content that was read; the empty one is that of what is no whole gzip file."""
        place = build_name(bucket, key)
        with self._lock:
            before = self._hashes.pop(place, frozenset())
            # Two are enough to know that one of them is wrong.
            self._hashes[place] = before if len(before) > 1 else before | {sha256}
            if len(self._hashes) > self._limit:
                self._hashes.popitem(last=False)

    def find(self, bucket: str, key: str) -> frozenset[str]:
        """Find the hashes of a file; none of one that was not read, or so long ago that it is forgotten."""
        with self._lock:
            return self._hashes.get(build_name(bucket, key), frozenset())

    def __len__(self) -> int:
        """Count the files that are remembered."""
        with self._lock:
            return len(self._hashes)


def build_name(bucket: str, key: str) -> bytes:
    """Build a short name for an object; nobody can find another object with the same."""
    return blake2b(f"{bucket}\0{key}".encode("utf-8", "surrogatepass"), digest_size=20).digest()
