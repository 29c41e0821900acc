"""A Dockerfile's build stage → the folder /app of its image, made by the very same commands, without a container engine.

Two things differ: the folders are below `target`, and Python is the machine's, not the base image's.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from images.dockerfile import Stage, read_stages

ROOT = Path(__file__).parents[2]
PROGRAMS = ("collector", "operator")


class AssemblyError(Exception):
    """A command of the Dockerfile failed; the text is what it printed."""


def copy_context(target: Path) -> None:
    """Copy what .dockerignore lets a container engine see: the names after an exclamation mark, of everything."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in (line.removeprefix("!") for line in lines if line.startswith("!")):
        _copy(ROOT / name, target / name)


def assemble(program: str, context: Path, target: Path) -> Path:
    """Assemble the image's /app below an empty folder, from a folder with the sources; return where it is."""
    build, _ = read_stages(ROOT / program / "Dockerfile")
    (target / "src").mkdir(parents=True)
    environment = _build_environment(build, target)
    for instruction in build.instructions:
        if instruction.name == "COPY":
            _copy_all(instruction.text, context, target / "src")
        elif instruction.name == "RUN" and not instruction.text.startswith("pip install"):
            _run(_move(instruction.text, target), target / "src", environment)
    return target / "app"


def find_uv() -> Path:
    """Find the uv that the project runs with."""
    named = os.environ.get("UV") or shutil.which("uv")
    return Path(named) if named else next(ROOT.glob(".tools/uv-*/bin/uv"))


def _build_environment(build: Stage, target: Path) -> dict[str, str]:
    given = {name: os.environ[name] for name in ("HOME", "UV_CACHE_DIR", "SSL_CERT_FILE") if name in os.environ}
    path = f"{find_uv().parent}{os.pathsep}{os.environ['PATH']}"
    stated = {name: _move(value, target) for name, value in build.read_pairs("ENV", "ARG").items()}
    return given | {"PATH": path, "UV_PYTHON": str(_find_python())} | stated


def _find_python() -> Path:
    """Find one that every user may run: this process's own may be in somebody's home."""
    own = Path(sys.base_prefix, "bin", "python3").resolve()
    is_open = all(folder.stat().st_mode & 0o001 for folder in own.parents)
    return own if is_open else Path("/usr/bin/python3")


def _move(text: str, target: Path) -> str:
    return re.sub(r"(?<![\w.])/app\b", str(target / "app"), text)


def _copy_all(text: str, context: Path, directory: Path) -> None:
    *sources, destination = text.split(" ")
    for source in sources:
        _copy(context / source, directory / destination / (source if destination.endswith("/") else ""))


def _copy(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, place)


def _run(command: str, directory: Path, environment: dict[str, str]) -> None:
    ended = subprocess.run(
        ["sh", "-euc", command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise AssemblyError(f"{command}\n{ended.stdout}{ended.stderr}")
