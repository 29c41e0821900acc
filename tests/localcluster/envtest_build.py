"""Builds the real control plane with Go from the published modules into the user's cache, once.

`python -m localcluster.envtest_build`, which `make envtest` calls. Everything else works without it, on the embedded
API server.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from localcluster.assets import KUBERNETES_VERSION, ControlPlaneBinaries, envtest_directory

# ruff: noqa: T201 - a command that talks to a person

MODULE = Path(__file__).parent / "envtest"
_NO_GO = """\
{problem}
The real control plane is built with Go {wanted} or newer: https://go.dev/dl/, or your distribution's package
(on Debian: apt-get install -t bookworm-backports golang-go, if recent enough).
All but the tests that insist on a real API server works without it: `make demo` and `make test` use the embedded one.
"""


def main() -> int:
    """Build unless it was built before; the exit code says whether the control plane is there."""
    target = envtest_directory()
    if ControlPlaneBinaries(target).complete:
        print(f"The control plane {KUBERNETES_VERSION} is in {target}")
        return 0
    problem = find_go_problem(_wanted_go())
    if problem:
        print(_NO_GO.format(problem=problem, wanted=_wanted_go()), file=sys.stderr)
        return 1
    print(f"Building etcd and Kubernetes {KUBERNETES_VERSION} with Go; this takes minutes, once", flush=True)
    started = time.monotonic()
    try:
        _build(target)
    except subprocess.CalledProcessError as error:
        print(f"go build failed with code {error.returncode}", file=sys.stderr)
        return 1
    print(f"Built in {time.monotonic() - started:.0f} s: {target}")
    return 0


def find_go_problem(wanted: str) -> str | None:
    """Say what is wrong with the Go on PATH, or None."""
    try:
        # In the module's folder Go would first try to download the toolchain that go.mod asks for.
        answer = subprocess.run(
            ["go", "env", "GOVERSION"], check=True, capture_output=True, text=True, cwd="/", timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return "Go was not found."
    found = answer.strip().removeprefix("go")
    return None if parse_go_version(found) >= parse_go_version(wanted) else f"Go {found} is too old."


def parse_go_version(text: str) -> tuple[int, ...]:
    """`1.26.8-X:nocoverageredesign` -> (1, 26, 8); what is no version counts as oldest."""
    leading = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in leading.group().split(".")) if leading else ()


def _wanted_go() -> str:
    found = re.search(r"^go (\S+)$", (MODULE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise RuntimeError("go.mod names no Go version")
    return found.group(1)


def _build(target: Path) -> None:
    """Build beside the target and rename, so that a half-built control plane is never found."""
    target.parent.mkdir(parents=True, exist_ok=True)
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    package = "k8s.io/component-base/version"
    stamps = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    linker = " ".join(["-s", "-w", *(f"-X {package}.{name}={value}" for name, value in stamps.items())])
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        output = Path(directory) / "bin"
        output.mkdir()
        subprocess.run(
            ["go", "build", "-trimpath", "-ldflags", linker, "-o", f"{output}/", "tool"],
            check=True,
            cwd=MODULE,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
        )
        # Go names a program after the last element of its path: go.etcd.io/etcd/server/v3.
        (output / "server").rename(output / "etcd")
        if not ControlPlaneBinaries(output).complete:
            raise RuntimeError(f"go build made only {sorted(path.name for path in output.iterdir())}")
        output.rename(target)


if __name__ == "__main__":
    sys.exit(main())
