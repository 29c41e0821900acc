"""A company's network: the collector reaches AWS only through a proxy that opens TLS, by overrides of its pods alone."""

import json
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from integration.http_sink import HttpSinkServer, to_sink
from localcluster.aws import AwsEndpoint, running_aws
from localcluster.certificates import Authority
from localcluster.cluster import LocalCluster
from localcluster.corpus import generate_log_files
from localcluster.trail import SINKS, create_trail, wait_until

FAR = "https://localhost:1"
"""Where the source says that AWS is. Nobody listens there: without the proxy there is no way."""


class OpeningProxy(ThreadingHTTPServer):
    """A proxy with an authority of its own: it plays every server that is asked for, and relays to the stand-in for AWS."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext, aws: AwsEndpoint) -> None:
        self.tls, self.aws = tls, urlsplit(aws.url)
        self.targets: set[str] = set()
        self.plain: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no matter."""


class _Handler(BaseHTTPRequestHandler):
    server: OpeningProxy

    def do_CONNECT(self) -> None:
        self.server.targets.add(self.path)
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        aws = self.server.aws.hostname or "", self.server.aws.port or 80
        with (
            self.server.tls.wrap_socket(self.connection, server_side=True) as near,
            socket.create_connection(aws) as far,
        ):
            back = threading.Thread(target=_relay, args=(far, near), daemon=True)
            back.start()
            _relay(near, far)
            back.join()

    def do_POST(self) -> None:
        """Refuse what should not have come this way."""
        self.server.plain.append(self.path)
        self.send_error(403)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Say nothing."""


def _relay(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    with running_aws("ministack", tmp_path_factory.mktemp("aws"), enforce_iam=True) as endpoint:
        yield endpoint


@pytest.fixture
def proxy(aws: AwsEndpoint, tmp_path: Path) -> Iterator[OpeningProxy]:
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    shutil.copy(authority.certificate, tmp_path / "ca.crt")
    with OpeningProxy(tls, aws) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def sink() -> Iterator[HttpSinkServer]:
    with HttpSinkServer() as server:
        yield server


def test_proxy_its_authority_and_exceptions_from_it_come_by_overrides(
    operator: LocalCluster, aws: AwsEndpoint, namespace: str, proxy: OpeningProxy, sink: HttpSinkServer, tmp_path: Path
) -> None:
    """IRSA's token exchange, SQS and S3 go through HTTPS_PROXY, trusted by AWS_CA_BUNDLE; the sink is in NO_PROXY."""
    trail = create_trail(operator, aws, namespace=namespace, name="trail", storage_name=namespace)
    certificate = (tmp_path / "ca.crt").read_text(encoding="ascii")
    company = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "company", "namespace": namespace},
        "data": {"ca.crt": certificate, "proxy": proxy.url},
    }
    operator.apply(json.dumps(company))
    collector = {
        "terminationGracePeriodSeconds": 30,
        "extraEnv": [
            {"name": "HTTPS_PROXY", "valueFrom": {"configMapKeyRef": {"name": "company", "key": "proxy"}}},
            {"name": "HTTP_PROXY", "value": proxy.url},
            {"name": "NO_PROXY", "value": "127.0.0.1"},
            {"name": "AWS_CA_BUNDLE", "value": "/mnt/company/ca.crt"},
        ],
        "extraVolumes": [{"name": "company", "configMap": {"name": "company"}}],
        "extraVolumeMounts": [{"name": "company", "mountPath": "/mnt/company", "readOnly": True}],
    }
    files = list(generate_log_files(5, seed=51))
    trail.apply("Active", endpointUrl=FAR, collector=collector, sinks=[*SINKS, to_sink(sink)])
    trail.wait_ready(timeout=120)
    trail.upload(files)
    expected = {event_id for file in files for event_id in file.event_ids}
    wait_until("every event to be delivered", lambda: set(trail.count_delivered()) == expected)
    wait_until("the sink to have all", lambda: set(sink.count_events()) == expected)
    wait_until("the queue to drain", lambda: trail.read_queue_depth().kept == 0)
    assert proxy.targets == {"localhost:1"}
    assert proxy.plain == []
