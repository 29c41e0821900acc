"""Command line: `cloudtrail-collector run --config FILE`, `cloudtrail-collector check --config FILE`.

Exit codes: 0 after a clean end, 1 when it cannot go on, 2 when configuration or environment are wrong.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cloudtrail_collector import __version__
from cloudtrail_collector.errors import ConfigurationError
from cloudtrail_collector.logs import start_logging
from cloudtrail_collector.settings import Configuration, Settings, read_configuration, read_settings

ENVIRONMENT = """environment:
  CLOUDTRAIL_LISTEN_HOST    address to listen on (default 0.0.0.0)
  CLOUDTRAIL_LISTEN_PORT    port of /healthz, /readyz, /metrics, /status, /samples (default 8080)
  CLOUDTRAIL_LOG_LEVEL      Debug, Info, Warning or Error (default Info)
  CLOUDTRAIL_DRAIN_SECONDS  how long the end may take after SIGTERM (default 45)
  CLOUDTRAIL_WORKERS        messages worked on at once (default 16)
  CLOUDTRAIL_NO_OBJECTS_SECONDS  how long messages may come without a log file before that is reported (default 1800)
  CLOUDTRAIL_SOURCE         namespace/name of the source, for logs and the role's session name
  CLOUDTRAIL_CREDENTIALS_DIRECTORY
                            folder with the files AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and maybe AWS_SESSION_TOKEN,
                            followed when they change; it comes before every other source of credentials
Credentials and region are found the way every AWS SDK finds them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _build_parser().parse_args(arguments)
    try:
        configuration, settings = _read(options.config)
    except ConfigurationError as error:
        print(*error.errors, sep="\n", file=sys.stderr)  # noqa: T201  (a command's answer)
        return 2
    if options.command == "check":
        print(f"{options.config} is valid")  # noqa: T201
        return 0
    start_logging(settings.log_level)
    from cloudtrail_collector.app import run  # noqa: PLC0415  (boto3 takes half a second; `check` does without)

    return run(configuration, settings)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cloudtrail-collector",
        description="Reads the CloudTrail log files that an SQS queue announces and delivers their events to sinks.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cloudtrail-collector {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (("run", "collect until SIGTERM"), ("check", "say whether FILE is valid, and do nothing else")):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--config", required=True, type=Path, metavar="FILE", help="pipeline configuration, JSON")
    return parser


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
