"""docs/metrics.md has every metric of collector and operator, with its type and its labels, and no other."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cloudtrail_collector.core.notification import ConsumeReason
from cloudtrail_collector.metrics import (
    DEAD_LETTER_REASONS,
    EXTENSION_RESULTS,
    FAIL_REASONS,
    RECORD_REASONS,
    RETURN_REASONS,
    SKIP_REASONS,
    Metrics,
)
from cloudtrail_operator import telemetry
from cloudtrail_operator.core.kinds import BACKFILLS
from cloudtrail_operator.reconcile.backfill_metrics import BackfillMetrics
from cloudtrail_operator.reconcile.source_metrics import SourceMetrics
from cloudtrail_operator.reconcile.store import Store

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \|([^|]*)\| [^|]+ \|$", re.MULTILINE)
PROCESS = "process_"

Row = tuple[str, str, frozenset[str]]


def _find_metrics(registry: CollectorRegistry) -> Iterator[Row]:
    """Give what a registry knows; labels are nowhere else when there is no series yet."""
    for collector in registry._collector_to_names:
        labels = frozenset(getattr(collector, "_labelnames", ()))
        for metric in collector.collect():
            if not metric.name.startswith(PROCESS):
                suffix = "_total" if metric.type == "counter" else ""
                yield f"{metric.name}{suffix}", metric.type, labels


def _find_rows(prefix: str) -> set[Row]:
    return {
        (name, kind, frozenset(re.findall(r"`([a-z_]+)`", labels)))
        for name, kind, labels in ROW.findall(PAGE)
        if name.startswith(prefix)
    }


def test_every_metric_of_the_collector_is_documented() -> None:
    metrics = Metrics(filters=["rule"], sinks=["sink"], matches=[])
    assert set(_find_metrics(metrics.registry)) == _find_rows("cloudtrail_collector_")


def test_every_metric_of_the_operator_is_documented() -> None:
    documented = set.union(*map(_find_rows, ("cloudtrail_operator_", "cloudtrail_source_", "cloudtrail_backfill_")))
    families = [*SourceMetrics(Store()).describe(), *BackfillMetrics(Store(BACKFILLS)).describe()]
    ours = {(family.name, family.type, frozenset(family._labelnames)) for family in families}
    others = ("cloudtrail_source_", "cloudtrail_backfill_")
    own = {row for row in _find_metrics(telemetry.REGISTRY) if not row[0].startswith(others)}
    assert own | ours == documented


@pytest.mark.parametrize("line", [line for line in PAGE.splitlines() if line.startswith("| `cloudtrail_")])
def test_every_row_can_be_read(line: str) -> None:
    assert ROW.fullmatch(line)


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ("| `files_processed_total`, skipped | `reason` |", SKIP_REASONS),
        ("| `files_processed_total`, failed | `reason` |", FAIL_REASONS),
        ("| `files_processed_total`, dead_lettered | `reason` |", DEAD_LETTER_REASONS),
        ("| `events_dead_lettered_total` | `reason` |", RECORD_REASONS),
        ("| `sqs_messages_released_total` | `reason` |", RETURN_REASONS),
        ("| `sqs_messages_consumed_total` | `reason` |", [reason.value for reason in ConsumeReason]),
        ("| `sqs_visibility_extensions_total` | `result` |", EXTENSION_RESULTS),
    ],
)
def test_values_of_labels_are_complete(row: str, values: Sequence[str]) -> None:
    (line,) = [line for line in PAGE.splitlines() if line.startswith(row)]
    assert re.findall(r"`([a-z_]+)`", line.removeprefix(row)) == list(values)
