"""What some sinks have accepted of log files that others have not: it need not go there again."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeAlias

from cloudtrail_collector.core.dead_letter import Origin
from cloudtrail_collector.core.parcels import Parcel

MAX_PARCELS = 10_000

_Key: TypeAlias = tuple[str, str, str, int, int]


class AcceptedParcels:
    """Remembers the newest parcels, by their sink, log file and content. Used by all threads at once.

    It is this process's memory: another collector that gets the message delivers to all sinks again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: OrderedDict[_Key, None] = OrderedDict()

    def remember(self, origin: Origin, parcels: Iterable[Parcel]) -> None:
        """Note parcels that were accepted whole while others of their file were not."""
        keys = [_build_key(origin, parcel) for parcel in parcels]
        with self._lock:
            for key in keys:
                self._keys[key] = None
            while len(self._keys) > MAX_PARCELS:
                self._keys.popitem(last=False)

    def take_out(self, origin: Origin, parcels: list[Parcel]) -> tuple[list[Parcel], list[Parcel]]:
        """Split parcels into those that have still to be accepted, and those that were, which are forgotten."""
        if not self._keys:
            return parcels, []
        left: list[Parcel] = []
        accepted: list[Parcel] = []
        for parcel in parcels:
            key = _build_key(origin, parcel)
            with self._lock:
                is_known = key in self._keys
                self._keys.pop(key, None)
            (accepted if is_known else left).append(parcel)
        return left, accepted


def _build_key(origin: Origin, parcel: Parcel) -> _Key:
    batch = parcel.batch
    return origin.bucket, origin.key, parcel.sink, batch.count, hash(bytes(batch.payload))
