"""The program `kubectl_complete-cloudtrail`, which kubectl asks for completions: one a line, then a directive."""

import argparse
import sys
from collections.abc import Sequence

from cloudtrail_operator.plugin import modes
from cloudtrail_operator.plugin.arguments import COMMANDS
from cloudtrail_operator.plugin.aws import COMMANDS as AWS_COMMANDS
from cloudtrail_operator.plugin.connection import build_connection_parser, connect
from cloudtrail_operator.plugin.errors import PluginError
from cloudtrail_operator.plugin.sources import list_sources

NO_FILES = ":4"
"""Cobra's directive: where nothing fits, do not offer the names of files."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print completions of the last argument; where the cluster cannot be asked, none."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.stdout.write("".join(f"{word}\n" for word in (*_complete(list(arguments)), NO_FILES)))
    return 0


def _complete(arguments: list[str]) -> list[str]:
    *before, start = arguments or [""]
    if not before:
        return [name for name in (*COMMANDS, *AWS_COMMANDS) if name.startswith(start)]
    options, others = build_connection_parser().parse_known_args(before)
    names = [word for word in others[1:] if not word.startswith("-")]
    if start.startswith("-") or (names and before[0] not in modes.COMMANDS):
        return []
    return [name for name in _list_names(options) if name.startswith(start) and name not in names]


def _list_names(options: argparse.Namespace) -> list[str]:
    try:
        return [item["metadata"]["name"] for item in list_sources(connect(options), options)]
    except PluginError:
        return []


if __name__ == "__main__":
    sys.exit(main())
