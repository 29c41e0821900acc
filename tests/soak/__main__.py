"""`python -m soak --files 20000 --seed 1`: prints a table and every finding; the exit code is 1 when there is one."""

import argparse
import sys
import tempfile
from pathlib import Path

from soak.run import Options, Report, run_soak


def main() -> int:
    """Run a soak as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--aws", choices=["ministack", "moto"], default="ministack")
    parser.add_argument("--disturb-seconds", type=float, default=10.0, help="pause between two ends of a collector")
    parser.add_argument("--logs", type=Path, help="folder for logs; by default one that is made, and kept on findings")
    given = parser.parse_args()
    options = Options(
        given.files, given.seed, given.aws, replicas=given.replicas, disturb_seconds=given.disturb_seconds
    )
    directory = given.logs or Path(tempfile.mkdtemp(prefix="soak-"))
    directory.mkdir(parents=True, exist_ok=True)
    report = run_soak(options, directory)
    print_report(report)
    print(f"logs: {directory}")  # noqa: T201  (a command's answer)
    return 1 if report.findings else 0


def print_report(report: Report) -> None:
    """Print the figures as a table, then the findings."""
    width = max(map(len, report.figures))
    for name, value in report.figures.items():
        print(f"{name:<{width}}  {value:>10}")  # noqa: T201
    for finding in report.findings:
        print(f"FINDING {finding}")  # noqa: T201
    print("nothing was lost" if not report.findings else f"{len(report.findings)} findings")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
