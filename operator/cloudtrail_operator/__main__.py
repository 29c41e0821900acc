"""The command line: `cloudtrail-operator run`."""

import argparse
import asyncio
import logging
import os
import sys

from cloudtrail_operator import __version__
from cloudtrail_operator.adapters.access import AccessError, find_access
from cloudtrail_operator.logs import set_up_logs
from cloudtrail_operator.main import run
from cloudtrail_operator.settings import SettingsError, read_settings

BAD_SETTINGS = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code: 0 after a signal, 1 after a failure, 2 for bad settings."""
    _parse(arguments)
    try:
        settings, access = read_settings(os.environ), find_access()
    except SettingsError as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return BAD_SETTINGS
    except AccessError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_SETTINGS
    set_up_logs(settings.log_level)
    try:
        asyncio.run(run(settings, access))
    except Exception:
        logging.getLogger("cloudtrail_operator").exception("failed")
        return 1
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="cloudtrail-operator",
        description="Runs AWS CloudTrail collectors on Kubernetes. Settings come from CLOUDTRAIL_OPERATOR_* variables.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    commands.add_parser("run", help="watch CloudTrailSources and run their collectors, until stopped")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
