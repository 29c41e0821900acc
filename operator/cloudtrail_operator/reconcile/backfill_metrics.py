"""Metrics of every backfill, computed from the store when they are read: a backfill that is gone has none."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.reconcile.store import Store

_BACKFILL = ("namespace", "backfill")
_COUNTS = ("shares", "units", "objects", "events")
"""Parts of the status whose counters become values of the label `state`."""


class BackfillMetrics(Collector):
    """Turns the statuses of all backfills into gauges."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[GaugeMetricFamily]:
        """Name the metrics, without looking at any backfill."""
        return list(_build_families().values())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Look at every backfill once, in whichever thread the metrics are read."""
        families = _build_families()
        for manifest in self._store.sources():
            metadata, status = manifest["metadata"], manifest.get("status") or {}
            _add(families, [metadata["namespace"], metadata["name"]], status)
        yield from families.values()


def _add(families: dict[str, GaugeMetricFamily], labels: list[str], status: Manifest) -> None:
    for condition in status.get("conditions") or ():
        families["condition"].add_metric([*labels, condition["type"], condition["status"]], 1)
    for part in _COUNTS:
        for state, count in (status.get(part) or {}).items():
            if isinstance(count, int):
                families[part].add_metric([*labels, state], count)
    if "bytes" in status:
        families["bytes"].add_metric(labels, status["bytes"])
    if "estimatedEnd" in status:
        families["estimated_end"].add_metric(labels, datetime.fromisoformat(status["estimatedEnd"]).timestamp())


def _build_families() -> dict[str, GaugeMetricFamily]:
    state = (*_BACKFILL, "state")
    facts = {
        "condition": (
            "condition",
            "Always 1; the labels are a backfill's conditions as they are now.",
            (*_BACKFILL, "type", "status"),
        ),
        "shares": ("shares", "Parts of the work.", state),
        "units": ("units", "Days of an account and a region.", state),
        "objects": ("objects", "Log files.", state),
        "events": ("events", "Event records.", state),
        "bytes": ("bytes", "Size of the log files read, compressed.", _BACKFILL),
        "estimated_end": (
            "estimated_end_timestamp_seconds",
            "When the backfill will be done if it goes on as fast.",
            _BACKFILL,
        ),
    }
    return {
        key: GaugeMetricFamily(f"cloudtrail_backfill_{name}", text, labels=labels)
        for key, (name, text, labels) in facts.items()
    }
