"""Metrics of every backfill, as Prometheus reads them."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cloudtrail_operator.core.kinds import BACKFILLS, Kind
from cloudtrail_operator.reconcile.backfill_metrics import BackfillMetrics
from cloudtrail_operator.reconcile.store import Store
from support.backfills import build_backfill

LABELS = ("namespace", "backfill", "type", "status", "state")
STATUS = {
    "conditions": [{"type": "Complete", "status": "False"}],
    "shares": {"total": 8, "active": 2, "done": 3, "failed": 0},
    "units": {"planned": 60, "done": 30, "empty": 1},
    "objects": {"listed": 2**40, "deadLettered": 1},
    "events": {"emitted": 7, "perSecond": "12.5"},
    "bytes": 2**41,
    "estimatedEnd": "2026-03-20T12:00:00Z",
}


def _scrape(store: Store) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(BackfillMetrics(store))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [sample for family in families for sample in family.samples]
    return {(one.name, *(one.labels[name] for name in LABELS if name in one.labels)): one.value for one in samples}


def test_backfill_has_metrics_until_it_is_gone() -> None:
    store, manifest = Store(BACKFILLS), build_backfill("a", "team")
    manifest["metadata"] |= {"uid": "a", "resourceVersion": "1"}
    store.put(Kind.BACKFILL, manifest | {"status": STATUS})
    place = ("team", "a")
    assert _scrape(store) == {
        ("cloudtrail_backfill_condition", *place, "Complete", "False"): 1,
        ("cloudtrail_backfill_shares", *place, "total"): 8,
        ("cloudtrail_backfill_shares", *place, "active"): 2,
        ("cloudtrail_backfill_shares", *place, "done"): 3,
        ("cloudtrail_backfill_shares", *place, "failed"): 0,
        ("cloudtrail_backfill_units", *place, "planned"): 60,
        ("cloudtrail_backfill_units", *place, "done"): 30,
        ("cloudtrail_backfill_units", *place, "empty"): 1,
        ("cloudtrail_backfill_objects", *place, "listed"): 2**40,
        ("cloudtrail_backfill_objects", *place, "deadLettered"): 1,
        ("cloudtrail_backfill_events", *place, "emitted"): 7,
        ("cloudtrail_backfill_bytes", *place): 2**41,
        ("cloudtrail_backfill_estimated_end_timestamp_seconds", *place): 1774008000,
    }
    store.remove(Kind.BACKFILL, manifest)
    assert _scrape(store) == {}
