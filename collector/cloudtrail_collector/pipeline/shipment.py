"""What is on its way to sinks, and what became of it."""

import threading
from collections.abc import Callable, Sequence

from cloudtrail_collector.core.batching import Rejection
from cloudtrail_collector.core.dead_letter import DeadLetterReason, LostRecord
from cloudtrail_collector.core.parcels import Parcel
from cloudtrail_collector.errors import SinkError


class Shipment:
    """Some parcels for different sinks. Done when each was accepted or has failed; `on_done` is then called, once.

    Whoever reports the last parcel makes that call. `failure` is the first one, `rejected` what sinks will never take,
    `accepted` the parcels of which they took everything.
    """

    def __init__(self, parcels: int, on_done: Callable[["Shipment"], None]) -> None:
        self.failure: SinkError | None = None
        self.rejected: list[LostRecord] = []
        self.accepted: list[Parcel] = []
        self._left = parcels
        self._on_done = on_done
        self._lock = threading.Lock()

    def accept(self, parcel: Parcel, rejections: Sequence[Rejection]) -> None:
        """Note that a sink has all of a parcel but what it rejected; the indexes are lines of the parcel."""
        rejected: list[LostRecord] = []
        if rejections:
            lines = parcel.batch.lines()
            rejected = [
                LostRecord(
                    parcel.places[one.index],
                    DeadLetterReason.REJECTED,
                    f"{one.code}: {one.message}",
                    lines[one.index],
                    parcel.sink,
                )
                for one in rejections
            ]
        self._report(None, rejected, None if rejections else parcel)

    def fail(self, failure: SinkError) -> None:
        """Note that it is not certain that a sink has all of a parcel."""
        self._report(failure, [], None)

    def _report(self, failure: SinkError | None, rejected: list[LostRecord], accepted: Parcel | None) -> None:
        with self._lock:
            self.failure = self.failure or failure
            self.rejected += rejected
            if accepted is not None:
                self.accepted.append(accepted)
            self._left -= 1
            is_done = self._left == 0
        if is_done:
            self._on_done(self)
