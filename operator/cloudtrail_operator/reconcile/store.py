"""What the API server told last about sources (or backfills), their children and their pods: filled by watches and lists.

Resources are kept as JSON text, which takes an eighth of the memory of the same as Python objects, and decoded when
somebody looks. Most looks at a source need two of its seven resources.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pydantic_core import from_json

from cloudtrail_operator.core.conflicts import QueueUsers, find_queue
from cloudtrail_operator.core.kinds import AUTOSCALERS, CHILD_KINDS, OWNERS, SOURCES, Family, Kind
from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.core.source import SourceKey

_Place = tuple[Kind, str]
_NOT_KEPT = frozenset({"managedFields"})


class _Kept(NamedTuple):
    """A resource as text, and what is asked for without decoding it."""

    namespace: str
    uid: str
    version: int
    text: bytes

    def decode(self) -> Manifest:
        manifest: Manifest = from_json(self.text, cache_strings="keys")  # in half the time of json.loads
        return manifest


class Store:
    """Resources by source, or by backfill. Never goes back in time: an older version of a resource is ignored."""

    def __init__(self, family: Family = SOURCES) -> None:
        self.family = family
        self._shelves: dict[SourceKey, dict[_Place, _Kept]] = {}
        self._queues = QueueUsers()
        self._tell_peer: Callable[[SourceKey], None] = lambda _key: None

    def tell_peers(self, tell: Callable[[SourceKey], None]) -> None:
        """Say whom to tell of a source that begins, or ends, to share its queue with another."""
        self._tell_peer = tell

    def put(self, kind: Kind, manifest: Manifest) -> bool:
        """Keep a resource; say whether it is news."""
        key = self.find_key(kind, manifest)
        if key is None:
            return False
        shelf = self._shelves.setdefault(key, {})
        place = kind, manifest["metadata"]["name"]
        known = shelf.get(place)
        if known is not None and not _is_newer(manifest["metadata"], known):
            return False
        kept = _keep(kind, manifest)
        if known is not None and known.text == kept.text:
            return False  # an autoscaler tells of itself every few seconds
        shelf[place] = kept
        if kind is Kind.SOURCE:
            self._note_queue(key, find_queue(manifest))
        return True

    def remove(self, kind: Kind, manifest: Manifest) -> None:
        """Forget a resource, unless another of the same name has taken its place."""
        key = self.find_key(kind, manifest)
        shelf = self._shelves.get(key, {}) if key else {}
        place = kind, manifest["metadata"]["name"]
        if place in shelf and shelf[place].uid == manifest["metadata"]["uid"]:
            del shelf[place]
            if kind is Kind.SOURCE and key is not None:
                self._note_queue(key, None)
            if not shelf and key is not None:
                del self._shelves[key]

    def source(self, key: SourceKey) -> Manifest | None:
        """Return a source."""
        return self.child(key, self.family.owner, key.name)

    def source_version(self, key: SourceKey) -> int | None:
        """Return the version of a source."""
        kept = self._shelves.get(key, {}).get((self.family.owner, key.name))
        return None if kept is None else kept.version

    def children(self, key: SourceKey) -> list[Manifest]:
        """Return a source's children."""
        return [kept.decode() for (kind, _), kept in self._shelves.get(key, {}).items() if kind in CHILD_KINDS]

    def child_versions(self, key: SourceKey) -> frozenset[tuple[Kind, str, int]]:
        """Return what changes whenever a child of the source comes, changes or goes."""
        shelf = self._shelves.get(key, {})
        return frozenset((kind, kept.uid, kept.version) for (kind, _), kept in shelf.items() if kind in CHILD_KINDS)

    def child(self, key: SourceKey, kind: Kind, name: str) -> Manifest | None:
        """Return one child of a source."""
        kept = self._shelves.get(key, {}).get((kind, name))
        return None if kept is None else kept.decode()

    def pods(self, key: SourceKey) -> list[Manifest]:
        """Return a source's pods."""
        return [kept.decode() for (kind, _), kept in self._shelves.get(key, {}).items() if kind is Kind.POD]

    def queue_peers(self, key: SourceKey) -> tuple[SourceKey, ...]:
        """Return the other sources that receive from a source's queue."""
        return self._queues.peers(key)

    def sources(self) -> Iterator[Manifest]:
        """Return all sources. May be called from any thread."""
        for key, shelf in list(self._shelves.items()):
            kept = shelf.get((self.family.owner, key.name))
            if kept is not None:
                yield kept.decode()

    def source_keys(self) -> list[SourceKey]:
        """Return the keys of all sources. May be called from any thread."""
        return [key for key, shelf in list(self._shelves.items()) if (self.family.owner, key.name) in shelf]

    def retain(self, kind: Kind, namespace: str | None, uids: Iterable[str], version: int | None) -> list[Manifest]:
        """Forget the resources of a kind (in a namespace) that are not among those listed; return them.

        `version` is the list's: what was learnt after it was made cannot be in it. None: nothing of the kind is left.
        """
        listed = frozenset(uids)
        gone = [
            kept.decode()
            for shelf in self._shelves.values()
            for (its_kind, _), kept in shelf.items()
            if its_kind is kind
            and kept.uid not in listed
            and namespace in (None, kept.namespace)
            and (version is None or kept.version <= version)
        ]
        for manifest in gone:
            self.remove(kind, manifest)
        return gone

    def _note_queue(self, key: SourceKey, queue: str | None) -> None:
        for peer in self._queues.note(key, queue):
            self._tell_peer(peer)

    def find_key(self, kind: Kind, manifest: Manifest) -> SourceKey | None:
        """Find the source, or the backfill, that a resource belongs to; None when it belongs to none."""
        metadata = manifest["metadata"]
        if kind is self.family.owner:
            return SourceKey(metadata["namespace"], metadata["name"])
        if kind in OWNERS:
            return None
        name = (metadata.get("labels") or {}).get(self.family.label)
        return SourceKey(metadata["namespace"], name) if name else None


def _is_newer(metadata: Manifest, known: _Kept) -> bool:
    """Compare resource versions, which are ordered numbers (guaranteed since Kubernetes 1.35, true long before)."""
    return metadata["uid"] != known.uid or int(metadata["resourceVersion"]) > known.version


def _keep(kind: Kind, manifest: Manifest) -> _Kept:
    """Drop what is of no use: field managers, what pods have beside metadata and status, the state of autoscalers."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in _NOT_KEPT}
    rest = {"status": manifest.get("status")} if kind is Kind.POD else manifest
    if kind in AUTOSCALERS:
        rest = {name: value for name, value in manifest.items() if name != "status"}
        del metadata["resourceVersion"]
    text = json.dumps(rest | {"metadata": metadata}, separators=(",", ":")).encode()
    return _Kept(metadata["namespace"], metadata["uid"], int(manifest["metadata"]["resourceVersion"]), text)
