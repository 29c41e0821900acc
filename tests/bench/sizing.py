"""`python -m bench.sizing docs/sizing.md`: puts the tables of sizes and costs into the page.

The volumes are those of the benchmark's sets of files, whose figures in docs/benchmarks.md say what a core does.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.tables import Table, read_table, write_tables
from cloudtrail_spec.prices import PRICES_OF
from observability.sizing import (
    MONTH_SECONDS,
    Volume,
    count_collectors,
    divide_by_million_events,
    divide_by_terabytes,
    estimate_cores,
    estimate_cost,
)

BENCHMARKS = Path(__file__).parents[2] / "docs" / "benchmarks.md"
_WORKERS = 16
# CloudTrail writes about every five minutes for each account and region in which something happens.
_FILES_PER_PLACE = 12 * MONTH_SECONDS / 3600
_BYTES_PER_EVENT = 1547


@dataclass(frozen=True, slots=True)
class _Organization:
    """A size of customers: accounts times regions that are busy, and the set of files that theirs are like, gzip's ratio."""

    name: str
    places: int
    files: str
    compression: float


_ORGANIZATIONS = (
    _Organization("small", 20, "quiet", 4.4),
    _Organization("medium", 500, "27-kb", 9.9),
    _Organization("large", 5_000, "60-kb", 9.9),
)


@dataclass(frozen=True, slots=True)
class _Case:
    """What a month of it is, what a core does of it, and the memory that it took."""

    name: str
    places: int
    volume: Volume
    files_per_core_second: float
    peak_mebibytes: float


def main(arguments: list[str]) -> int:
    """Write the tables."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m bench.sizing FILE\n")
        return 2
    write_tables(Path(arguments[0]), build_tables(BENCHMARKS.read_text(encoding="utf-8")))
    return 0


def build_tables(benchmarks: str) -> list[Table]:
    """Build what the page shows, from the benchmarks' page."""
    cases = [_read_case(benchmarks, one) for one in _ORGANIZATIONS]
    return [_build_needs(cases), _build_costs(cases), _build_rates(cases)]


def _read_case(benchmarks: str, one: _Organization) -> _Case:
    """Read the mean file and the figures of the row with the default number of workers, or the next greater."""
    table = read_table(benchmarks, one.files)
    (mean_kilobytes,) = re.findall(r"a mean of ([\d.]+) kB of JSON", table.notes[0])
    row = next(row for row in table.rows if row[0] == "collector" and int(row[1]) >= _WORKERS)
    speed, memory = (float(row[table.columns.index(column)]) for column in ("objects/s", "peak RSS MiB"))
    events_per_file = float(mean_kilobytes) * 1000 / _BYTES_PER_EVENT
    events = one.places * _FILES_PER_PLACE * events_per_file
    return _Case(
        one.name, one.places, Volume(events, events_per_file, _BYTES_PER_EVENT, one.compression), speed, memory
    )


def _build_needs(cases: Sequence[_Case]) -> Table:
    rows = []
    for case in cases:
        cores = estimate_cores(case.volume, case.files_per_core_second)
        rows.append(
            (
                case.name,
                f"{case.places:,}",
                _count(case.volume.files),
                f"{case.volume.events_per_file:.0f}",
                _count(case.volume.events),
                f"{case.volume.bytes / 1e9:,.0f}",
                f"{cores * 1000:.1f}m",
                str(count_collectors(cores)),
                f"{case.peak_mebibytes:.0f}",
            )
        )
    columns = (
        "organization", "accounts x regions", "files a month", "events a file", "events a month", "GB of JSON",
        "CPU on average", "collectors", "MiB each took",
    )  # fmt: skip
    return Table("sizing-needs", "Collectors", columns, tuple(rows))


def _build_costs(cases: Sequence[_Case]) -> Table:
    rows = []
    for case in cases:
        cost = estimate_cost(case.volume)
        amounts = (cost.sqs, cost.get, cost.requests, cost.kms, cost.sns, cost.nat, cost.endpoint)
        rows.append((case.name, *(_dollars(amount) for amount in amounts)))
    columns = (
        "organization", "SQS", "GetObject", "both", "+ KMS, no bucket key", "+ SNS between", "+ S3 through NAT",
        "+ S3 through an interface endpoint",
    )  # fmt: skip
    return Table("sizing-costs", f"USD a month, list prices of {PRICES_OF}", columns, tuple(rows))


def _build_rates(cases: Sequence[_Case]) -> Table:
    rows = []
    for case in cases:
        cost = estimate_cost(case.volume)
        amounts = [
            divide(amount, case.volume)
            for divide in (divide_by_terabytes, divide_by_million_events)
            for amount in (cost.requests, cost.requests + cost.kms)
        ]
        rows.append((f"{case.volume.events_per_file:.0f}", *(_dollars(amount) for amount in amounts)))
    columns = ("events a file", "per TB of JSON", "with KMS", "per million events", "with KMS")
    return Table("sizing-rates", f"USD by amount, list prices of {PRICES_OF}", columns, tuple(rows))


def _count(number: float) -> str:
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return f"{number:.0f}"


def _dollars(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.2f}" if amount >= 0.1 else f"{amount:.2g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
