"""A real Prometheus that scrapes pods, with the relabelling of the chart's PodMonitors or of a person's own.

Debian's Prometheus is built without discovery in Kubernetes: what that would tell about pods is written to a file.
"""

import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from localcluster.process import Process, free_port
from localcluster.prometheus import PrometheusPrograms

Manifest = dict[str, Any]

_META = "__meta_kubernetes_pod_"


class Prometheus:
    """Asks a running server."""

    def __init__(self, url: str, targets: Path) -> None:
        self._url = url
        self._targets = targets

    def discover(self, pods: Sequence[Manifest]) -> None:
        """Tell of all pods that there are."""
        targets = [target for pod in pods for target in _build_targets(pod)]
        written = self._targets.with_suffix(".tmp")
        written.write_text(json.dumps(targets), encoding="utf-8")
        written.replace(self._targets)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5):  # noqa: S310  (loopback)
                return True
        except OSError:
            return False

    def query(self, expr: str, at: float | None = None) -> list[Manifest]:
        """Run an instant query; the series with their values. AssertionError for an expression that is refused."""
        asked = {"query": expr} | ({"time": str(at)} if at is not None else {})
        result: list[Manifest] = self._get("query", asked)["result"]
        return result

    def query_range(self, expr: str, begin: float, end: float, step: float) -> list[Manifest]:
        """Run a query for every step of a time; the series with their values, [when, value] each."""
        asked = {"query": expr, "start": str(begin), "end": str(end), "step": str(step)}
        result: list[Manifest] = self._get("query_range", asked)["result"]
        return result

    def read_rules(self) -> list[Manifest]:
        """Read all rules with their health."""
        return [rule for group in self._get("rules", {})["groups"] for rule in group["rules"]]

    def _get(self, path: str, parameters: dict[str, str]) -> Any:
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  (loopback)
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error


@contextmanager
def running_prometheus(
    programs: PrometheusPrograms, scrapes: Sequence[Manifest], rules: Sequence[Manifest], directory: Path
) -> Iterator[Prometheus]:
    """Run a server with these scrape_configs, for which `discover` tells of pods; scrapes and evaluates each second."""
    for index, document in enumerate(rules):
        (directory / f"rules-{index}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    targets = directory / "pods.json"
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules-*.yaml"],
        "scrape_configs": [_read_pods_from(targets, scrape) for scrape in scrapes],
    }
    path = directory / "prometheus.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    options = {"config.file": path, "storage.tsdb.path": directory / "data", "web.listen-address": address}
    command = [str(programs.prometheus), *(f"--{name}={value}" for name, value in options.items())]
    environment = {"PATH": os.environ["PATH"]}
    with Process("prometheus", command, directory / "prometheus.log", environment=environment) as process:
        server = Prometheus(f"http://{address}", targets)
        process.wait_ready(server.is_ready, timeout=30)
        yield server


def build_scrapes(rendered: Sequence[Manifest]) -> list[Manifest]:
    """Build the scrape_configs that the Prometheus Operator makes of the PodMonitors among rendered manifests."""
    return [
        _build_scrape(item, endpoint)
        for item in rendered
        if item["kind"] == "PodMonitor"
        for endpoint in item["spec"]["podMetricsEndpoints"]
    ]


def _read_pods_from(targets: Path, scrape: Manifest) -> Manifest:
    (discovery,) = scrape["kubernetes_sd_configs"]
    assert discovery == {"role": "pod"}
    kept = {name: value for name, value in scrape.items() if name != "kubernetes_sd_configs"}
    return kept | {"file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}]}


def _build_scrape(monitor: Manifest, endpoint: Manifest) -> Manifest:
    spec, metadata = monitor["spec"], monitor["metadata"]
    job = f"{metadata['namespace']}/{metadata['name']}"
    kept = [_keep(f"label_{name}", value) for name, value in spec["selector"]["matchLabels"].items()]
    namespaces = "|".join(spec["namespaceSelector"].get("matchNames", [".*"]))
    return {
        "job_name": f"podMonitor/{job}",
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint.get("honorLabels", False),
        "kubernetes_sd_configs": [{"role": "pod"}],
        "relabel_configs": [
            {"action": "keep", "source_labels": ["__meta_kubernetes_namespace"], "regex": namespaces},
            *kept,
            _keep("container_port_name", endpoint["port"]),
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": [f"{_META}container_name"], "target_label": "container"},
            {"source_labels": [f"{_META}name"], "target_label": "pod"},
            {"target_label": "job", "replacement": job},
            *({_to_snake(key): value for key, value in rule.items()} for rule in endpoint["relabelings"]),
        ],
    }


def _build_targets(pod: Manifest) -> Iterator[Manifest]:
    """Build what discovery in Kubernetes tells of a pod: a target for each port of each container."""
    metadata = pod["metadata"]
    labels = {f"{_META}name": metadata["name"], "__meta_kubernetes_namespace": metadata["namespace"]}
    labels |= {_to_label(f"label_{name}"): value for name, value in metadata["labels"].items()}
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", []):
            about = {f"{_META}container_name": container["name"], f"{_META}container_port_name": port["name"]}
            yield {"targets": [f"{pod['status']['podIP']}:{port['containerPort']}"], "labels": labels | about}


def _keep(name: str, value: str) -> Manifest:
    return {"action": "keep", "source_labels": [_to_label(name)], "regex": re.escape(value)}


def _to_label(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", f"{_META}{name}")


def _to_snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name)
