"""What the Dockerfiles say; what comes of it is in tests/integration/test_images.py."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from images.assemble import PROGRAMS, ROOT
from images.dockerfile import read_stages

SOURCES = ROOT / "collector" / "cloudtrail_collector"


def _read_admitted() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[0] == "*"
    return [line.removeprefix("!") for line in lines[1:] if line.startswith("!")]


def _list_copied(program: str) -> list[str]:
    build, _ = read_stages(ROOT / program / "Dockerfile")
    return [source for text in build.list_texts("COPY") for source in text.split(" ")[:-1]]


def test_both_images_begin_from_one_base_that_is_pinned_by_digest() -> None:
    bases = {stage.base for program in PROGRAMS for stage in read_stages(ROOT / program / "Dockerfile")}
    (base,) = bases
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_runs_as_a_user_without_a_name_or_rights(program: str) -> None:
    _, final = read_stages(ROOT / program / "Dockerfile")
    assert final.list_texts("USER") == ["65532:65532"]
    assert final.list_texts("ENTRYPOINT") == [f'["cloudtrail-{program}"]']
    assert final.read_pairs("ENV")["PATH"].startswith("/app/bin:")


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_installed_into_the_image_itself(program: str) -> None:
    """The last stage gets one folder, and loses the installer that its base has."""
    _, final = read_stages(ROOT / program / "Dockerfile")
    assert final.list_texts("COPY") == ["--from=build /app /app"]
    (removal,) = final.list_texts("RUN")
    assert removal.startswith("rm -rf ")
    assert all(word in removal for word in ("bin/pip*", "site-packages/pip*", "ensurepip"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_labels_say_what_it_is(program: str) -> None:
    _, final = read_stages(ROOT / program / "Dockerfile")
    labels = {
        name.removeprefix("org.opencontainers.image."): value for name, value in final.read_pairs("LABEL").items()
    }
    assert labels["title"] == f"cloudtrail-{program}"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["base.name"] == f"docker.io/library/{final.base.split('@')[0]}"
    assert labels.keys() >= {"description", "version", "revision"}


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    copied = {source for program in PROGRAMS for source in _list_copied(program)}
    assert copied == set(_read_admitted())
    assert [source for source in copied if not (ROOT / source).exists()] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_uv_is_the_one_that_the_project_is_built_with(program: str) -> None:
    build, _ = read_stages(ROOT / program / "Dockerfile")
    version = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert version is not None
    assert build.list_texts("RUN")[0] == f"pip install --no-cache-dir uv=={version[1]}"


def test_botocore_keeps_every_service_that_the_collector_asks() -> None:
    build, _ = read_stages(ROOT / "collector" / "Dockerfile")
    kept = set(re.findall(r"! -name (\S+)", " ".join(build.list_texts("RUN"))))
    asked = {
        service
        for module in SOURCES.rglob("*.py")
        for service in re.findall(r"\b(?:client|create_client)\(\s*\"([a-z0-9-]+)\"", module.read_text())
    }
    assert asked >= {"sqs", "s3", "cloudtrail"}
    assert asked - kept == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_hadolint_is_content(program: str) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    ended = subprocess.run([hadolint, "--no-color", ROOT / program / "Dockerfile"], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout.decode()) == (0, "")
