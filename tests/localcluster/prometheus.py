"""Finds Prometheus and promtool: on PATH, else unpacked from Debian's package into the user's cache, which needs no root.

`python -m localcluster.prometheus` gets them there, once.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from localcluster.assets import user_cache

# ruff: noqa: T201 - also a command that talks to a person

_PACKAGE = "prometheus"


@dataclass(frozen=True, slots=True)
class PrometheusPrograms:
    """The server and its tool."""

    prometheus: Path
    promtool: Path


class NoPrometheusError(Exception):
    """There is none, and none can be got here; the text says why."""


def find_prometheus() -> PrometheusPrograms | None:
    """Find both programs on PATH, else in the cache."""
    path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{_directory() / 'usr' / 'bin'}"
    server, tool = (shutil.which(name, path=path) for name in ("prometheus", "promtool"))
    return PrometheusPrograms(Path(server), Path(tool)) if server and tool else None


def get_prometheus() -> PrometheusPrograms:
    """Find both programs; where there are none, unpack Debian's package into the cache.

    Raises NoPrometheusError when that does not work.
    """
    found = find_prometheus()
    if found is None:
        _unpack_package(_directory())
        found = find_prometheus()
    if found is None:
        raise NoPrometheusError(f"Debian's package {_PACKAGE} has no prometheus or no promtool")
    return found


def _directory() -> Path:
    return user_cache() / _PACKAGE


def _unpack_package(target: Path) -> None:
    """Unpack beside the target first: another process may look for it meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        _download_package(Path(directory))
        (package,) = Path(directory).glob("*.deb")
        _run(["dpkg-deb", "--extract", package.name, "unpacked"], Path(directory))
        if not target.exists():
            Path(directory, "unpacked").rename(target)


def _download_package(directory: Path) -> None:
    """Download by the machine's package lists; where these are missing or too old, by fresh ones of our own."""
    try:
        _run(["apt-get", "download", "--quiet", _PACKAGE], directory)
    except NoPrometheusError:
        lists, cache = directory / "lists", directory / "cache"
        for folder in (lists, cache):
            (folder / "partial").mkdir(parents=True)
        own = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}", "-o", "APT::Sandbox::User="]
        _run(["apt-get", *own, "update", "--quiet"], directory)
        _run(["apt-get", *own, "download", "--quiet", _PACKAGE], directory)


def _run(command: list[str], directory: Path) -> None:
    try:
        subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True, timeout=300)
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout).strip().splitlines()[-1:]
        raise NoPrometheusError(f"{' '.join(command)} failed: {' '.join(last)}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoPrometheusError(f"{command[0]} failed: {error}") from error


def main() -> int:
    """Get both programs and say where they are."""
    try:
        programs = get_prometheus()
    except NoPrometheusError as error:
        print(f"There is no Prometheus, and it could not be got: {error}", file=sys.stderr)
        print("Install prometheus and promtool, 2.42 or newer, so that both are on PATH.", file=sys.stderr)
        return 1
    print(f"Prometheus is {programs.prometheus}, its tool {programs.promtool}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
