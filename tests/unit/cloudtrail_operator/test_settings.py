"""Settings from the environment."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from cloudtrail_operator.__main__ import main
from cloudtrail_operator.settings import Settings, SettingsError, read_settings

IMAGE = {"CLOUDTRAIL_OPERATOR_COLLECTOR_IMAGE": "example.com/c:1"}


def test_defaults() -> None:
    settings = read_settings(IMAGE)
    assert (settings.poll_seconds, settings.status_seconds, settings.stall_seconds) == (15, 60, 300)
    assert (settings.listen_host, settings.listen_port, settings.watch_namespaces) == (None, 8080, ())


def test_namespaces_are_split() -> None:
    assert read_settings(IMAGE | {"CLOUDTRAIL_OPERATOR_WATCH_NAMESPACES": "a, b,,a"}).watch_namespaces == ("a", "b")


def test_every_mistake_is_listed() -> None:
    bad = {
        "CLOUDTRAIL_OPERATOR_POLL_SECONDS": "soon",
        "CLOUDTRAIL_OPERATOR_LISTEN_PORT": "0",
        "CLOUDTRAIL_OPERATOR_WATCH_NAMESPACES": "A",
        "CLOUDTRAIL_OPERATOR_COLLECTOR_TOLERATIONS": "{}",
        "CLOUDTRAIL_OPERATOR_COLLECTOR_NODE_SELECTOR": "{",
        "CLOUDTRAIL_OPERATOR_LOG_LEVEL": "loud",
    }
    with pytest.raises(SettingsError) as caught:
        read_settings(bad)
    named = {problem.split(":")[0] for problem in caught.value.problems}
    assert named == {*bad, "CLOUDTRAIL_OPERATOR_COLLECTOR_IMAGE"}


def test_program_refuses_bad_settings_with_code_2() -> None:
    program = Path(sys.executable).parent / "cloudtrail-operator"
    ended = subprocess.run([program, "run"], env={}, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "CLOUDTRAIL_OPERATOR_COLLECTOR_IMAGE" in ended.stderr


def test_help_names_every_variable_that_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    fields = {field.name.upper() for field in dataclasses.fields(Settings)}
    assert sorted(name for name in fields if name not in shown) == []
