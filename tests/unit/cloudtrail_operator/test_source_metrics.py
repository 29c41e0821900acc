"""Metrics of every source, as Prometheus reads them."""

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import QUEUE_METRIC
from cloudtrail_operator.reconcile.source_metrics import SourceMetrics
from cloudtrail_operator.reconcile.store import Store
from support.sources import build_source

LABELS = ("namespace", "source", "mode", "type", "status")

Samples = dict[tuple[str, ...], float]


def _manifest(name: str, status: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    manifest = build_source(name, "team", **changes)
    manifest["metadata"] |= {"uid": name, "resourceVersion": "1"}
    return manifest | ({} if status is None else {"status": status})


def _scrape(store: Store) -> Samples:
    registry = CollectorRegistry()
    registry.register(SourceMetrics(store))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [sample for family in families for sample in family.samples]
    return {(one.name, *(one.labels[name] for name in LABELS if name in one.labels)): one.value for one in samples}


def test_source_has_metrics_until_it_is_gone() -> None:
    store = Store()
    conditions = [{"type": "Ready", "status": "True"}, {"type": "Lagging", "status": "Unknown"}]
    queue = {"visible": 2**40, "inFlight": 2, "delayed": 500}
    status = {"replicas": 3, "readyReplicas": 2, "queue": queue, "conditions": conditions}
    store.put(Kind.SOURCE, _manifest("a", status, mode="Active"))
    assert _scrape(store) == {
        ("cloudtrail_source_condition", "team", "a", "Ready", "True"): 1,
        ("cloudtrail_source_condition", "team", "a", "Lagging", "Unknown"): 1,
        ("cloudtrail_source_info", "team", "a", "Active"): 1,
        ("cloudtrail_source_replicas", "team", "a"): 3,
        ("cloudtrail_source_ready_replicas", "team", "a"): 2,
        (QUEUE_METRIC, "team", "a"): 2**40 + 2,
    }
    store.remove(Kind.SOURCE, _manifest("a"))
    assert _scrape(store) == {}


def test_source_that_nobody_has_looked_at_has_no_queue_yet() -> None:
    store = Store()
    store.put(Kind.SOURCE, _manifest("a"))
    assert set(_scrape(store)) == {
        ("cloudtrail_source_info", "team", "a", "Test"),
        ("cloudtrail_source_replicas", "team", "a"),
        ("cloudtrail_source_ready_replicas", "team", "a"),
    }
