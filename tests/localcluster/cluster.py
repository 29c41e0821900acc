"""The local cluster as one thing: an API server, a node that runs Pods, and short ways to look at both."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from localcluster.apiserver import ApiServer, running_api_server
from localcluster.assets import find_helm
from localcluster.node.layout import NodeLayout
from localcluster.node.registration import TAINT
from localcluster.process import Process

# ruff: noqa: A002 - `input` is what subprocess.run calls it

NODE_NAME = "local"
OPERATOR_RELEASE = "cloudtrail-operator"
OPERATOR_NAMESPACE = "cloudtrail-system"

_OPERATOR_SELECTOR = "app.kubernetes.io/name=cloudtrail-operator"
CRD = "cloudtrailsources.cloudtrail-operator.io"
_TESTS = Path(__file__).parents[1]
_CHART = _TESTS.parent / "charts" / "cloudtrail-operator"

Manifest = dict[str, Any]


class LocalCluster:
    """A context manager. Leaving it, for whatever reason, stops every process that it or its Pods started."""

    def __init__(self, directory: Path, *, kind: str | None = None, api_server: ApiServer | None = None) -> None:
        """Use the given API server, or start one of the given kind (None: the best at hand) together with the node."""
        self.directory = directory
        self.node_layout = NodeLayout(directory / "node")
        self._kind = kind
        self._given = api_server
        self._running: ApiServer | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._running = self._given or stack.enter_context(
                running_api_server(self._kind, self.directory / "api-server")
            )
            self._start_node(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def api_server(self) -> ApiServer:
        """The API server in use."""
        if self._running is None:
            raise RuntimeError("the local cluster was not started")
        return self._running

    @property
    def kubeconfig(self) -> Path:
        """An administrator's access."""
        return self.api_server.kubeconfig

    def describe(self) -> str:
        """Say in one line which API server this is."""
        return self.api_server.describe()

    def kubectl(
        self, *args: str, input: str | None = None, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl as administrator."""
        return self.api_server.kubectl(*args, input=input, check=check, timeout=timeout)

    def apply(self, manifest: Manifest | str, *, namespace: str | None = None) -> str:
        """Apply a manifest (YAML text may hold several) as a user does; returns what kubectl printed."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self.kubectl("apply", *_in_namespace(namespace), "-f", "-", input=text).stdout

    def get(self, resource: str, *, namespace: str | None = None) -> Manifest:
        """Read one resource, `kind/name`."""
        found = self.kubectl("get", resource, *_in_namespace(namespace), "-o", "json").stdout
        manifest: Manifest = json.loads(found)
        return manifest

    def wait(self, resource: str, condition: str, *, namespace: str | None = None, timeout: float = 60) -> None:
        """Wait for `kind/name` as `kubectl wait` does: `condition=Ready`, `delete`, `jsonpath=…=…`."""
        self.kubectl(
            "wait", f"--for={condition}", resource, *_in_namespace(namespace), f"--timeout={timeout:.0f}s",
            timeout=timeout + 10,
        )  # fmt: skip

    def pods(self, namespace: str, selector: str | None = None) -> list[Manifest]:
        """List the Pods that the API server knows."""
        chosen = ["-l", selector] if selector else []
        found = self.kubectl("get", "pods", "-n", namespace, *chosen, "-o", "json").stdout
        items: list[Manifest] = json.loads(found)["items"]
        return items

    def pod_logs(self, pod: Manifest, container: str | None = None, *, previous: bool = False) -> str:
        """Read a container's log (the first container's, unless named); empty before it has started."""
        folder = self.node_layout.pod_logs(pod["metadata"]["uid"])
        name = container or str(pod["spec"]["containers"][0]["name"])
        path = folder / (f"{name}.previous.log" if previous else f"{name}.log")
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def pod_stdout(self, namespace: str, selector: str) -> dict[str, list[str]]:
        """Read the lines on standard output by Pod name, of all Pods that ever ran here and match the labels.

        Only of Pods annotated with `cloudtrail-operator.io/split-stdout: "true"`; in the order in which they started,
        restarts of a container included. A last line that is not complete yet is left out.
        """
        return {
            record.name: _complete_lines(path)
            for record in self.node_layout.records(namespace, _parse_selector(selector))
            for path in sorted(self.node_layout.pod_logs(record.uid).glob("*.stdout"))
        }

    def kill_pod_process(self, pod: Manifest, number: signal.Signals, container: str | None = None) -> None:
        """Send a signal to the process of a running container."""
        name = container or str(pod["spec"]["containers"][0]["name"])
        os.kill(self.node_layout.read_process_id(pod["metadata"]["uid"], name), number)

    def install_operator(
        self, values: Manifest, *, namespace: str = OPERATOR_NAMESPACE, release: str = OPERATOR_RELEASE
    ) -> None:
        """Install the chart as a user without Helm's cluster state does, and wait until the operator is available.

        On the user's own cluster the Pods are sent to our node, and everything is removed when the block ends.
        """
        if self.api_server.kind == "user":
            values = _place_on_our_node(values)
        rendered = render_chart(_CHART, release=release, namespace=namespace, values=values)
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        if self.api_server.kind == "user":
            self._stack.callback(self._remove, rendered, namespace)
        definitions = [document for document in rendered if document["kind"] == "CustomResourceDefinition"]
        others = [document for document in rendered if document["kind"] != "CustomResourceDefinition"]
        for documents in (definitions, others):
            text = yaml.safe_dump_all(documents)
            self.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", input=text)
            for document in documents:
                self._wait_installed(document, namespace)

    def stop_operator(self, *, namespace: str = OPERATOR_NAMESPACE) -> None:
        """Delete the operator's Deployment and wait until its Pods are gone; CRD, sources and workloads stay."""
        self.kubectl("delete", "deployment", "-n", namespace, "-l", _OPERATOR_SELECTOR)
        self.kubectl(
            "wait", "--for=delete", "pod", "-n", namespace, "-l", _OPERATOR_SELECTOR, "--timeout=60s", timeout=70
        )

    def create_namespace(self, name: str) -> None:
        """Create a namespace; on the user's own cluster it is deleted when the block ends."""
        self.kubectl("create", "namespace", name)
        if self.api_server.kind == "user":
            self._stack.callback(self.kubectl, "delete", "namespace", name, check=False, timeout=120)

    def _remove(self, manifests: list[Manifest], namespace: str) -> None:
        text = yaml.safe_dump_all(manifests)
        self.kubectl("delete", "--ignore-not-found", "-n", namespace, "-f", "-", input=text, check=False, timeout=120)
        self.kubectl("delete", "namespace", namespace, check=False, timeout=120)

    def _wait_installed(self, document: Manifest, namespace: str) -> None:
        name = document["metadata"]["name"]
        if document["kind"] == "CustomResourceDefinition":
            self.api_server.wait_established(name)
        if document["kind"] == "Deployment":
            self.wait(f"deployment/{name}", "condition=Available", namespace=namespace)

    def _start_node(self, stack: ExitStack) -> None:
        options: list[str | Path] = [
            "--kubeconfig",
            self.kubeconfig,
            "--name",
            NODE_NAME,
            "--directory",
            self.node_layout.directory,
        ]
        options += ["--path-prefix", Path(sys.executable).parent]
        if self.api_server.kind == "user":
            options.append("--leave-scheduling")
        command = [sys.executable, "-m", "localcluster.node", *options]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.directory),
            "PYTHONPATH": str(_TESTS),
        }
        node = Process("node agent", command, self.directory / "node.log", environment=environment)
        # It gives its Pods their own grace periods when it is stopped.
        stack.callback(node.stop, grace=20)
        node.start()
        node.wait_ready(self.node_layout.ready.exists, timeout=30)


def refuse_installed(server: ApiServer) -> None:
    """Raise RuntimeError when a cluster, the user's own, has an installation already: nothing of it may be touched."""
    for resource in (f"crd/{CRD}", f"namespace/{OPERATOR_NAMESPACE}"):
        if server.kubectl("get", resource, check=False).returncode == 0:
            raise RuntimeError(f"the cluster of KUBECONFIG has {resource} already; nothing of it was touched")


def _place_on_our_node(values: Manifest) -> Manifest:
    placement = {
        "nodeSelector": {"kubernetes.io/hostname": NODE_NAME},
        "tolerations": [{"key": TAINT, "operator": "Exists"}],
    }
    return {**values, **placement, "collector": {**values.get("collector", {}), **placement}}


def render_chart(chart: Path, *, release: str, namespace: str, values: Manifest) -> list[Manifest]:
    """Render a chart's manifests, but for its tests, with `helm template`."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(values, file)
        file.flush()
        command = [find_helm(), "template", release, chart, "--namespace", namespace, "--skip-tests", "-f", file.name]
        result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"helm template failed: {result.stderr.strip()}")
    return parse_manifests(result.stdout)


def parse_manifests(text: str) -> list[Manifest]:
    """Parse YAML documents, of which CRDs are long: the loader in C takes a tenth of the time."""
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]


def _in_namespace(namespace: str | None) -> list[str]:
    return ["-n", namespace] if namespace else []


def _parse_selector(selector: str) -> dict[str, str]:
    """`a=b,c=d` -> labels that must be equal; no other form is needed here."""
    pairs = (part.partition("=") for part in selector.split(",") if part)
    return {name.strip(): value.strip("= ") for name, _, value in pairs}


def _complete_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]
