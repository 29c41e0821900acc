"""Runs lines that are made for AWS's own command line, by its rules, against a stand-in."""

import json
import shlex
from typing import Any

from botocore import xform_name

from localcluster.aws import AwsEndpoint

# Where the command line calls an argument otherwise than the API does.
SERVICES = {"s3api": "s3"}
RENAMED = {("sns", "subscribe", "--notification-endpoint"): "Endpoint"}


def run_line(aws: AwsEndpoint, line: str) -> None:
    """Run one line, which may be several commands joined by &&, as the administrator."""
    commands: list[list[str]] = [[]]
    for word in shlex.split(line):
        if word == "&&":
            commands.append([])
        else:
            commands[-1].append(word)
    for command in commands:
        _run(aws, command)


def _run(aws: AwsEndpoint, words: list[str]) -> None:
    program, service, command, *arguments = words
    assert program == "aws", words
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    region = given.pop("--region", aws.region)
    assert region == aws.region
    client = aws.client(SERVICES.get(service, service))
    operations = {xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
    members = client.meta.service_model.operation_model(operations[command]).input_shape.members
    names = {f"--{xform_name(member, '-')}": member for member in members}
    call: dict[str, Any] = {}
    for option, value in given.items():
        member = RENAMED.get((service, command, option)) or names[option]
        call[member] = value if members[member].type_name == "string" else json.loads(value)
    getattr(client, command.replace("-", "_"))(**call)
