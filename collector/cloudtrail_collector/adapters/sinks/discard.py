"""Accepts everything and keeps nothing."""

from cloudtrail_collector.core.batching import Batch


class DiscardSink:
    """For dry runs and measurements."""

    def __init__(self, name: str) -> None:
        self.name = name

    def deliver(self, batch: Batch) -> None:
        """Accept the batch."""
