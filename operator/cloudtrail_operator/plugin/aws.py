"""`kubectl cloudtrail policy|trust|cloudformation|terraform|doctor`: `cloudtrail-operator aws …`, of a file or the cluster.

With `-f FILE` all arguments go on as they are. With the name of a source as first argument its manifest is read from the
cluster.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cloudtrail_operator.plugin import PROGRAM
from cloudtrail_operator.plugin.connection import build_connection_parser, connect
from cloudtrail_operator.plugin.sources import read_source

COMMANDS = {
    "policy": "print the least IAM policy of a source's role",
    "trust": "print the trust policy of a source's role",
    "cloudformation": "print a template of what a source needs in AWS",
    "terraform": "write a module of what a source needs in AWS",
    "doctor": "ask AWS step by step whether all of it is there",
}


def run_aws_command(command: str, arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    from cloudtrail_operator.commands.aws import run_aws  # noqa: PLC0415  (the other commands do without)

    if not arguments or arguments[0].startswith("-"):
        return run_aws([command, *arguments], PROGRAM)
    name, options = arguments[0], arguments[1:]
    connection, others = build_connection_parser().parse_known_args(options)
    manifest = read_source(connect(connection), connection, name)
    with tempfile.TemporaryDirectory() as folder:
        # The file's name is part of what is said about mistakes in it.
        path = Path(folder, f"{manifest['metadata']['name']}.yaml")
        path.write_text(json.dumps(manifest), encoding="utf-8")
        sys.stdout.flush()
        return run_aws([command, f"--file={path}", *others], PROGRAM)
