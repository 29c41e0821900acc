"""Chooses and runs the API server that the tests and the demo talk to: the user's, a real one, or the embedded one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never, cast, get_args

from localcluster.assets import find_control_plane, find_kubectl
from localcluster.certificates import write_private
from localcluster.control_plane import running_control_plane
from localcluster.process import Process

# ruff: noqa: A002 - `input` is what subprocess.run calls it

ApiServerKind = Literal["user", "real", "embedded"]
KIND_VARIABLE = "CLOUDTRAIL_API_SERVER"

_TESTS = Path(__file__).parents[1]


class KubectlError(subprocess.CalledProcessError):
    """kubectl said no; what it said is part of the message."""

    def __str__(self) -> str:
        command = " ".join(self.cmd[1:])
        return f"kubectl {command} ended with code {self.returncode}: {self.stderr.strip()}"


@dataclass(frozen=True, slots=True)
class ApiServer:
    """An API server that answers, and an administrator's access to it."""

    kind: ApiServerKind
    version: str
    kubeconfig: Path

    def kubectl(
        self, *args: str, input: str | None = None, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl. Raises KubectlError on a non-zero exit code unless told not to check."""
        result = run_kubectl(self.kubeconfig, *args, input=input, timeout=timeout)
        if check and result.returncode:
            raise KubectlError(result.returncode, result.args, result.stdout, result.stderr)
        return result

    def wait_established(self, crd: str, timeout: float = 60) -> None:
        """Wait until a CRD is Established. kubectl ends with an error on a CRD that has no condition yet."""
        path = 'jsonpath={.status.conditions[?(@.type=="Established")].status}'
        deadline = time.monotonic() + timeout
        while self.kubectl("get", "crd", crd, "-o", path, check=False).stdout != "True":
            if time.monotonic() > deadline:
                raise RuntimeError(f"{crd} is not Established after {timeout:.0f} s")
            time.sleep(0.1)

    def wait_kind(self, plural: str, group: str, timeout: float = 60) -> None:
        """Wait until a CRD is served and kubectl knows it.

        A server tells of a new kind, and of its schema, a moment after the CRD is Established; and kubectl remembers for
        minutes what it was told, but for `api-resources`, which asks anew.
        """
        self.wait_established(f"{plural}.{group}", timeout)
        deadline = time.monotonic() + timeout
        while plural not in self.kubectl("api-resources", f"--api-group={group}").stdout or (
            self.kubectl("explain", plural, check=False).returncode != 0
        ):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{plural}.{group} is not served after {timeout:.0f} s")
            time.sleep(0.2)

    def describe(self) -> str:
        """Say in one line which API server this is, and how to get the real one."""
        match self.kind:
            case "user":
                return f"API server: the cluster of KUBECONFIG, {self.version}"
            case "real":
                return f"API server: real kube-apiserver {self.version} with etcd and kube-controller-manager"
            case "embedded":
                return f"API server: embedded emulator, {self.version} (for the real one, with Go: make envtest)"
            case _:
                assert_never(self.kind)


@contextmanager
def running_api_server(kind: str | None, directory: Path) -> Iterator[ApiServer]:
    """Run the API server of a kind, or the one that `choose_kind` takes, until the block ends.

    Keys, data and logs are kept in `directory`; the user's own cluster is not touched by starting or ending.
    """
    directory.mkdir(parents=True, exist_ok=True)
    chosen = parse_kind(kind) if kind else choose_kind()
    match chosen:
        case "user":
            yield describe_server(chosen, _copy_user_kubeconfig(directory))
        case "real":
            binaries = find_control_plane()
            if binaries is None:
                raise RuntimeError("the real control plane is not on this machine; build it with: make envtest")
            with running_control_plane(binaries, directory) as kubeconfig:
                yield describe_server(chosen, kubeconfig)
        case "embedded":
            with _running_embedded(directory) as kubeconfig:
                yield describe_server(chosen, kubeconfig)
        case _:
            assert_never(chosen)


def choose_kind() -> ApiServerKind:
    """Choose by `CLOUDTRAIL_API_SERVER`; else the user's if KUBECONFIG is set, the real one if at hand, the embedded."""
    named = os.environ.get(KIND_VARIABLE)
    if named:
        return parse_kind(named)
    if os.environ.get("KUBECONFIG"):
        return "user"
    return "real" if find_control_plane() else "embedded"


def parse_kind(text: str) -> ApiServerKind:
    """Check a kind that a person wrote."""
    if text not in get_args(ApiServerKind):
        raise ValueError(f"{text!r} is not an API server that we know: {', '.join(get_args(ApiServerKind))}")
    return cast("ApiServerKind", text)


def run_kubectl(
    kubeconfig: Path, *args: str, input: str | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run kubectl with nothing of the user's own settings; its discovery cache lies beside the kubeconfig."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(kubeconfig.parent),
        "KUBECONFIG": str(kubeconfig),
        "KUBECACHEDIR": str(kubeconfig.parent / "kubectl-cache"),
        "KUBERC": "off",
    }
    # No input means none: kubectl must not wait for a terminal.
    return subprocess.run(
        [str(find_kubectl()), *args],
        input=input or "",
        env=environment,
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
    )


def _copy_user_kubeconfig(directory: Path) -> Path:
    """Copy the current context alone, with its certificates, from the file or files that KUBECONFIG names."""
    command = [str(find_kubectl()), "config", "view", "--raw", "--flatten", "--minify"]
    content = subprocess.run(command, check=True, capture_output=True).stdout
    kubeconfig = directory / "user.kubeconfig"
    write_private(kubeconfig, content)
    return kubeconfig


@contextmanager
def _running_embedded(directory: Path) -> Iterator[Path]:
    kubeconfig = directory / "embedded.kubeconfig"
    kubeconfig.unlink(missing_ok=True)
    command = [sys.executable, "-m", "localcluster.embedded", "--port", "0", "--kubeconfig", str(kubeconfig)]
    environment = {**os.environ, "PYTHONPATH": str(_TESTS)}
    with Process("embedded API server", command, directory / "embedded.log", environment=environment) as server:
        # It writes the kubeconfig when it answers.
        server.wait_ready(kubeconfig.exists, timeout=30)
        try:
            yield kubeconfig
        finally:
            kubeconfig.unlink(missing_ok=True)
    _refuse_inner_errors(directory / "embedded.log")


def _refuse_inner_errors(log: Path) -> None:
    """An answer 500 may look like a fault that a test provoked: the cause must not stay in a log that nobody reads."""
    text = log.read_text(errors="replace")
    start = text.find("Traceback (most recent call last)")
    if start >= 0:
        raise RuntimeError(f"a defect of the embedded API server showed, see {log}:\n{text[start : start + 8000]}")


def describe_server(kind: ApiServerKind, kubeconfig: Path) -> ApiServer:
    """Ask a running API server which version it is. Raises RuntimeError when it does not answer."""
    result = run_kubectl(kubeconfig, "version", "-o", "json")
    if result.returncode:
        raise RuntimeError(f"the {kind} API server does not answer: {result.stderr.strip()}")
    version = json.loads(result.stdout)["serverVersion"]["gitVersion"]
    return ApiServer(kind, str(version), kubeconfig)
