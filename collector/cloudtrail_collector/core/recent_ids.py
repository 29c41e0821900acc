"""Remembers the newest eventIDs that were delivered, a bounded number of them."""

from collections.abc import Iterable
from itertools import islice


class RecentIds:
    """A window of ids; the oldest leave first. Not for several threads at once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ids: dict[str, None] = {}

    def __contains__(self, event_id: object) -> bool:
        return event_id in self._ids

    def add(self, event_ids: Iterable[str]) -> None:
        """Remember ids; one that is known becomes the newest again."""
        for event_id in event_ids:
            self._ids.pop(event_id, None)
            self._ids[event_id] = None
        excess = len(self._ids) - self._size
        if excess > 0:
            for event_id in list(islice(self._ids, excess)):
                del self._ids[event_id]
