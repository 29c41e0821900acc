"""What the demo plays on: the stand-in for AWS, the cluster with the operator, and eyes on both."""

import json
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster.aws import AwsEndpoint, provision, running_aws
from localcluster.cluster import LocalCluster
from localcluster.corpus import LogFile
from localcluster.demo import source
from localcluster.demo.display import Display

OPERATOR_NAMESPACE = "cloudtrail-system"
# A user of the demo wants to see figures move; a real installation keeps the chart's slower defaults.
OPERATOR_VALUES: dict[str, Any] = {
    "pollSeconds": 1,
    "statusSeconds": 2,
    "collector": {"podAnnotations": {"cloudtrail-operator.io/split-stdout": "true"}},
}


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
class Stage:
    """A running demo environment."""

    cluster: LocalCluster
    aws: AwsEndpoint
    storage: provision.TrailStorage

    def apply_mode(self, mode: str) -> str:
        """Apply the source's manifest with a mode; returns what kubectl printed."""
        manifest = source.build_manifest(mode, self.storage, region=self.aws.region, endpoint_url=self.aws.url)
        return self.cluster.kubectl("apply", "-f", "-", input=manifest).stdout

    def wait_ready(self, timeout: int = 60) -> None:
        """Wait as a user would: `kubectl wait`, which minds the generation."""
        self.cluster.kubectl(
            "wait", "--for=condition=Ready", f"cts/{source.NAME}", "-n", source.NAMESPACE, f"--timeout={timeout}s",
            timeout=timeout + 10,
        )  # fmt: skip

    def emitted(self) -> int:
        """Number of events delivered, as the source's status has it."""
        found = self.cluster.kubectl("get", "cts", source.NAME, "-n", source.NAMESPACE, "-o", "json").stdout
        return int((json.loads(found)["status"].get("events") or {}).get("emitted", 0))

    def upload(self, log_file: LogFile) -> None:
        """Do what CloudTrail does: put a log file into the bucket."""
        self.aws.client("s3").put_object(Bucket=self.storage.bucket, Key=log_file.key, Body=log_file.body)

    def queue_depth(self) -> QueueDepth:
        """Ask the queue, not the collectors."""
        sqs = self.aws.client("sqs")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        live = sqs.get_queue_attributes(QueueUrl=self.storage.queue_url, AttributeNames=names)["Attributes"]
        dead = sqs.get_queue_attributes(QueueUrl=self.storage.dead_letter_queue_url, AttributeNames=names)["Attributes"]
        return QueueDepth(int(live[names[0]]), int(live[names[1]]), sum(int(dead[name]) for name in names))

    def events(self, *, only: AbstractSet[str] | None = None, without: AbstractSet[str] = frozenset()) -> list[str]:
        """Read what the collectors, or some of their pods, wrote to standard output; pods that are gone count."""
        written = self.cluster.pod_stdout(source.NAMESPACE, source.SELECTOR)
        return [
            line
            for pod, lines in written.items()
            if (only is None or pod in only) and pod not in without
            for line in lines
        ]

    def pod_names(self) -> set[str]:
        """Names of the collector pods that exist."""
        return {pod["metadata"]["name"] for pod in self.cluster.pods(source.NAMESPACE, source.SELECTOR)}


@contextmanager
def set_stage(display: Display, directory: Path, kind: str | None = None) -> Iterator[Stage]:
    """Bring up AWS, the cluster and the operator; take all down again at the end."""
    with ExitStack() as stack:
        with display.step("AWS comes up (ministack, IAM enforced)"):
            aws = stack.enter_context(running_aws("ministack", directory / "aws", enforce_iam=True))
        with display.step("The cluster comes up"):
            cluster = stack.enter_context(LocalCluster(directory / "cluster", kind=kind))
        with display.step("Bucket, queue, dead-letter queue, notification and role are created"):
            issuer = json.loads(cluster.kubectl("get", "--raw", "/.well-known/openid-configuration").stdout)["issuer"]
            storage = provision.create_trail_storage(
                aws, "demo", service_accounts=[source.SERVICE_ACCOUNT], issuer_host=issuer.split("://", 1)[1]
            )
        with display.step("The operator is installed from its chart and starts"):
            cluster.kubectl("create", "namespace", source.NAMESPACE)
            cluster.install_operator(OPERATOR_VALUES, namespace=OPERATOR_NAMESPACE)
        yield Stage(cluster, aws, storage)
