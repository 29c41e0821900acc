"""Accepts everything and keeps nothing."""

from collections.abc import Sequence

from cloudtrail_collector.core.batching import Batch, Rejection
from cloudtrail_spec.sinks import SinkTarget


class DiscardSink:
    """For dry runs and measurements."""

    wants_envelopes = False

    def __init__(self, spec: SinkTarget, _secrets: object = None) -> None:
        self.name = spec.name

    def deliver(self, batch: Batch) -> Sequence[Rejection]:  # noqa: ARG002
        """Accept the batch."""
        return ()

    def close(self) -> None:
        """Nothing is held."""
