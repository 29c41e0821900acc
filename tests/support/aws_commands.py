"""What documents ask of AWS's own command line, held against AWS's own models."""

from collections.abc import Sequence

import botocore.session
from botocore import xform_name

# `deploy` is the command line's own, made of several calls.
DEPLOY = ("cloudformation", "deploy")
GLOBAL = {"--query", "--output", "--region"}


def list_unknown_options(service: str, command: str, arguments: Sequence[str]) -> set[str]:
    """List the options that a command does not have. Raises KeyError when AWS has no such command."""
    given = {argument for argument in arguments if argument.startswith("--")}
    if (service, command) == DEPLOY:
        return given - {"--template-file", "--stack-name", "--capabilities", "--region"}
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(operations[command]).input_shape
    members = shape.members if shape is not None else {}
    return given - GLOBAL - {f"--{xform_name(member, '-')}" for member in members}
