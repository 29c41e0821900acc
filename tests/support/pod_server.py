"""A pod that no node runs: the test serves what it serves, at an address that a real API server's proxy connects to."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from localcluster.apiserver import ApiServer
from localcluster.node.addresses import find_machine_addresses

Answer = Callable[[str, Mapping[str, str]], tuple[int, str]]
"""Path with query, and headers → code and body."""


def find_reachable_address() -> str:
    """Find an address of this machine that is not on loopback; the test is skipped where there is none."""
    addresses = find_machine_addresses()
    if not addresses:
        pytest.skip("this machine has no address but loopback, to which an API server does not proxy")
    return addresses[0]


@contextmanager
def serving(address: str, answer: Answer) -> Iterator[int]:
    """Answer GET requests until the block ends; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, text = answer(self.path, dict(self.headers.items()))
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer((address, 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def place_pod(
    server: ApiServer,
    namespace: str,
    name: str,
    address: str | None,
    port: int,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Create a pod that no node takes, and say of it that it runs at an address."""
    container = {"name": "collector", "image": "stub", "ports": [{"name": "http", "containerPort": port}]}
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    spec = {"schedulerName": "nobody", "containers": [container]}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    server.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    if address is None:
        return
    state = {"name": "collector", "image": "stub", "imageID": "", "ready": True, "restartCount": 0}
    status = {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "containerStatuses": [state | {"state": {"running": {}}}],
    }
    server.kubectl(
        "patch", "pod", name, "-n", namespace,
        "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}),
    )  # fmt: skip
