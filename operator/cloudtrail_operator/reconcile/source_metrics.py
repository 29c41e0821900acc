"""Metrics of every source, computed from the store when they are read: a source that is gone has none."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cloudtrail_operator.core.names import QUEUE_METRIC, SOURCE_METRIC_LABEL, Manifest
from cloudtrail_operator.reconcile.store import Store

_SOURCE = ("namespace", SOURCE_METRIC_LABEL)


class SourceMetrics(Collector):
    """Turns the statuses of all sources into gauges."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[GaugeMetricFamily]:
        """Name the metrics, without looking at any source."""
        return _build_families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Look at every source once, in whichever thread the metrics are read."""
        conditions, info, replicas, ready, queue = families = _build_families()
        for manifest in self._store.sources():
            metadata, status = manifest["metadata"], manifest.get("status") or {}
            labels = [metadata["namespace"], metadata["name"]]
            info.add_metric([*labels, (manifest.get("spec") or {}).get("mode") or ""], 1)
            for condition in status.get("conditions") or ():
                conditions.add_metric([*labels, condition["type"], condition["status"]], 1)
            replicas.add_metric(labels, status.get("replicas", 0))
            ready.add_metric(labels, status.get("readyReplicas", 0))
            messages = _count_messages(status)
            if messages is not None:
                queue.add_metric(labels, messages)
        yield from families


def _count_messages(status: Manifest) -> int | None:
    """Count the messages that are to be worked off; None before any collector has seen the queue."""
    queue: dict[str, int] | None = status.get("queue")
    return None if queue is None else queue.get("visible", 0) + queue.get("inFlight", 0)


def _build_families() -> list[GaugeMetricFamily]:
    facts = (
        (
            "cloudtrail_source_condition",
            "Always 1; the labels are a source's conditions as they are now.",
            (*_SOURCE, "type", "status"),
        ),
        ("cloudtrail_source_info", "Always 1; the mode is the one that the spec asks for.", (*_SOURCE, "mode")),
        ("cloudtrail_source_replicas", "Collector pods that are wanted.", _SOURCE),
        (
            "cloudtrail_source_ready_replicas",
            "Collector pods that are ready and run the current configuration.",
            _SOURCE,
        ),
        (QUEUE_METRIC, "Messages in a source's queue, visible and in flight.", _SOURCE),
    )
    return [GaugeMetricFamily(name, text, labels=labels) for name, text, labels in facts]
