"""What `check` and `events --config` take for a configuration, and how they refuse the rest."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudtrail_collector.commands.config_file import read_pipeline
from cloudtrail_collector.errors import ConfigurationError
from support.sources import BUCKET, build_filter, build_source, build_spec

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def read_errors(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read_pipeline(path)
    return caught.value.errors


def build_pipeline(**changes: Any) -> dict[str, Any]:
    return build_spec(roleArn=None, **changes)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", json.dumps(build_pipeline())),
        ("config.yaml", yaml.safe_dump(build_pipeline())),
        ("source.yaml", yaml.safe_dump(build_source())),
        ("source.json", json.dumps(build_source())),
        ("source", json.dumps(build_source())),
        ("both.yaml", yaml.safe_dump_all([SECRET, build_source()])),
        ("list.yaml", yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [SECRET, build_source()]})),
    ],
)
def test_pipeline_is_read_from_every_form(name: str, content: str, tmp_path: Path) -> None:
    assert read_pipeline(write(tmp_path / name, content)).bucket == BUCKET


def test_every_mistake_of_a_manifest_is_listed_with_its_path(tmp_path: Path) -> None:
    source = build_source(bucket="A", filters=[build_filter(field="event name")], sinks=[{"name": "out"}])
    errors = read_errors(write(tmp_path / "source.yaml", yaml.safe_dump(source)))
    places = {error.split(":")[0] for error in errors}
    assert {"spec.bucket", "spec.filters[0].fieldSelectors[0].field", "spec.sinks[0]"} <= places


def test_mistakes_of_a_pipeline_begin_with_its_fields(tmp_path: Path) -> None:
    errors = read_errors(write(tmp_path / "config.json", json.dumps(build_pipeline(bucket="A", colour="red"))))
    assert [error.split(":")[0] for error in errors] == ["bucket", "colour"]


def test_scaling_is_checked_though_nothing_scales_here(tmp_path: Path) -> None:
    source = build_source(scaling={"min": 3, "max": 2})
    (error,) = read_errors(write(tmp_path / "source.yaml", yaml.safe_dump(source)))
    assert error == "spec.scaling: min must not be greater than max"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("config.json", "{", "not JSON"),
        ("source.yaml", "a: [", "not YAML"),
        ("source.yaml", "", "holds neither"),
        ("source.yaml", "[1, 2]", "holds neither"),
        ("source.yaml", yaml.safe_dump_all([SECRET, SECRET]), "holds neither"),
        ("source.yaml", yaml.safe_dump(SECRET), "kind: must be CloudTrailSource, is Secret"),
        ("source.yaml", yaml.safe_dump(build_source() | {"apiVersion": "v2"}), "apiVersion: must be"),
        ("source.yaml", yaml.safe_dump(build_source() | {"spec": None}), "spec: Field required"),
        ("two.yaml", yaml.safe_dump_all([build_source("a"), build_source("b")]), "2 CloudTrailSources (a, b)"),
        ("source.yaml", "!!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_file_that_is_no_configuration_is_named(name: str, content: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    errors = read_errors(path)
    assert reason in errors[0]
    assert errors[0].startswith(str(path))


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "No such file" in read_errors(tmp_path / "absent")[0]
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in read_errors(tmp_path / "binary")[0]
