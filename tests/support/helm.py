"""Helm as a user runs it, 3 or 4, with nothing of the user's own settings."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from localcluster.assets import find_helm
from localcluster.cluster import parse_manifests

MAJORS = (3, 4)
CHARTS = Path(__file__).parents[2] / "charts"
OPERATOR_CHART = CHARTS / "cloudtrail-operator"
SOURCES_CHART = CHARTS / "cloudtrail-sources"

Manifest = dict[str, Any]


class HelmError(RuntimeError):
    """Helm said no, in the words of the text."""


@dataclass(frozen=True, slots=True)
class Helm:
    """One version of Helm, and maybe a cluster for it."""

    major: int
    home: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: str | Path, values: Manifest | None = None, timeout: float = 180) -> str:
        """Run it with values on standard input; return what it printed. Raises HelmError."""
        command = [str(find_helm(self.major)), *map(str, arguments), *(["-f", "-"] if values is not None else [])]
        environment = {"PATH": os.defpath, "HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig or os.devnull)}
        done = subprocess.run(
            command, input=yaml.safe_dump(values) if values is not None else "", env=environment, timeout=timeout,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise HelmError(f"helm {' '.join(command[1:])}: {done.stderr.strip()}\n{done.stdout.strip()}")
        return done.stdout

    def render(self, chart: Path, values: Manifest, **cluster: Any) -> list[Manifest]:
        """Render a chart, tests included, as `template` does."""
        return parse_manifests(self.template(chart, values, **cluster))

    def template(
        self,
        chart: Path,
        values: Manifest,
        *,
        namespace: str,
        release: str = "ct",
        api_versions: Sequence[str] = (),
        kube_version: str = "1.36",
    ) -> str:
        """Render a chart for a cluster that serves these versions besides Kubernetes' own."""
        served = [option for version in api_versions for option in ("--api-versions", version)]
        cluster = ["--namespace", namespace, "--kube-version", kube_version, *served]
        return self.run("template", release, chart, *cluster, values=values)
