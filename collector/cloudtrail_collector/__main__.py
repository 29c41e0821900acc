"""Command line: `cloudtrail-collector run --config FILE`, `check CONFIG`, `events PLACE`, `verify PLACE`,
`backfill --task FILE`, `doctor`.

Exit codes: 0 after a clean end, 1 when something could not be read or it cannot go on, 2 when arguments, configuration or
environment are wrong, 130 when `events` or `verify` was interrupted. Of `verify`: 1 when something is not proven, 2 also
when something could not be read.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from cloudtrail_collector.commands.arguments import build_parser
from cloudtrail_collector.errors import ConfigurationError
from cloudtrail_collector.logs import start_logging
from cloudtrail_collector.settings import Configuration, Settings, read_configuration, read_settings

# Each command loads what it needs itself: boto3, for one, takes half a second.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = build_parser().parse_args(arguments)
    if options.command == "check":
        from cloudtrail_collector.commands.check import run_check  # noqa: PLC0415

        return run_check(options)
    if options.command == "events":
        from cloudtrail_collector.commands.events import run_events  # noqa: PLC0415

        return run_events(options)
    if options.command == "verify":
        from cloudtrail_collector.commands.verify import run_verify  # noqa: PLC0415

        return run_verify(options)
    if options.command == "doctor":
        from cloudtrail_collector.commands.doctor import run_doctor  # noqa: PLC0415

        return run_doctor(options)
    if options.command == "backfill":
        from cloudtrail_collector.commands.backfill import run_backfill  # noqa: PLC0415

        return run_backfill(options)
    return _run(options)


def _run(options: Namespace) -> int:
    try:
        configuration, settings = _read(options.config)
    except ConfigurationError as error:
        print(*error.errors, sep="\n", file=sys.stderr)  # noqa: T201  (a command's answer)
        return 2
    start_logging(settings.log_level)
    from cloudtrail_collector.app import run  # noqa: PLC0415

    return run(configuration, settings)


def _read(path: Path) -> tuple[Configuration, Settings]:
    """Read file and environment; their mistakes are listed together."""
    errors: list[str] = []
    configuration, settings = None, None
    try:
        configuration = read_configuration(path)
    except ConfigurationError as error:
        errors += error.errors
    try:
        settings = read_settings(os.environ)
    except ConfigurationError as error:
        errors += error.errors
    if configuration is None or settings is None:
        raise ConfigurationError(errors)
    return configuration, settings


if __name__ == "__main__":
    sys.exit(main())
