"""What the operator's benchmark makes of its measurements, and its stand-in for collectors."""

import asyncio
from collections import Counter
from dataclasses import replace

from bench_operator.api import each
from bench_operator.calls import CallCounts
from bench_operator.collectors import Collectors, build_address
from bench_operator.results import build_tables
from bench_operator.run import Result, Scale, Use
from cloudtrail_operator.adapters.collectors import HttpReports

MEBIBYTE = 1024 * 1024
REST = Use(cores=0.03, rss_bytes=100 * MEBIBYTE, writes=0)
RESULT = Result(
    scale=Scale(1000, 75, "real"),
    alone=20,
    applied=6,
    children=30,
    ready=50,
    slowest=25,
    calls={'kind="Service",verb="apply"': 1000.0},
    idle=REST,
    busy=replace(REST, writes=1000),
    probes=(0.1, 0.2, 0.4),
    restart=7,
    restart_writes=0,
    slowest_probe=0.3,
    peak_rss_bytes=200 * MEBIBYTE,
)
COUNTS = CallCounts(100, Counter({("list", "pods"): 5}), Counter(), Counter({("get", "leases"): 1}))


def test_goals_are_told_as_met_or_missed() -> None:
    missed = replace(RESULT, children=61, slowest_probe=1.5, idle=replace(REST, cores=0.06, writes=2))
    for result, count in ((RESULT, 0), (missed, 4)):
        goals, *_ = build_tables([result], COUNTS)
        assert [row[-1] for row in goals.rows].count("MISSED") == count
        assert len(goals.rows) == 7


def test_tables_have_a_cell_for_every_column() -> None:
    tables = build_tables([replace(RESULT, scale=Scale(1, 75, "real"), calls={}), RESULT], COUNTS)
    assert [table.name.removeprefix("operator-") for table in tables] == ["goals", "times", "use", "writes", "calls"]
    for table in tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert tables[3].rows == (("apply Service", "0", "1,000"),)
    assert tables[4].rows == (("get leases", "0", "0", "1"), ("list pods", "5", "0", "0"))


def test_every_number_has_an_address_of_its_own() -> None:
    addresses = {build_address(number) for number in range(70_000)}
    assert len(addresses) == 70_000
    assert "127.128.0.0" in addresses
    assert "127.129.0.1" in addresses


def test_collectors_are_told_apart_by_their_address() -> None:
    async def ask() -> tuple[set[str], list[str], list[int]]:
        collectors, reports = Collectors(), HttpReports()
        addresses = [build_address(60_000 + number) for number in range(3)]
        for number, address in enumerate(addresses):
            await collectors.serve(address, f"hash-{number}")
        collectors.busy = True
        answers = [await reports.fetch(f"http://{address}:8080") for address in addresses]
        collectors.close()
        found = [answer for answer in answers if answer is not None]
        return collectors.asked, [one.config_hash for one in found], [one.events.read for one in found]

    asked, hashes, counts = asyncio.run(ask())
    assert asked == {build_address(60_000 + number) for number in range(3)}
    assert hashes == ["hash-0", "hash-1", "hash-2"]
    assert counts == sorted(set(counts))


def test_everything_is_done_once_and_a_bounded_number_at_a_time() -> None:
    running, most, done = 0, 0, []

    async def do(item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(item)

    asyncio.run(each(range(20), do, at_once=4))
    assert sorted(done) == list(range(20))
    assert most == 4
