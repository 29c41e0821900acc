"""The eventIDs that were delivered lately, shared by all workers."""

import threading
from collections.abc import Sequence

from cloudtrail_collector.core.recent_ids import RecentIds


class DeliveredIds:
    """Ids enter when every sink has accepted their records: what failed is never taken for a repetition."""

    def __init__(self, size: int) -> None:
        self._ids = RecentIds(size)
        self._lock = threading.Lock()

    def is_known(self, event_id: str) -> bool:
        """Tell whether a record with this id was delivered."""
        with self._lock:
            return event_id in self._ids

    def note(self, event_ids: Sequence[str]) -> None:
        """Remember what was delivered."""
        with self._lock:
            self._ids.add(event_ids)
