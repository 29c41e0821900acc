"""docs/aws-setup.md: its commands are run, its tables are complete, and what stands behind a pipe is a call of AWS."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cloudtrail_operator.commands.aws_arguments import build_parser
from support.aws_commands import list_unknown_options
from support.aws_setups import ARCHIVE, ISSUER, READER

PAGE = (Path(__file__).parents[3] / "docs" / "aws-setup.md").read_text()


def list_lines() -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()


LINES = list(list_lines())
# What doctor asks is asked of a stand-in, in tests/integration/test_doctor.py.
OURS = [
    line.partition(" | ")[0] for line in LINES if line.startswith("cloudtrail-operator ") and " doctor " not in line
]
THEIRS = [part for line in LINES for part in line.split(" | ") if part.startswith("aws ")]


def write_source(folder: Path, line: str) -> None:
    """Write the page's source, with the other roles where a command is about them."""
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    source = yaml.safe_load(text)
    if "--assumed" in line:
        source["spec"]["assumeRole"] = {"roleArn": READER}
    if "--sink" in line:
        source["spec"]["sinks"].append(ARCHIVE)
    (folder / "source.yaml").write_text(yaml.safe_dump(source))


@pytest.mark.parametrize("line", OURS)
def test_commands_of_the_page_work(line: str, tmp_path: Path) -> None:
    write_source(tmp_path, line)
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ISSUER": f"https://{ISSUER}",
    }
    answer = subprocess.run(
        ["/bin/sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    if " policy " in line or " trust " in line:
        assert json.loads(answer.stdout)["Statement"]
    else:
        assert (tmp_path / "setup.yaml").exists() or (tmp_path / "setup" / "main.tf").exists()


@pytest.mark.parametrize("line", THEIRS)
def test_what_others_are_asked_for_is_known_to_aws(line: str) -> None:
    _, service, command, *arguments = shlex.split(line)
    assert list_unknown_options(service, command, arguments) == set()


def test_every_statement_and_every_option_is_explained() -> None:
    explained = set(re.findall(r"--[a-z-]+", PAGE))
    commands = next(action for action in build_parser("aws")._actions if action.dest == "command")
    assert isinstance(commands.choices, dict)
    options = {
        option
        for command in commands.choices.values()
        for action in command._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    assert options - explained == {"--help", "--file", "--name", "--namespace"}
    sources = Path(__file__).parents[3] / "operator" / "cloudtrail_operator" / "aws_setup" / "policy.py"
    sids = set(re.findall(r'allow\(f?"([A-Za-z]+)', sources.read_text()))
    assert len(sids) >= 7
    archive = {"WriteArchive"}
    assert {sid for sid in sids - archive if f"`{sid}`" not in PAGE} == set()
