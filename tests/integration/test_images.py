"""The images' content, made by the Dockerfiles' own commands: what is in it, how large it is, and that it runs."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import pytest

from bench.tables import read_table
from images.__main__ import LIMITS, TABLE
from images.assemble import PROGRAMS, ROOT, assemble, copy_context
from images.measure import MEGABYTE, Layer, measure
from images.sandbox import build_command, explain_missing
from integration.collector_process import Collector, wait_until
from integration.queues import ids_of, is_empty, put
from localcluster.apiserver import running_api_server
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import generate_log_files
from support.operator_process import OperatorProcess

# Four builds come first.
pytestmark = [pytest.mark.timeout(600)]


@dataclass(frozen=True, slots=True)
class Image:
    """A program's /app, the layers of two builds of it, and a folder that every user may read."""

    program: str
    app: Path
    layers: tuple[Layer, Layer]
    folder: Path

    @property
    def packages(self) -> Path:
        (found,) = self.app.glob("lib/python3*/site-packages")
        return found

    def list_distributions(self) -> dict[str, str]:
        return {
            found.name.lower().replace("_", "-").replace(".", "-"): found.version
            for found in distributions(path=[str(self.packages)])
        }


def _build(program: str, folder: Path) -> Image:
    """Build it twice in the same place from what a container engine sees, so that nothing may differ."""
    context, target = folder / "context", folder / program
    first = measure(assemble(program, context, target))
    shutil.rmtree(target)
    app = assemble(program, context, target)
    return Image(program, app, (first, measure(app)), folder)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder below ones that everybody may enter: pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="cloudtrail-images-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture(scope="module")
def images(folder: Path) -> dict[str, Image]:
    copy_context(folder / "context")
    return {program: _build(program, folder) for program in PROGRAMS}


@pytest.fixture(params=PROGRAMS)
def image(request: pytest.FixtureRequest, images: dict[str, Image]) -> Image:
    return images[request.param]


def _require_sandbox(image: Image) -> None:
    if (reason := explain_missing(image.folder)) is not None:
        pytest.skip(f"this machine allows no mounts: {reason}")


def test_image_is_small(image: Image) -> None:
    """The limits count what is downloaded: compressed, as registries state it, the base included."""
    assert image.layers[0].image_bytes <= LIMITS[image.program]


def test_documented_size_is_right(image: Image) -> None:
    table = read_table((ROOT / "docs" / "supply-chain.md").read_text(), TABLE)
    (row,) = (row for row in table.rows if row[0] == image.program)
    stated = float(row[table.columns.index("download")]) * MEGABYTE
    assert image.layers[0].image_bytes == pytest.approx(stated, rel=0.1)


def test_two_builds_are_the_same_bytes(image: Image) -> None:
    first, second = image.layers
    assert first.digest == second.digest


def test_bill_of_materials_lists_what_is_installed(image: Image) -> None:
    bill = json.loads((image.app / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    listed = {part["name"]: part["version"] for part in (*bill["components"], bill["metadata"]["component"])}
    installed = image.list_distributions()
    assert installed.items() <= listed.items()
    # A package for other platforms or Pythons is listed, and not installed.
    assert len(listed.keys() - installed.keys()) <= 3
    assert installed.keys() >= {f"cloudtrail-{image.program}", "cloudtrail-spec"}


def test_neither_program_carries_the_other_nor_what_builds(image: Image) -> None:
    unwanted = {
        "collector": {"kopf", "aiohttp", "kubernetes", "cloudtrail-operator"},
        "operator": {"boto3", "botocore", "cloudtrail-collector"},
    }
    tools = {"pip", "setuptools", "wheel", "uv", "uv-build", "pytest"}
    assert image.list_distributions().keys() & (unwanted[image.program] | tools) == set()
    assert not list(image.app.glob("bin/pip*"))
    assert (image.app / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_bytecode_is_there_and_never_checked_against_sources(image: Image) -> None:
    """A pod whose root cannot be written would compile everything anew at each start."""
    sources = [path for path in image.packages.rglob("*.py") if path.is_relative_to(image.packages / "cloudtrail_spec")]
    for source in sources:
        (compiled,) = (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")
        assert int.from_bytes(compiled.read_bytes()[4:8], "little") == 0b01
    assert len(sources) > 10


def test_only_root_may_write_what_runs(image: Image) -> None:
    assert [path for path in image.app.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022] == []


def test_collector_collects_with_nothing_writable(
    images: dict[str, Image], aws: AwsEndpoint, storage: TrailStorage
) -> None:
    """With botocore's few services, without rights, and no folder to write to."""
    image = images["collector"]
    _require_sandbox(image)
    files = list(generate_log_files(5, seed=31))
    put(aws, storage, *files)
    spec = {
        "mode": "Active",
        "bucket": storage.bucket,
        "queueArn": storage.queue_arn,
        "region": aws.region,
        "endpointUrl": aws.url,
        "sinks": [{"name": "out", "stdout": {}}],
    }
    program = build_command(image.folder, [image.app / "bin" / "cloudtrail-collector"])
    collector = Collector(image.folder, spec, {}, program)
    try:
        collector.start()
        wait_until(lambda: is_empty(aws, storage), "an empty queue")
        assert collector.count_events() == ids_of(*files)
        status = Path(f"/proc/{collector.pid}/status").read_text()
        assert "\nCapEff:\t0000000000000000\n" in status or os.geteuid() != 0
        assert collector.stop() == 0
    finally:
        collector.kill()
    assert measure(image.app).digest == image.layers[1].digest


def test_operator_leads_with_nothing_writable(images: dict[str, Image], tmp_path: Path) -> None:
    image = images["operator"]
    _require_sandbox(image)
    with running_api_server("embedded", tmp_path) as server:
        operator = OperatorProcess(server, image.folder, [])
        operator.program = build_command(image.folder, [image.app / "bin" / "cloudtrail-operator"])
        operator.install()
        try:
            operator.start()
            assert operator.read_problems() == []
        finally:
            operator.stop()
    assert measure(image.app).digest == image.layers[1].digest


def test_commands_for_people_work(images: dict[str, Image]) -> None:
    for image in images.values():
        _require_sandbox(image)
        command = build_command(image.folder, [image.app / "bin" / f"cloudtrail-{image.program}", "--help"])
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "usage" in ended.stdout.lower()
