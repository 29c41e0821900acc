"""What the API server told last about sources, their children and their pods: filled by watches and lists."""

from collections.abc import Iterable, Iterator

from cloudtrail_operator.core.kinds import CHILD_KINDS, Kind
from cloudtrail_operator.core.names import SOURCE_LABEL, Manifest
from cloudtrail_operator.core.source import SourceKey

_Place = tuple[Kind, str]


class Store:
    """Resources by source. Never goes back in time: an older version of a resource is ignored."""

    def __init__(self) -> None:
        self._shelves: dict[SourceKey, dict[_Place, Manifest]] = {}

    def put(self, kind: Kind, manifest: Manifest) -> bool:
        """Keep a resource; say whether it is news."""
        key = find_key(kind, manifest)
        if key is None:
            return False
        shelf = self._shelves.setdefault(key, {})
        place = kind, manifest["metadata"]["name"]
        known = shelf.get(place)
        if known is not None and not _is_newer(manifest, known):
            return False
        shelf[place] = _trim(manifest)
        return True

    def remove(self, kind: Kind, manifest: Manifest) -> None:
        """Forget a resource, unless another of the same name has taken its place."""
        key = find_key(kind, manifest)
        shelf = self._shelves.get(key, {}) if key else {}
        place = kind, manifest["metadata"]["name"]
        if place in shelf and shelf[place]["metadata"]["uid"] == manifest["metadata"]["uid"]:
            del shelf[place]
            if not shelf and key is not None:
                del self._shelves[key]

    def source(self, key: SourceKey) -> Manifest | None:
        """Return a source."""
        return self._shelves.get(key, {}).get((Kind.SOURCE, key.name))

    def children(self, key: SourceKey) -> list[Manifest]:
        """Return a source's children."""
        return [manifest for (kind, _), manifest in self._shelves.get(key, {}).items() if kind in CHILD_KINDS]

    def child(self, key: SourceKey, kind: Kind, name: str) -> Manifest | None:
        """Return one child of a source."""
        return self._shelves.get(key, {}).get((kind, name))

    def pods(self, key: SourceKey) -> list[Manifest]:
        """Return a source's pods."""
        return [manifest for (kind, _), manifest in self._shelves.get(key, {}).items() if kind is Kind.POD]

    def all_of(self, kind: Kind) -> Iterator[Manifest]:
        """Return every resource of a kind."""
        for shelf in list(self._shelves.values()):
            yield from [manifest for (its_kind, _), manifest in shelf.items() if its_kind is kind]

    def source_keys(self) -> list[SourceKey]:
        """Return the keys of all sources."""
        return [key for key, shelf in self._shelves.items() if (Kind.SOURCE, key.name) in shelf]

    def replace(self, kind: Kind, namespace: str | None, manifests: Iterable[Manifest]) -> list[Manifest]:
        """Take over a list of everything of a kind (in a namespace); return what differs from what was known."""
        listed = {manifest["metadata"]["uid"]: manifest for manifest in manifests}
        gone = [
            known
            for known in self.all_of(kind)
            if known["metadata"]["uid"] not in listed and namespace in (None, known["metadata"]["namespace"])
        ]
        for known in gone:
            self.remove(kind, known)
        return gone + [manifest for manifest in listed.values() if self.put(kind, manifest)]


def find_key(kind: Kind, manifest: Manifest) -> SourceKey | None:
    """Find the source that a resource belongs to."""
    metadata = manifest["metadata"]
    if kind is Kind.SOURCE:
        return SourceKey(metadata["namespace"], metadata["name"])
    name = (metadata.get("labels") or {}).get(SOURCE_LABEL)
    return SourceKey(metadata["namespace"], name) if name else None


def _is_newer(manifest: Manifest, known: Manifest) -> bool:
    """Compare resource versions, which are ordered numbers (guaranteed since Kubernetes 1.35, true long before)."""
    if manifest["metadata"]["uid"] != known["metadata"]["uid"]:
        return True
    return int(manifest["metadata"]["resourceVersion"]) > int(known["metadata"]["resourceVersion"])


def _trim(manifest: Manifest) -> Manifest:
    """Drop what is large and of no use."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name != "managedFields"}
    return manifest | {"metadata": metadata}
