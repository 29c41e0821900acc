"""`kubectl cloudtrail …` as a person types it: the real kubectl finds the plugin in the PATH and runs it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster.assets import find_kubectl

PROGRAMS = {
    "kubectl-cloudtrail": "cloudtrail_operator.plugin",
    "kubectl_complete-cloudtrail": "cloudtrail_operator.plugin.completion",
}


class PluginShell:
    """A PATH with kubectl and the plugin in it, and nothing else."""

    def __init__(self, directory: Path, kubeconfig: Path | str) -> None:
        """Prepare it; `kubeconfig` may be several files, joined as in KUBECONFIG."""
        self.bin = directory / "bin"
        self.bin.mkdir(exist_ok=True)
        self.kubeconfig = kubeconfig
        self._home = directory
        (self.bin / "kubectl").symlink_to(find_kubectl())
        for name, module in PROGRAMS.items():
            script = self.bin / name
            script.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n', encoding="utf-8")
            script.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """What the shell exports."""
        return {
            "PATH": str(self.bin),
            "HOME": str(self._home),
            "KUBECONFIG": str(self.kubeconfig),
            "KUBERC": "off",
            "LANG": "C.UTF-8",
        }

    def run(self, *arguments: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        """Run `kubectl cloudtrail` with arguments."""
        return self.kubectl("cloudtrail", *arguments, timeout=timeout)

    def kubectl(self, *arguments: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        """Run kubectl with arguments."""
        return subprocess.run(
            ["kubectl", *arguments],
            executable=self.bin / "kubectl",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    @contextmanager
    def running(self, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """Run `kubectl cloudtrail` beside the test, which ends it; yields its process and what it prints."""
        output = self._home / "output"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["kubectl", "cloudtrail", *arguments],
                executable=self.bin / "kubectl",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
            )
        try:
            yield process, output
        finally:
            process.kill()
            process.wait()

    def ok(self, *arguments: str) -> str:
        """Run `kubectl cloudtrail`, which must succeed; return what it printed."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def refused(self, *arguments: str, code: int = 1) -> str:
        """Run `kubectl cloudtrail`, which must end with this code; return what it said on standard error."""
        result = self.run(*arguments)
        assert result.returncode == code, f"{result.returncode}: {result.stdout}{result.stderr}"
        assert "Traceback" not in result.stderr, result.stderr
        return result.stderr
