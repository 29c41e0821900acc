"""The rules of the tree that no linter knows."""

import operator
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("crds/cloudtrail_spec", "collector/cloudtrail_collector", "operator/cloudtrail_operator")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_operator_folder_does_not_shadow_the_standard_library() -> None:
    assert Path(str(operator.__file__)).is_relative_to(sysconfig.get_path("stdlib"))
    assert not (ROOT / "operator" / "__init__.py").exists()


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_short_enough_to_have_one_subject(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize(
    ("module", "strangers"),
    [
        (
            "cloudtrail_collector.__main__",
            ("kopf", "kubernetes", "cloudtrail_operator", "aiohttp", "boto3", "tqdm", "yaml"),
        ),
        ("cloudtrail_collector.app", ("tqdm", "yaml", "confluent_kafka", "google", "opentelemetry")),
        ("cloudtrail_operator.commands.aws", ("kopf", "kubernetes", "aiohttp", "boto3", "botocore")),
        ("cloudtrail_operator.__main__", ("boto3", "botocore", "cloudtrail_collector", "msgspec")),
    ],
)
def test_program_loads_nothing_of_the_other_side(module: str, strangers: tuple[str, ...]) -> None:
    script = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    assert set(loaded).isdisjoint(strangers)


def test_only_the_partition_table_knows_partitions() -> None:
    """Other partitions (China, GovCloud) break where an ARN or an endpoint stands as a literal."""
    literal = re.compile(r"arn:aws:|://[^\s\"']*amazonaws\.com")
    offenders = [str(path.relative_to(ROOT)) for path in MODULES if literal.search(path.read_text(encoding="utf-8"))]
    assert offenders == []
