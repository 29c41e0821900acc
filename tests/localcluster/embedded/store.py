"""Everything the server remembers: objects by name, one counter of versions, and the recent events for watches."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from localcluster.embedded.errors import ApiError, expired
from localcluster.embedded.jsontypes import Json
from localcluster.embedded.resources import StorageKey

EVENTS_KEPT = 1000
"""Per kind. An object of 4 KB makes that 8 MB at most, since an event holds the object before and after."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one object."""

    version: int
    type: str
    obj: Json
    previous: Json | None


Listener = Callable[[StorageKey, Event], None]
NameKey = tuple[str, str]


class Store:
    """Objects are replaced, never changed: whoever holds one holds a version of it."""

    def __init__(self) -> None:
        self.version = 1
        self._objects: dict[StorageKey, dict[NameKey, Json]] = {}
        self._events: dict[StorageKey, deque[Event]] = {}
        self._oldest: dict[StorageKey, int] = {}
        self._watchers: dict[StorageKey, set[asyncio.Queue[Event]]] = {}
        self._listeners: list[Listener] = []
        self._uids: Counter[str] = Counter()

    def get(self, key: StorageKey, namespace: str, name: str) -> Json | None:
        """One object; the namespace is empty for cluster-wide kinds."""
        return self._objects.get(key, {}).get((namespace, name))

    def list(self, key: StorageKey, namespace: str = "") -> list[Json]:
        """All objects of a kind in the order of namespace and name; of one namespace if one is given."""
        found = self._objects.get(key, {})
        return [obj for (home, _), obj in sorted(found.items()) if not namespace or home == namespace]

    def has_uid(self, uid: str) -> bool:
        """Whether any object has this uid."""
        return self._uids[uid] > 0

    def put(self, key: StorageKey, obj: Json) -> Json:
        """Store a new or changed object under the next version and tell the watchers."""
        name = _name_key(obj)
        previous = self._objects.setdefault(key, {}).get(name)
        self._stamp(obj)
        self._objects[key][name] = obj
        if previous is None:
            self._uids[obj["metadata"]["uid"]] += 1
        self._publish(key, Event(self.version, "MODIFIED" if previous else "ADDED", obj, previous))
        return obj

    def remove(self, key: StorageKey, obj: Json) -> Json:
        """Forget an object; its last state gets a version of its own."""
        previous = self._objects[key].pop(_name_key(obj))
        last = {**obj, "metadata": dict(obj["metadata"])}
        self._stamp(last)
        self._uids -= Counter({previous["metadata"]["uid"]: 1})
        self._publish(key, Event(self.version, "DELETED", last, previous))
        return last

    def listen(self, listener: Listener) -> None:
        """Call this for every change of any object."""
        self._listeners.append(listener)

    def subscribe(self, key: StorageKey) -> asyncio.Queue[Event]:
        """Receive the changes of one kind from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._watchers.setdefault(key, set()).add(queue)
        return queue

    def unsubscribe(self, key: StorageKey, queue: asyncio.Queue[Event]) -> None:
        """Stop receiving."""
        self._watchers[key].discard(queue)

    def events_since(self, key: StorageKey, version: int) -> Iterator[Event]:
        """The remembered changes after a version; raises Expired (410) when some of them are forgotten."""
        oldest = self._oldest.get(key, 0)
        if version < oldest:
            raise expired(version, oldest)
        return (event for event in list(self._events.get(key, ())) if event.version > version)

    def require_known(self, version: int) -> None:
        """Refuse a version that this server has not given out yet (for instance one of an earlier server)."""
        if version > self.version:
            message = f"Too large resource version: {version}, current: {self.version}"
            details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}
            raise ApiError(504, "Timeout", message, {**details, "retryAfterSeconds": 1})

    def _stamp(self, obj: Json) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)

    def _publish(self, key: StorageKey, event: Event) -> None:
        events = self._events.setdefault(key, deque())
        events.append(event)
        if len(events) > EVENTS_KEPT:
            self._oldest[key] = events.popleft().version
        for queue in self._watchers.get(key, ()):
            queue.put_nowait(event)
        for listener in self._listeners:
            listener(key, event)


def _name_key(obj: Json) -> NameKey:
    metadata = obj["metadata"]
    return metadata.get("namespace") or "", metadata["name"]
