"""A collector whose pod has no identity: it must not take its node's, which every pod of the node could share."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from integration.collector_process import Collector, wait_until
from support.observations import build_wanted
from support.sources import build_spec

KEYS = {
    "Code": "Success",
    "AccessKeyId": "ASIANODE",
    "SecretAccessKey": "node",
    "Token": "node",
    "Expiration": "2099-01-01T00:00:00Z",
}


class MetadataService(ThreadingHTTPServer):
    """Plays EC2's metadata service, which has keys for whoever asks; `asked` has the paths."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: MetadataService

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = "node-role" if self.path.endswith("/") else json.dumps(KEYS)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_PUT(self) -> None:
        """Answer the request for a session token."""
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Say nothing."""


@pytest.fixture
def metadata_service() -> Iterator[MetadataService]:
    with MetadataService() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _read_pod_variables() -> dict[str, str]:
    """Read what the operator sets for EKS Pod Identity; without an association nothing comes to it."""
    manifests = build_wanted(roleArn=None, credentials={"type": "PodIdentity"}).manifests
    deployment = next(manifest for manifest in manifests if manifest["kind"] == "Deployment")
    variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return {variable["name"]: variable["value"] for variable in variables if variable["name"].startswith("AWS_")}


@pytest.mark.parametrize("guarded", [True, False], ids=["as rendered", "with the guard off"])
def test_pod_without_an_identity_asks_its_node_for_none(
    guarded: bool, metadata_service: MetadataService, tmp_path: Path
) -> None:
    """T-48: the same collector does ask when it is told to, which a source cannot do."""
    variables = _read_pod_variables() | ({} if guarded else {"AWS_EC2_METADATA_DISABLED": "false"})
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(tmp_path)}
    spec = build_spec(roleArn=None, endpointUrl="http://127.0.0.1:9")
    environment = nobody | variables | {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata_service.url}
    collector = Collector(tmp_path, spec, environment)
    collector.start()
    try:
        checks = ("CredentialsValid", "QueueReachable")
        wait_until(lambda: "False" in {collector.read_check(kind)["status"] for kind in checks}, "a check to fail")
        refused = collector.read_check("CredentialsValid")
    finally:
        collector.kill()
    assert bool(metadata_service.asked) is not guarded
    assert (refused["reason"] == "CredentialsRejected") is guarded
