"""What digest files name that CloudTrail signed: the proof that a log file must have where integrity is enforced."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TypeAlias

from cloudtrail_collector.core.integrity.digest_key import DigestKey, parse_digest_key
from cloudtrail_collector.core.integrity.digest_verdict import judge_digest
from cloudtrail_collector.core.integrity.log_place import LogPlace
from cloudtrail_collector.core.integrity.sections import DIGESTS, Section
from cloudtrail_collector.core.notification import ObjectRef
from cloudtrail_collector.pipeline.digest_audit import Archive, build_place
from cloudtrail_collector.pipeline.read_hashes import build_name

# About 250 bytes each; what is forgotten is read again.
MAX_NAMES = 100_000

# A bucket and a section in it.
Shelf: TypeAlias = tuple[str, Section]
# What a digest file names: short names of log files, and their SHA-256.
_Names: TypeAlias = dict[bytes, str]
# The SHA-256 that a log file must have.
Proofs: TypeAlias = Mapping[ObjectRef, str]


class ProofStore:
    """Reads digest files where they lie, by section, and remembers the newest. Used by all threads at once."""

    def __init__(self, archive: Archive, limit: int = MAX_NAMES) -> None:
        self._archive = archive
        self._limit = limit
        self._lock = threading.Lock()
        self._names: OrderedDict[tuple[str, str], tuple[Shelf, _Names]] = OrderedDict()
        self._shelves: dict[Shelf, set[str]] = {}
        self._count = 0

    def find(self, reference: ObjectRef, place: LogPlace) -> str | None:
        """Find the SHA-256 that a log file must have, as far as is remembered."""
        name = build_name(reference.bucket, reference.key)
        with self._lock:
            for key in self._shelves.get((reference.bucket, place.section), ()):
                if found := self._names[reference.bucket, key][1].get(name):
                    return found
        return None

    def look(self, shelf: Shelf, since: datetime, until: datetime) -> Iterator[None]:
        """Read the digest files that ended between two instants, and pause after each that is new. Raises AwsError.

        One that cannot be read or trusted proves nothing; it is tried again with the next look.
        """
        bucket, section = shelf
        for key in self._list(shelf, since, until):
            with self._lock:
                is_known = (bucket, key.key) in self._names
            if is_known:
                continue
            evidence = self._archive.read(bucket, key)
            if evidence.digest and judge_digest(evidence, None, build_place(bucket, section)).is_trusted:
                named = evidence.digest.log_files
                self._remember(shelf, key, {build_name(one.bucket, one.key): one.sha256 for one in named if one.sha256})
                yield

    def __len__(self) -> int:
        """Count the log files that are remembered."""
        with self._lock:
            return self._count

    def _list(self, shelf: Shelf, since: datetime, until: datetime) -> list[DigestKey]:
        bucket, section = shelf
        found = [
            key
            for prefix in section.list_days(DIGESTS, since, until)
            for text in self._archive.stores[bucket].iterate_keys(prefix)
            if (key := parse_digest_key(text)) and since < key.ended_at <= until
        ]
        return sorted(found, key=lambda key: key.ended_at)

    def _remember(self, shelf: Shelf, key: DigestKey, names: _Names) -> None:
        with self._lock:
            if (shelf[0], key.key) in self._names:
                return
            self._names[shelf[0], key.key] = shelf, names
            self._shelves.setdefault(shelf, set()).add(key.key)
            # An empty one takes memory, too.
            self._count += len(names) + 1
            while self._count > self._limit and len(self._names) > 1:
                self._forget_oldest()

    def _forget_oldest(self) -> None:
        (_, key), (shelf, names) = self._names.popitem(last=False)
        self._count -= len(names) + 1
        self._shelves[shelf].discard(key)
        if not self._shelves[shelf]:
            del self._shelves[shelf]
