"""docs/kubectl-plugin.md names every command, option and exit code of the plugin."""

import argparse
import re
from pathlib import Path

from cloudtrail_operator.plugin import __main__ as program
from cloudtrail_operator.plugin import errors
from cloudtrail_operator.plugin.arguments import COMMANDS, build_parser
from cloudtrail_operator.plugin.aws import COMMANDS as AWS_COMMANDS

PAGE = (Path(__file__).parents[3] / "docs" / "kubectl-plugin.md").read_text(encoding="utf-8")


def test_every_command_has_a_row() -> None:
    table = PAGE.split("## Commands", 1)[1].split("| exit code", 1)[0]
    cells = [row.split(" | ")[0] for row in table.splitlines() if row.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`([a-z]+)", cell)}
    assert named == {*COMMANDS, *AWS_COMMANDS}


def test_every_option_of_our_own_is_named() -> None:
    (commands,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    options = {
        option
        for name in COMMANDS
        for action in commands.choices[name]._action_groups[1]._group_actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }
    assert options > {"--watch", "--wait"}
    assert {option for option in options if f"`{option}" not in PAGE} == set()


def test_every_exit_code_has_a_row() -> None:
    codes = {0, errors.FAILED, errors.BAD_INPUT, program.INTERRUPTED}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)} == codes
