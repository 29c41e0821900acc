"""Every kind of sink beside the real thing, or the nearest to it: how a spec names it, and what has arrived there."""

import gzip
import itertools
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from integration.elasticsearch_server import ElasticsearchServer
from integration.http_stand_in import HttpStandIn, Received, Reply
from integration.otlp_server import OtlpServer
from integration.splunk_server import TOKEN, SplunkServer
from localcluster.aws import AwsEndpoint
from support.kafka_mock import KafkaCluster
from support.secret_folder import SecretFolder, refer_to

Document = dict[str, Any]
TOPIC = "cloudtrail"
BEARER = "b34rer"
API_KEY = "k3y"

_names = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Outlet:
    """`kind` is the member of a sink's spec; `read` returns what has arrived, where it has to wait: so many."""

    kind: dict[str, Any]
    read: Callable[[int], list[Document]]
    secrets: tuple[tuple[str, str, str], ...] = ()
    """Secret, key and value of what it needs."""

    def build_spec(self, name: str, **options: Any) -> dict[str, Any]:
        """Build the sink's spec; batches do not wait for more."""
        return {"name": name, **self.kind, "batch": {"maxSeconds": 0}, **options}


class Outlets:
    """Opens outlets, until the block ends."""

    def __init__(self, aws: AwsEndpoint, secrets: SecretFolder, directory: Path) -> None:
        self.secrets = secrets
        self._aws = aws
        self._directory = directory
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self, kind: str, *, with_secrets: bool = True) -> Outlet:
        """Open an outlet of a kind; its Secrets are there, or not yet."""
        outlet = _OPEN[kind](self)
        if with_secrets:
            self.write_secrets(outlet)
        return outlet

    def write_secrets(self, outlet: Outlet) -> None:
        """Write the Secrets that an outlet needs."""
        for name, key, value in outlet.secrets:
            self.secrets.write(name, key, value.encode())

    def open_file(self) -> Outlet:
        """A file."""
        path = self._directory / f"outlet-{next(_names)}" / "events.ndjson"

        def read(_: int) -> list[Document]:
            files = sorted(path.parent.iterdir()) if path.parent.exists() else []
            return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]

        return Outlet({"file": {"path": str(path)}}, read)

    def open_http(self) -> Outlet:
        """A server that takes lists, and asks for a token."""
        server = self._stack.enter_context(HttpStandIn(_ask_for_token(lambda _: Reply())))

        def read(_: int) -> list[Document]:
            taken = [one for one in list(server.requests) if server.decide(one).status == 200]
            return [document for one in taken for document in json.loads(one.body)]

        auth = {"bearer": refer_to("http", "token")}
        kind = {"url": server.url, "encoding": "JSONArray", "compression": "Gzip", "auth": auth}
        return Outlet({"http": kind}, read, (("http", "token", BEARER),))

    def open_splunk(self) -> Outlet:
        """Two indexers that acknowledge, behind a load balancer."""
        server = self._stack.enter_context(SplunkServer())
        server.collector.acknowledges = True
        server.collector.indexers = 2
        kind = {"url": server.url, "token": refer_to("splunk", "token"), "acknowledge": True}
        return Outlet(
            {"splunkHec": kind},
            lambda _: [one["event"] for one in list(server.indexed)],
            (("splunk", "token", TOKEN),),
        )

    def open_elasticsearch(self) -> Outlet:
        """A node that asks for an API key."""
        server = self._stack.enter_context(ElasticsearchServer())
        server.indices.authorization = f"ApiKey {API_KEY}"
        kind = {"url": server.url, "index": "ct-{year}", "auth": {"apiKey": refer_to("es", "key")}}

        def read(_: int) -> list[Document]:
            return [document for index in list(server.indices.documents.values()) for document in index.values()]

        return Outlet({"elasticsearch": kind}, read, (("es", "key", API_KEY),))

    def open_otlp(self) -> Outlet:
        """A collector of OpenTelemetry that asks for a token."""
        server = self._stack.enter_context(OtlpServer())
        server.decide = _ask_for_token(server.decide)
        kind = {"url": server.url, "auth": {"bearer": refer_to("otlp", "token")}}
        return Outlet(
            {"otlpHttp": kind},
            lambda _: [json.loads(text) for text in server.read_bodies()],
            (("otlp", "token", BEARER),),
        )

    def open_kafka(self) -> Outlet:
        """A cluster of one broker."""
        cluster = self._stack.enter_context(KafkaCluster())
        cluster.create_topic(TOPIC, 3)

        def read(count: int) -> list[Document]:
            return [json.loads(message.value() or b"") for message in cluster.read(TOPIC, count)]

        return Outlet({"kafka": {"brokers": [cluster.bootstrap], "topic": TOPIC}}, read)

    def open_s3(self) -> Outlet:
        """A bucket with a role that writes it."""
        bucket = f"outlet-{next(_names)}"
        s3, iam = self._aws.client("s3"), self._aws.client("iam")
        s3.create_bucket(Bucket=bucket)
        role = iam.create_role(RoleName=bucket, AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}')

        def read(_: int) -> list[Document]:
            keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
            bodies = [gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]
            return [json.loads(line) for body in bodies for line in body.splitlines()]

        kind = {
            "bucket": bucket,
            "region": self._aws.region,
            "roleArn": role["Role"]["Arn"],
            "endpointUrl": self._aws.url,
        }
        return Outlet({"s3": kind}, read)


_OPEN: dict[str, Callable[[Outlets], Outlet]] = {
    "file": Outlets.open_file,
    "http": Outlets.open_http,
    "splunkHec": Outlets.open_splunk,
    "elasticsearch": Outlets.open_elasticsearch,
    "otlpHttp": Outlets.open_otlp,
    "kafka": Outlets.open_kafka,
    "s3": Outlets.open_s3,
}
KINDS = tuple(_OPEN)
"""Every kind, but those that are the process's own: stdout and discard."""


def _ask_for_token(decide: Callable[[Received], Reply]) -> Callable[[Received], Reply]:
    def answer(request: Received) -> Reply:
        return decide(request) if request.headers["Authorization"] == f"Bearer {BEARER}" else Reply(401)

    return answer
