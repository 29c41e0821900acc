"""The operator as a process of its own, with the settings and exactly the permissions of the rendered chart."""

import sys
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from localcluster.apiserver import ApiServer
from localcluster.cluster import render_chart
from localcluster.process import Process, free_port

NAMESPACE = "cloudtrail-system"
RELEASE = "cloudtrail-operator"
CHART = Path(__file__).parents[2] / "charts" / "cloudtrail-operator"

Manifest = dict[str, Any]

# Tests want to see changes at once.
FAST = {"pollSeconds": 0.5, "statusSeconds": 1}


class OperatorProcess:
    """An operator for some namespaces of an API server (none: all). Start it as often as you like."""

    def __init__(self, server: ApiServer, directory: Path, namespaces: list[str], **values: Any) -> None:
        self._server = server
        self._directory = directory
        values = FAST | {"watchNamespaces": namespaces} | values
        self._rendered = render_chart(CHART, release=RELEASE, namespace=NAMESPACE, values=values)
        self._port = free_port()
        self._runs = 0
        self.process: Process | None = None

    def install(self) -> None:
        """Apply the chart except for its Deployment, which this process stands for."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        documents = [namespace, *(item for item in self._rendered if item["kind"] != "Deployment")]
        text = yaml.safe_dump_all(documents)
        self._server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)
        self._server.wait_established("cloudtrailsources.cloudtrail-operator.io")

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self._runs += 1
        self.process = Process(
            "operator",
            [Path(sys.executable).parent / "cloudtrail-operator", *self._container["command"][1:]],
            self._directory / f"operator-{self._runs}.log",
            environment=self._build_environment(),
        )
        self.process.start()
        self.process.wait_ready(self._is_ready, timeout=30)

    def stop(self) -> None:
        """Stop it in order."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def count_writes(self) -> float:
        """Read from /metrics how often this process has written to the API server since it started."""
        return self._sum_metric("cloudtrail_operator_writes_total")

    def count_looks(self) -> float:
        """Read from /metrics how often it has looked at a source."""
        return self._sum_metric("cloudtrail_operator_reconcile_total")

    def _sum_metric(self, name: str) -> float:
        lines = [line for line in self._fetch("metrics").splitlines() if line.startswith(f"{name}{{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    @property
    def _container(self) -> Manifest:
        deployment = next(item for item in self._rendered if item["kind"] == "Deployment")
        container: Manifest = deployment["spec"]["template"]["spec"]["containers"][0]
        return container

    def _build_environment(self) -> dict[str, str]:
        settings = {variable["name"]: variable["value"] for variable in self._container["env"]}
        return settings | {
            "KUBECONFIG": str(self._write_kubeconfig()),
            "CLOUDTRAIL_LISTEN_HOST": "127.0.0.1",
            "CLOUDTRAIL_OPERATOR_LISTEN_PORT": str(self._port),
            "CLOUDTRAIL_OPERATOR_LOG_LEVEL": "DEBUG",
        }

    def _write_kubeconfig(self) -> Path:
        """Write a kubeconfig with a token of the chart's ServiceAccount in a file, as a pod has one."""
        admin = yaml.safe_load(self._server.kubeconfig.read_text(encoding="utf-8"))
        token = self._server.kubectl("create", "token", RELEASE, "-n", NAMESPACE).stdout.strip()
        token_file = self._directory / "token"
        token_file.write_text(token, encoding="utf-8")
        cluster = admin["clusters"][0]
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "users": [{"name": "operator", "user": {"tokenFile": str(token_file)}}],
            "contexts": [{"name": "operator", "context": {"cluster": cluster["name"], "user": "operator"}}],
            "current-context": "operator",
        }
        path = self._directory / "operator.kubeconfig"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path

    def _is_ready(self) -> bool:
        try:
            self._fetch("readyz")
        except OSError:
            return False
        return True

    def _fetch(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{path}", timeout=5) as answer:
            body: bytes = answer.read()
        return body.decode()
