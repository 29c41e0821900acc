"""`python -m bench_operator`: measures the operator with many sources and prints tables. A missed goal fails nothing."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.machine import describe_machine
from bench.tables import Table, print_table, write_tables
from bench_operator.calls import count_calls
from bench_operator.results import build_goals, build_tables
from bench_operator.run import Scale, measure

SOURCES = (1, 100, 1000, 3000)
QUICK_SOURCES = (1, 20)
COUNTED = 100  # how many sources requests are counted for
WATCH_SECONDS = 75.0  # figures are written once a minute
QUICK_WATCH_SECONDS = 10.0


def main() -> int:
    """Run the command line."""
    parser = _build_parser()
    options = parser.parse_args()
    if options.write and (options.quick or options.api_server != "real"):
        parser.error("--write takes a full run on the real control plane")
    console = Console(width=150)
    console.print(describe_machine(), highlight=False)
    seconds = options.watch_seconds or (QUICK_WATCH_SECONDS if options.quick else WATCH_SECONDS)
    results = []
    for count in options.sources or (QUICK_SOURCES if options.quick else SOURCES):
        console.print(f"{count:,} sources ...", highlight=False)
        results.append(measure(Scale(count, seconds, options.api_server)))
        print_table(console, build_goals(results[-1:]))
    console.print("requests, through a proxy ...", highlight=False)
    counts = count_calls(options.api_server, min(COUNTED, max(result.scale.sources for result in results)))
    tables = build_tables(results, counts)
    for table in tables:
        print_table(console, table)
    if options.write:
        when = f"{datetime.now(UTC):%Y-%m-%d}"
        machine = Table("operator-machine", "Machine", ("measured", "on"), ((when, describe_machine()),))
        write_tables(options.write, [machine, *tables])
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench_operator", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few sources, about a minute: shows that it works")
    parser.add_argument("--sources", type=int, action="append", metavar="N", help="how many; may be given again")
    parser.add_argument(
        "--watch-seconds", type=float, metavar="S", help=f"how long to watch it at rest ({WATCH_SECONDS:g})"
    )
    parser.add_argument("--api-server", choices=("real", "embedded"), default="real", help="what to run against (real)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables between the markers of a document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
