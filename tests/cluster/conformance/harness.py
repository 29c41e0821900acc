"""What the conformance tests talk through: kubectl in one namespace, and builders of small objects."""

import base64
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from localcluster.apiserver import ApiServer

DATA = Path(__file__).parent
GROUP = "conformance.example.com"

T = TypeVar("T")


def poll(probe: Callable[[], T | None], seconds: float = 20) -> T:
    """Ask until there is an answer; fails when the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = probe()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"nothing within {seconds} s")


class Cluster:
    """An API server, and the namespace of one test."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self.namespace = namespace

    def run(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.server.kubectl("-n", self.namespace, *args, input=stdin, check=False)

    def ok(self, *args: str, stdin: str | None = None) -> str:
        return self.server.kubectl("-n", self.namespace, *args, input=stdin).stdout

    def refused(self, *args: str, stdin: str | None = None) -> str:
        result = self.run(*args, stdin=stdin)
        assert result.returncode != 0, f"accepted: {result.stdout}"
        return result.stderr

    def get(self, *args: str) -> dict[str, Any]:
        obj: dict[str, Any] = json.loads(self.ok("get", *args, "-o", "json", "--show-managed-fields"))
        return obj

    def raw(self, path: str) -> str:
        return self.server.kubectl("get", "--raw", path).stdout

    def apply(self, *objs: dict[str, Any], args: tuple[str, ...] = ()) -> str:
        return self.ok("apply", "-f", "-", *args, stdin=json.dumps(listed(*objs)))

    def ssa(self, obj: dict[str, Any], manager: str, *args: str) -> subprocess.CompletedProcess[str]:
        command = ("apply", "--server-side", "--field-manager", manager, "--validate=false", "-f", "-", *args)
        return self.run(*command, stdin=json.dumps(obj))

    def gone(self, *args: str) -> None:
        """Wait as long as a real garbage collector may take to hear of a kind whose CRD is new: it looks every 30 s."""
        poll(lambda: self.run("get", *args).returncode != 0, seconds=90)


def listed(*objs: dict[str, Any]) -> dict[str, Any]:
    return objs[0] if len(objs) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(objs)}


def widget(named: str = "w", /, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": {"name": named}, "spec": {"size": 1, **spec}}


def config_map(name: str, **metadata: Any) -> dict[str, Any]:
    data = metadata.pop("data", {"a": "1"})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data}


def deployment(name: str = "web", image: str = "img:1", replicas: int = 2, **strategy: Any) -> dict[str, Any]:
    container = {"name": "main", "image": image, "env": [{"name": "A", "value": "1"}]}
    spec: dict[str, Any] = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
    }
    if strategy:
        spec["strategy"] = strategy
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def pod(name: str = "p") -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "img:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def watch_events(cluster: Cluster, path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cluster.raw(path).splitlines()]


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def make_ready(cluster: Cluster, name: str) -> None:
    """Do what a node would."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
        "containerStatuses": [
            {"name": "main", "ready": True, "restartCount": 0, "image": "i", "imageID": "", "state": {"running": {}}}
        ],
    }
    cluster.run("patch", "pod", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def pods_of(cluster: Cluster, app: str = "web") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = cluster.get("pods", "-l", f"app={app}")["items"]
    return [item for item in items if not item["metadata"].get("deletionTimestamp")]
