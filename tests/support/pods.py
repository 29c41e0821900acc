"""Pods without a node: a test plays the kubelet by writing their status, and a collector by answering /status."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from localcluster.apiserver import ApiServer

Manifest = dict[str, Any]


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """Poll until the condition returns something true; return that."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"in {seconds:g} s it did not happen that {what}"
        time.sleep(0.1)


class CollectorStub:
    """Answers GET /status on a loopback address of its own, with whatever the test sets as its report."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.report: Manifest | None = None


@contextmanager
def collector_stub() -> Iterator[CollectorStub]:
    """Run a stub at port 8080 of an address of its own in 127.0.0.0/8: other test runs may have theirs."""
    stub = CollectorStub(f"127.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}.{2 + secrets.randbelow(250)}")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(stub.report or {}).encode()
            self.send_response(200 if stub.report else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer((stub.address, 8080), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def build_report(config_hash: str, **changes: Any) -> Manifest:
    """Build the report of a collector that is well; changes by their JSON names."""
    now = datetime.now(UTC).isoformat()
    report = {
        "version": "0.1.0",
        "configHash": config_hash,
        "mode": "Test",
        "state": "Receiving",
        "startedAt": now,
        "lastReceiveAt": now,
        "checks": [build_check(kind) for kind in ("CredentialsValid", "QueueReachable")],
    }
    return {name: value for name, value in (report | changes).items() if value is not None}


def build_check(kind: str, status: str = "True", reason: str = "Succeeded", message: str = "it worked") -> Manifest:
    """Build one check of a report."""
    return {"type": kind, "status": status, "reason": reason, "message": message}


def build_pod_status(address: str, *, ready: bool = True, **container: Any) -> Manifest:
    """Build the status of a pod that runs at an address; `container` overrides fields of its container's status."""
    word = "True" if ready else "False"
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [
            {"type": kind, "status": word, "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")
        ],
        "containerStatuses": [
            {
                "name": "collector",
                "image": "stub",
                "imageID": "",
                "ready": ready,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
            | container
        ],
    }


def write_pod_status(server: ApiServer, pod: Manifest, address: str, *, ready: bool = True, **container: Any) -> None:
    """Play the kubelet: the pod runs at an address; `container` overrides fields of its container's status."""
    metadata = pod["metadata"]
    patch = json.dumps({"status": build_pod_status(address, ready=ready, **container)})
    server.kubectl(
        "patch", "pod", metadata["name"], "-n", metadata["namespace"],
        "--subresource=status", "--type=merge", "-p", patch,
    )  # fmt: skip
