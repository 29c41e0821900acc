"""Hands parcels to the feeds of their sinks, and what cannot be delivered to the dead-letter sink."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from cloudtrail_collector.core.batching import Batch
from cloudtrail_collector.core.envelope import Envelope
from cloudtrail_collector.core.parcels import Parcel
from cloudtrail_collector.pipeline.feed import SinkFeed
from cloudtrail_collector.pipeline.shipment import Shipment


class Delivery:
    """The sinks of a source. Used by all workers at once."""

    def __init__(self, feeds: Sequence[SinkFeed], dead_letters: SinkFeed | None) -> None:
        self._feeds: Mapping[str, SinkFeed] = {feed.sink.name: feed for feed in feeds}
        self._dead_letters = dead_letters
        self._all = [*feeds, dead_letters] if dead_letters else list(feeds)

    @property
    def has_dead_letter_sink(self) -> bool:
        """Tell whether there is a sink for what cannot be delivered."""
        return self._dead_letters is not None

    def start(self) -> None:
        """Start to feed all sinks."""
        for feed in self._all:
            feed.start()

    def is_alive(self) -> bool:
        """Tell whether every sink is fed."""
        return all(feed.is_alive() for feed in self._all)

    def flush(self) -> None:
        """Send what waits for more."""
        for feed in self._all:
            feed.flush()

    def hurry(self) -> None:
        """From now on nothing waits: the process ends."""
        for feed in self._all:
            feed.hurry()

    def close(self, timeout: float) -> None:
        """Close all sinks at once; what hangs longer than this ends with the process."""
        threads = [threading.Thread(target=feed.close, daemon=True) for feed in self._all]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def ship(self, parcels: Sequence[Parcel], on_done: Callable[[Shipment], None]) -> None:
        """Send parcels; `on_done` is called when each was accepted or has failed, perhaps before this returns.

        A sink that fails does not keep the others waiting: they get theirs now, and again with the next try.
        """
        if not parcels:
            on_done(Shipment(0, on_done))
            return
        shipment = Shipment(len(parcels), on_done)
        for parcel in parcels:
            self._feeds[parcel.sink].submit(parcel, shipment)

    def ship_dead_letters(self, letters: Sequence[bytes], on_done: Callable[[Shipment], None]) -> None:
        """Send ended lines about what cannot be delivered; to all sinks for events where no sink is for them."""
        feeds = [self._dead_letters] if self._dead_letters else list(self._feeds.values())
        batch = Batch(b"".join(letters), len(letters), [Envelope()] * len(letters))
        shipment = Shipment(len(feeds), on_done)
        for feed in feeds:
            feed.submit(Parcel(feed.sink.name, batch, range(len(letters)), are_events=False), shipment)
