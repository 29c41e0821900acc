"""What happens to Pods when the node agent or its way to the API server fails, on an agent of the test's own."""

import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from localcluster.apiserver import ApiServer
from localcluster.node.layout import NodeLayout
from localcluster.process import Process

TESTS = Path(__file__).parents[1]
SLEEP = "import time; time.sleep(600)"


class Link:
    """A TCP relay to the API server that can be cut and mended."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._up = True
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._up = False
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._up = True

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._up:
                near.close()
                continue
            pair = (near, socket.create_connection(self._target))
            self._pairs.append(pair)
            threading.Thread(target=_relay, args=pair, daemon=True).start()


def _relay(near: socket.socket, far: socket.socket) -> None:
    other = {near: far, far: near}
    with near, far, selectors.DefaultSelector() as selector:
        for end in other:
            selector.register(end, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                end = near if key.fileobj is near else far
                try:
                    data = end.recv(65536)
                    other[end].sendall(data)
                except OSError:
                    return
                if not data:
                    return


@dataclass
class Node:
    """A node agent that takes only Pods made for it, reached over a link that the test can cut."""

    api: ApiServer
    namespace: str
    name: str
    directory: Path
    link: Link
    agent: Process | None = None

    @property
    def layout(self) -> NodeLayout:
        return NodeLayout(self.directory / "node")

    def start_agent(self) -> None:
        command = [sys.executable, "-m", "localcluster.node", "--kubeconfig", str(self.directory / "kubeconfig")]
        command += ["--name", self.name, "--directory", str(self.layout.directory), "--leave-scheduling"]
        command += ["--path-prefix", str(Path(sys.executable).parent)]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TESTS)}
        self.layout.ready.unlink(missing_ok=True)
        self.agent = Process("node agent", command, self.directory / "node.log", environment=environment)
        self.agent.start()
        self.agent.wait_ready(self.layout.ready.exists, timeout=20)

    def kill_agent(self) -> None:
        assert self.agent is not None
        os.kill(self.agent.pid, signal.SIGKILL)
        self.agent.stop()

    def apply_pod(self, name: str, **spec: object) -> None:
        container = {"name": "main", "image": "example.org/python:3", "command": ["python", "-c", SLEEP]}
        fields = {"containers": [container], "nodeName": self.name, "terminationGracePeriodSeconds": 1, **spec}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": fields}
        self.api.kubectl("apply", "-n", self.namespace, "-f", "-", input=json.dumps(pod))

    def wait_ready(self, name: str) -> None:
        self.api.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "-n", self.namespace, "--timeout=20s")

    def get(self, name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.kubectl("get", "pod", name, "-o", "json"))
        return found

    def kubectl(self, *arguments: str) -> str:
        return self.api.kubectl(*arguments, "-n", self.namespace).stdout

    def uid(self, name: str) -> str:
        return self.kubectl("get", "pod", name, "-o", "jsonpath={.metadata.uid}")

    def process_id(self, name: str) -> int:
        return self.layout.read_process_id(self.uid(name), "main")


@pytest.fixture
def node(api_server: ApiServer, namespace: str, tmp_path: Path) -> Iterator[Node]:
    config = yaml.safe_load(api_server.kubeconfig.read_text(encoding="utf-8"))
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    assert server.hostname is not None
    link = Link(server.hostname, server.port or 443)
    config["clusters"][0]["cluster"]["server"] = f"{server.scheme}://127.0.0.1:{link.port}"
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config), encoding="utf-8")
    running = Node(api_server, namespace, f"node-{namespace}", tmp_path, link)
    running.start_agent()
    try:
        yield running
    finally:
        link.mend()
        if running.agent is not None:
            running.agent.stop()
        api_server.kubectl("delete", "node", running.name, "--ignore-not-found")
        api_server.kubectl("delete", "pods", "--all", "-n", namespace, "--force", "--grace-period=0")
        link.close()


def wait_until(holds: Callable[[], bool], timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.1)


def is_alive(process_id: int) -> bool:
    try:
        # A killed process stays in the table until its new parent has taken notice.
        return Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_processes_die_with_a_killed_agent_and_run_again_under_the_next_one(node: Node) -> None:
    node.apply_pod("victim")
    node.wait_ready("victim")
    process_id, address = (
        node.process_id("victim"),
        node.kubectl("get", "pod", "victim", "-o", "jsonpath={.status.podIP}"),
    )
    node.kill_agent()
    wait_until(lambda: not is_alive(process_id), timeout=5)
    node.start_agent()
    restarts = "jsonpath={.status.containerStatuses[0].restartCount}"
    node.kubectl("wait", f"--for={restarts}=1", "pod/victim", "--timeout=20s")
    node.wait_ready("victim")
    assert is_alive(node.process_id("victim"))
    assert node.kubectl("get", "pod", "victim", "-o", "jsonpath={.status.podIP}") == address


def test_pod_deleted_while_no_agent_ran_leaves_nothing_behind(node: Node) -> None:
    for name in ("forced", "gentle"):
        node.apply_pod(name)
        node.wait_ready(name)
    folders = [node.layout.pod(node.uid(name)) for name in ("forced", "gentle")]
    node.kill_agent()
    node.kubectl("delete", "pod", "forced", "--force", "--grace-period=0")
    node.kubectl("delete", "pod", "gentle", "--wait=false")
    assert all(folder.exists() for folder in folders)
    node.start_agent()
    node.kubectl("wait", "--for=delete", "pod/gentle", "--timeout=20s")
    wait_until(lambda: not any(folder.exists() for folder in folders))


def test_pods_run_on_through_an_outage_of_the_api_and_changes_are_noticed_after_it(node: Node) -> None:
    for name in ("stays", "goes"):
        node.apply_pod(name)
        node.wait_ready(name)
    staying, going = node.process_id("stays"), node.process_id("goes")
    node.link.cut()
    node.kubectl("delete", "pod", "goes", "--wait=false")
    node.apply_pod("comes")
    wait_until(lambda: "interrupted" in (node.directory / "node.log").read_text(encoding="utf-8"))
    assert is_alive(going), "nothing can have told the agent yet"
    node.link.mend()
    node.kubectl("wait", "--for=delete", "pod/goes", "--timeout=20s")
    node.wait_ready("comes")
    assert not is_alive(going)
    assert is_alive(staying)
    assert node.kubectl("get", "pod", "stays", "-o", "jsonpath={.status.containerStatuses[0].restartCount}") == "0"


def test_status_that_changed_during_an_outage_is_written_after_it(node: Node) -> None:
    node.apply_pod("victim")
    node.wait_ready("victim")
    node.link.cut()
    os.kill(node.process_id("victim"), signal.SIGKILL)
    node.link.mend()
    restarts = "jsonpath={.status.containerStatuses[0].restartCount}"
    node.kubectl("wait", f"--for={restarts}=1", "pod/victim", "--timeout=20s")


def test_agent_that_is_asked_to_stop_stops_its_processes_but_keeps_the_pods(node: Node) -> None:
    node.apply_pod("orphan")
    node.wait_ready("orphan")
    process_id = node.process_id("orphan")
    assert node.agent is not None
    node.agent.stop()
    assert node.agent.exit_code == 0
    assert not is_alive(process_id)
    assert node.kubectl("get", "pod", "orphan", "-o", "jsonpath={.status.phase}") == "Running"


def test_pod_that_cannot_run_here_does_not_hinder_the_others(node: Node) -> None:
    node.apply_pod("odd", volumes=[{"name": "host", "hostPath": {"path": "/"}}])
    node.apply_pod("even")
    node.wait_ready("even")
    events = node.kubectl("get", "events", "-o", "jsonpath={.items[*].message}")
    assert "volumes of kind hostPath are not supported" in events
