"""docs/eks.md is played from its first command to its last.

Ours are real. In place of `aws`, `docker`, `kubectl` and `helm` stands a program that notes how it was called: what they
were asked for is then judged by AWS's models, by the chart, and by the files that are named.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_spec.source import CloudTrailSourceSpec
from localcluster.assets import find_helm
from support.aws_commands import DEPLOY, list_unknown_options
from support.aws_setups import ISSUER
from support.pages import ROOT, find_blocks

TEXT = (ROOT / "docs" / "eks.md").read_text(encoding="utf-8")
WAYS = ("IRSA", "Pod Identity")
OTHERS = ("aws", "docker", "kubectl", "helm")
NOTE = f"""#!{sys.executable} -I
import json, pathlib, sys
here = pathlib.Path(sys.argv[0])
with here.with_name("calls").open("a") as calls:
    calls.write(json.dumps([here.name, *sys.argv[1:]]) + "\\n")
if "describe-cluster" in sys.argv:
    print("https://{ISSUER}")
"""

Call = list[str]


def read_script(way: str) -> Iterator[str]:
    """Give the commands that somebody runs who takes one of the two ways, the source of the other one included."""
    for section in TEXT.split("\n## "):
        if not section.startswith("With ") or section.startswith(f"With {way}\n"):
            for block in find_blocks(section, "yaml"):
                yield f"cat > source.yaml <<END\n{block.body}END\n"
            for block in find_blocks(section, "sh"):
                yield block.body


@dataclass(frozen=True, slots=True)
class Played:
    """Which way was taken, the folder that the commands ran in, and how others' programs were called."""

    way: str
    folder: Path
    calls: list[Call]


@pytest.fixture(scope="module")
def plays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """Both ways, played."""
    return {way: _play(way, tmp_path_factory.mktemp("eks")) for way in WAYS}


@pytest.fixture(params=WAYS)
def played(request: pytest.FixtureRequest, plays: dict[str, Played]) -> Played:
    return plays[request.param]


def _play(way: str, folder: Path) -> Played:
    programs = folder / "bin"
    programs.mkdir()
    for name in OTHERS:
        (programs / name).write_text(NOTE)
        (programs / name).chmod(0o755)
    script = "".join(["set -e\n", *read_script(way)])
    environment = {"PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])}
    answer = subprocess.run(
        ["/bin/sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    calls = [json.loads(line) for line in (programs / "calls").read_text().splitlines()]
    return Played(way, folder, calls)


def test_the_commands_make_what_the_source_needs(played: Played) -> None:
    source = yaml.safe_load((played.folder / "source.yaml").read_text())
    spec = CloudTrailSourceSpec.model_validate(source["spec"])
    assert spec.mode.value == "Test"
    resources: dict[str, Any] = yaml.load((played.folder / "setup.yaml").read_text(), yaml.BaseLoader)["Resources"]  # noqa: S506
    kinds = {resource["Type"] for resource in resources.values()}
    assert {"AWS::CloudTrail::Trail", "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::IAM::Role"} <= kinds
    assert ("AWS::EKS::PodIdentityAssociation" in kinds) is (played.way == "Pod Identity")
    text = (played.folder / "setup.yaml").read_text()
    assert (ISSUER in text) is (played.way == "IRSA")
    deployed = [call for call in played.calls if tuple(call[1:3]) == DEPLOY]
    assert ["setup.yaml" in call for call in deployed] == [True]


def test_aws_knows_what_it_is_asked_for(played: Played) -> None:
    asked = [call for call in played.calls if call[0] == "aws"]
    assert len(asked) >= 3
    assert [(call, unknown) for call in asked if (unknown := list_unknown_options(call[1], call[2], call[3:]))] == []


def test_the_chart_takes_the_values(played: Played) -> None:
    (install,) = [call for call in played.calls if call[:2] == ["helm", "install"]]
    arguments = [argument for argument in install[2:] if argument not in ("--create-namespace", "--wait")]
    answer = subprocess.run(
        [find_helm(), "template", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    images = [one["spec"]["template"]["spec"]["containers"][0] for one in _read_deployments(answer.stdout)]
    registry = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
    assert [image["image"].partition("/")[0] for image in images] == [registry]
    assert f"{registry}/cloudtrail-collector" in answer.stdout
    pushed = {call[2] for call in played.calls if call[:2] == ["docker", "push"]}
    assert images[0]["image"] in pushed


def _read_deployments(text: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(text) if document and document["kind"] == "Deployment"]


def test_files_that_are_named_are_there(played: Played) -> None:
    built = [call for call in played.calls if call[:2] == ["docker", "build"]]
    assert [Path(ROOT, call[call.index("-f") + 1]).is_file() for call in built] == [True, True]


def test_ways_differ_in_nothing_but_identity() -> None:
    """The two sources of the page are one, but for credentials and role."""
    irsa, *_ = [
        line for block in find_blocks(TEXT, "sh") for line in [block.body] if line.startswith("cat > source.yaml")
    ]
    first = yaml.safe_load(irsa.split("\n", 1)[1].removesuffix("END\n"))
    (second,) = (yaml.safe_load(block.body) for block in find_blocks(TEXT, "yaml"))
    assert first["spec"].pop("roleArn")
    assert second["spec"].pop("credentials") == {"type": "PodIdentity"}
    assert first == second
