"""The operator as a process of its own, with the settings and exactly the permissions of the rendered chart."""

import json
import subprocess
import sys
import urllib.error
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

    def __init__(
        self,
        server: ApiServer,
        directory: Path,
        namespaces: list[str],
        *,
        name: str = "operator",
        server_url: str | None = None,
        **values: Any,
    ) -> None:
        """Prepare it. `name` stands for the pod's; `server_url` for the API server's, as when a proxy is between."""
        self._server = server
        self._name = name
        self._server_url = server_url
        self._directory = directory
        values = FAST | {"watchNamespaces": namespaces} | values
        self._rendered = render_chart(CHART, release=RELEASE, namespace=NAMESPACE, values=values)
        self._port = free_port()
        self._runs = 0
        self.log_level = "DEBUG"
        self.program: list[str | Path] = [Path(sys.executable).parent / "cloudtrail-operator"]
        self.process: Process | None = None

    def install(self) -> None:
        """Apply the chart except for its Deployment, which this process stands for."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        documents = [namespace, *(item for item in self._rendered if item["kind"] != "Deployment")]
        text = yaml.safe_dump_all(documents)
        self._server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)
        self._server.wait_established("cloudtrailsources.cloudtrail-operator.io")

    def start(self, *, leading: bool = True) -> None:
        """Start it, wait until it is ready, and, unless it is to stand by, until it leads."""
        self._runs += 1
        self.process = Process(
            self._name,
            [*self.program, *self._container["command"][1:]],
            self._directory / f"{self._name}-{self._runs}.log",
            environment=self._build_environment(),
        )
        self.process.start()
        self.process.wait_ready(lambda: self._is_ready() and (self.is_leading() or not leading), timeout=30)

    def stop(self) -> None:
        """Stop it in order."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def check_self(self, wait_seconds: float) -> subprocess.CompletedProcess[str]:
        """Run `selfcheck` beside it, with its settings and rights, as `helm test` does."""
        command = [*self.program, "selfcheck", "--url", f"http://127.0.0.1:{self._port}", "--wait", str(wait_seconds)]
        environment = self._build_environment()
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def is_leading(self) -> bool:
        """Read from /metrics whether this process may act."""
        return "\ncloudtrail_operator_leader 1.0" in self._fetch("metrics")

    def read_problems(self, path: str = "healthz") -> list[str]:
        """Ask a probe; return what it says is wrong."""
        try:
            self._fetch(path)
        except urllib.error.HTTPError as error:
            with error:
                problems: list[str] = json.loads(error.read())["problems"]
            return problems
        return []

    def count_writes(self) -> float:
        """Read from /metrics how often this process has written to the API server since it started."""
        return self._sum_metric("cloudtrail_operator_writes_total")

    def count_looks(self) -> float:
        """Read from /metrics how often it has looked at a source."""
        return self._sum_metric("cloudtrail_operator_reconcile_total")

    def read_metric(self, name: str) -> dict[str, float]:
        """Read the values of a metric by their labels, as they stand between the braces."""
        lines = [line for line in self._fetch("metrics").splitlines() if line.startswith(f"{name}{{")]
        return {line[len(name) + 1 : line.rindex("}")]: float(line.rsplit(" ", 1)[1]) for line in lines}

    def _sum_metric(self, name: str) -> float:
        return sum(self.read_metric(name).values())

    @property
    def _container(self) -> Manifest:
        deployment = next(item for item in self._rendered if item["kind"] == "Deployment")
        container: Manifest = deployment["spec"]["template"]["spec"]["containers"][0]
        return container

    def _build_environment(self) -> dict[str, str]:
        fields = {"metadata.name": self._name, "metadata.namespace": NAMESPACE}
        settings = {
            variable["name"]: fields[variable["valueFrom"]["fieldRef"]["fieldPath"]]
            if "valueFrom" in variable
            else variable["value"]
            for variable in self._container["env"]
        }
        return settings | {
            "KUBECONFIG": str(self._write_kubeconfig()),
            "CLOUDTRAIL_LISTEN_HOST": "127.0.0.1",
            "CLOUDTRAIL_OPERATOR_LISTEN_PORT": str(self._port),
            "CLOUDTRAIL_OPERATOR_LOG_LEVEL": self.log_level,
        }

    def _write_kubeconfig(self) -> Path:
        """Write a kubeconfig with a token of the chart's ServiceAccount in a file, as a pod has one."""
        admin = yaml.safe_load(self._server.kubeconfig.read_text(encoding="utf-8"))
        token = self._server.kubectl("create", "token", RELEASE, "-n", NAMESPACE).stdout.strip()
        token_file = self._directory / f"{self._name}.token"
        token_file.write_text(token, encoding="utf-8")
        cluster = admin["clusters"][0]
        if self._server_url is not None:
            cluster = {"name": cluster["name"], "cluster": {"server": self._server_url}}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "users": [{"name": "operator", "user": {"tokenFile": str(token_file)}}],
            "contexts": [{"name": "operator", "context": {"cluster": cluster["name"], "user": "operator"}}],
            "current-context": "operator",
        }
        path = self._directory / f"{self._name}.kubeconfig"
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
