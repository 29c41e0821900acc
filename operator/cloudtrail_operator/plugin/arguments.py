"""The arguments of `kubectl cloudtrail`."""

import argparse
import re

from cloudtrail_operator import __version__
from cloudtrail_operator.plugin import PROGRAM
from cloudtrail_operator.plugin.aws import COMMANDS as AWS_COMMANDS
from cloudtrail_operator.plugin.connection import build_connection_parser
from cloudtrail_operator.plugin.sample import MAX_COUNT

COMMANDS = {
    "status": "say how sources are, what is wrong, and what to do about it",
    "sample": "print the last event records that a source delivered",
    "events": "print the Kubernetes Events of a source and of its collectors",
    "pause": "set mode Paused: no collector runs",
    "test": "set mode Test: events are delivered, no message is deleted",
    "activate": "set mode Active: messages are deleted when their events are accepted",
}
_FACTORS = {"s": 1, "m": 60, "h": 3600}
_DESCRIPTION = "Looks at CloudTrailSources, and switches them, through kubectl."
_EPILOG = """exit codes:
  0    it is done
  1    the cluster refused or could not be reached, or what was waited for did not happen
  2    arguments are wrong, or name what does not exist
  130  interrupted"""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"kubectl-cloudtrail {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    connection = build_connection_parser()
    parsers = {
        name: commands.add_parser(
            name, help=words, description=f"{words[0].upper()}{words[1:]}.", parents=[connection], allow_abbrev=False
        )
        for name, words in COMMANDS.items()
    }
    for name, words in AWS_COMMANDS.items():
        commands.add_parser(name, help=f"{words} (NAME, or -f FILE)", add_help=False)
    _fill_status(parsers["status"])
    _fill_sample(parsers["sample"])
    _fill_events(parsers["events"])
    for name in ("pause", "test", "activate"):
        _fill_mode(parsers[name])
    return parser


def _fill_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="source; without, a table of all")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="sources of all namespaces")
    parser.add_argument("-l", "--selector", metavar="LABELS", help="only sources with these labels")
    parser.add_argument("-w", "--watch", action="store_true", help="again and again, until Ctrl-C")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")


def _fill_sample(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="source")
    parser.add_argument(
        "-c", "--count", type=_parse_count, default=10, help=f"how many, up to {MAX_COUNT} (default 10)"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="print what is new as lines, until Ctrl-C")
    parser.add_argument(
        "-o", "--output", choices=["json", "table"], help="default: table at a terminal, else JSON lines"
    )


def _fill_events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="source")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")


def _fill_mode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="sources")
    parser.add_argument("-l", "--selector", metavar="LABELS", help="all sources with these labels")
    parser.add_argument("--all", action="store_true", help="all sources of the namespace")
    parser.add_argument("--dry-run", action="store_true", help="ask the API server whether it would accept the change")
    parser.add_argument("--wait", action="store_true", help="wait until the source is ready in its new mode")
    parser.add_argument(
        "--timeout", type=_parse_seconds, default=300.0, metavar="TIME", help="how long to wait (default 5m)"
    )


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_COUNT):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_COUNT}")
    return int(text)


def _parse_seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,6})([smh]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 5m or 1h")
    return float(match[1]) * _FACTORS.get(match[2], 1)
