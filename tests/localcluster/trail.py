"""One CloudTrailSource with its AWS side: apply it, feed its bucket, and look at what becomes of it.

The demo and the whole-path tests stand on this; it asks the queue, the API server and the collectors' output, never the
collectors' own figures.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import yaml

from localcluster.aws import AwsEndpoint, provision
from localcluster.cluster import LocalCluster
from localcluster.corpus import LogFile

Manifest = dict[str, Any]

SINKS = [{"name": "out", "stdout": {}}]


class TimedOutError(Exception):
    """Something did not happen in time; the text says what was waited for."""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Messages by where they are."""

    visible: int
    in_flight: int
    dead: int

    @property
    def kept(self) -> int:
        """Messages that nobody deleted."""
        return self.visible + self.in_flight


@dataclass(frozen=True, slots=True)
class Trail:
    """A source called `name` in `namespace`, and the bucket and queue that it names."""

    cluster: LocalCluster
    aws: AwsEndpoint
    storage: provision.TrailStorage
    namespace: str
    name: str

    @property
    def selector(self) -> str:
        """Label selector of its collectors."""
        return f"cloudtrail-operator.io/source={self.name}"

    def build_manifest(self, mode: str, **changes: Any) -> Manifest:
        """Build the manifest as a person would write it; `changes` go into the spec, None removes a field."""
        spec = {
            "mode": mode,
            "bucket": self.storage.bucket,
            "queueArn": self.storage.queue_arn,
            "region": self.aws.region,
            "roleArn": self.storage.role_arn,
            "endpointUrl": self.aws.url,
            "sinks": SINKS,
            "collector": {"terminationGracePeriodSeconds": 30},
        } | changes
        return {
            "apiVersion": "cloudtrail-operator.io/v1alpha1",
            "kind": "CloudTrailSource",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {name: value for name, value in spec.items() if value is not None},
        }

    def apply(self, mode: str, **changes: Any) -> str:
        """Apply the manifest with kubectl; returns what it printed."""
        return self.cluster.apply(yaml.safe_dump(self.build_manifest(mode, **changes), sort_keys=False))

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait as a user would: `kubectl wait`, which minds the generation."""
        self.cluster.wait(f"cts/{self.name}", "condition=Ready", namespace=self.namespace, timeout=timeout)

    def read_source(self) -> Manifest:
        """Read the resource."""
        return self.cluster.get(f"cts/{self.name}", namespace=self.namespace)

    def read_condition(self, condition: str) -> Manifest:
        """Read one condition; empty when it is not there."""
        conditions = self.read_source()["status"].get("conditions", [])
        return next((entry for entry in conditions if entry["type"] == condition), {})

    def read_emitted(self) -> int:
        """Number of events delivered, as the source's status has it."""
        return int((self.read_source()["status"].get("events") or {}).get("emitted", 0))

    def upload(self, log_files: Iterable[LogFile]) -> None:
        """Do what CloudTrail does: put log files into the bucket."""
        s3 = self.aws.client("s3")
        for log_file in log_files:
            s3.put_object(Bucket=self.storage.bucket, Key=log_file.key, Body=log_file.body)

    def read_queue_depth(self) -> QueueDepth:
        """Ask the queue and its dead-letter queue."""
        sqs = self.aws.client("sqs")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        live, dead = (
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            for url in (self.storage.queue_url, self.storage.dead_letter_queue_url)
        )
        return QueueDepth(int(live[names[0]]), int(live[names[1]]), sum(int(dead[name]) for name in names))

    def read_events(
        self, *, only: AbstractSet[str] | None = None, without: AbstractSet[str] = frozenset()
    ) -> list[Manifest]:
        """Parse what the collectors, or some of their pods, wrote to standard output; pods that are gone count."""
        written = self.cluster.pod_stdout(self.namespace, self.selector)
        return [
            record
            for pod, lines in written.items()
            if (only is None or pod in only) and pod not in without
            for record in parse_events(lines)
        ]

    def count_delivered(self) -> Counter[str]:
        """Count the deliveries by eventID."""
        return Counter(record["eventID"] for record in self.read_events())

    def list_pods(self) -> list[Manifest]:
        """List the collector pods that exist."""
        return self.cluster.pods(self.namespace, self.selector)

    def list_pod_names(self) -> set[str]:
        """Names of the collector pods that exist."""
        return {pod["metadata"]["name"] for pod in self.list_pods()}


def create_trail(
    cluster: LocalCluster, aws: AwsEndpoint, *, namespace: str, name: str, storage_name: str, **storage: Any
) -> Trail:
    """Create the AWS side of a source, with a role that only the source's own ServiceAccount may assume."""
    issuer = json.loads(cluster.kubectl("get", "--raw", "/.well-known/openid-configuration").stdout)["issuer"]
    created = provision.create_trail_storage(
        aws,
        storage_name,
        service_accounts=[f"{namespace}:{name}-collector"],
        issuer_host=issuer.split("://", 1)[1],
        **storage,
    )
    return Trail(cluster, aws, created, namespace, name)


def parse_events(lines: Iterable[str]) -> Iterable[Manifest]:
    """Parse NDJSON; a line that was cut off by a kill is passed over."""
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "eventID" in record:
            yield record


def wait_until(what: str, is_done: Callable[[], bool], *, timeout: float = 60, interval: float = 0.2) -> None:
    """Ask again and again until the answer is yes. Raises TimedOutError that names what was waited for."""
    deadline = time.monotonic() + timeout
    while not is_done():
        if time.monotonic() > deadline:
            raise TimedOutError(f"waited {timeout:.0f} s for {what}")
        time.sleep(interval)
