"""Sizing and cost: the page says what the calculator computes, from the benchmarks' page and the table of prices."""

import re
from pathlib import Path

import pytest

from bench.sizing import build_tables
from bench.tables import read_table, render_markdown
from cloudtrail_spec import prices
from observability.sizing import (
    MONTH_SECONDS,
    Volume,
    count_collectors,
    divide_by_million_events,
    divide_by_terabytes,
    estimate_cores,
    estimate_cost,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sizing.md").read_text()


def _volume(**changes: float) -> Volume:
    usual = {"events": 100e6, "events_per_file": 100, "bytes_per_event": 1500, "compression": 10}
    return Volume(**usual | changes)


def test_page_shows_what_is_computed() -> None:
    """After a benchmark that was written down: `python -m bench.sizing docs/sizing.md`."""
    tables = build_tables((ROOT / "docs" / "benchmarks.md").read_text())
    assert [table.name for table in tables if render_markdown(table) not in PAGE] == []
    assert len(tables) == 3


def test_page_names_the_memory_that_large_files_took() -> None:
    table = read_table((ROOT / "docs" / "benchmarks.md").read_text(), "giants")
    ((*_, peak),) = [row[: table.columns.index("peak RSS MiB") + 1] for row in table.rows]
    assert f"which took {peak} MiB" in PAGE


@pytest.mark.parametrize(
    ("item", "price"),
    [
        ("SQS", prices.SQS_REQUESTS_USD),
        ("S3", prices.S3_GETS_USD),
        ("KMS", prices.KMS_REQUESTS_USD),
        ("SNS", prices.SNS_PUBLISHES_USD),
        ("NAT gateway", prices.NAT_GIGABYTE_USD),
        ("Interface endpoint", prices.ENDPOINT_GIGABYTE_USD),
    ],
)
def test_page_names_the_prices_that_hold(item: str, price: object) -> None:
    (row,) = re.findall(rf"^\| \[{item}\]\(https://aws\.amazon\.com/\S+\).*$", PAGE, re.MULTILINE)
    assert f"| {price} USD per " in row


def test_a_million_files_cost_what_their_requests_cost() -> None:
    cost = estimate_cost(_volume())
    assert cost.sqs == pytest.approx(0.48)
    assert cost.get == pytest.approx(0.40)
    assert cost.requests == pytest.approx(0.88)
    assert cost.kms == pytest.approx(3.0)
    assert cost.sns == pytest.approx(0.5)


def test_traffic_is_what_is_stored() -> None:
    """150 GB of JSON are 15 GB in the bucket."""
    cost = estimate_cost(_volume())
    assert cost.nat == pytest.approx(0.675)
    assert cost.endpoint == pytest.approx(0.15)


def test_an_idle_queue_is_asked_too() -> None:
    cost = estimate_cost(_volume(events=0))
    assert cost.sqs == pytest.approx(MONTH_SECONDS / 20 / 1e6 * 0.40)
    assert cost.get == 0


def test_small_files_make_it_dear() -> None:
    large, small = _volume(events_per_file=1000), _volume(events_per_file=10)
    ratio = estimate_cost(small).get / estimate_cost(large).get
    assert ratio == pytest.approx(100)


def test_amounts_by_terabyte_and_by_events() -> None:
    assert divide_by_terabytes(3.0, _volume()) == pytest.approx(20)
    assert divide_by_million_events(3.0, _volume()) == pytest.approx(0.03)


def test_collectors_keep_up_with_the_busiest_minutes() -> None:
    busy = _volume(events=100 * 100 * MONTH_SECONDS)
    assert estimate_cores(busy, files_per_core_second=400) == pytest.approx(0.25)
    assert count_collectors(0.25) == 5
    assert count_collectors(0.0001) == 1
