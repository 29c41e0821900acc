"""What the demo plays on: the stand-in for AWS, the cluster with the operator, and one source."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from localcluster.aws import running_aws
from localcluster.cluster import LocalCluster, refuse_installed
from localcluster.demo.display import Display
from localcluster.trail import Trail, create_trail

NAMESPACE = "security"
NAME = "org-trail"
FILTERS = [
    {
        "name": "drop-read-only-noise",
        "action": "Drop",
        "fieldSelectors": [
            {"field": "readOnly", "equals": ["true"]},
            {"field": "eventName", "startsWith": ["Describe", "List", "Get"]},
        ],
    }
]
# A user of the demo wants to see figures move; a real installation keeps the chart's slower defaults.
OPERATOR_VALUES: dict[str, Any] = {
    "pollSeconds": 1,
    "statusSeconds": 2,
    "collector": {
        "podAnnotations": {"cloudtrail-operator.io/split-stdout": "true", "cloudtrail-operator.io/reachable": "true"}
    },
}


@contextmanager
def set_stage(display: Display, directory: Path, kind: str | None = None) -> Iterator[Trail]:
    """Bring up AWS, the cluster and the operator; take all down again at the end."""
    with open_stage(display, directory, kind, storage_name="demo") as trail:
        with display.step("The operator is installed from its chart and starts"):
            trail.cluster.create_namespace(NAMESPACE)
            trail.cluster.install_operator(OPERATOR_VALUES)
        yield trail


@contextmanager
def open_stage(display: Display, directory: Path, kind: str | None, *, storage_name: str) -> Iterator[Trail]:
    """Bring up AWS and the cluster, and what a source needs in AWS; nothing of ours is in the cluster yet."""
    with ExitStack() as stack:
        with display.step("AWS comes up (ministack, IAM enforced)"):
            aws = stack.enter_context(running_aws("ministack", directory / "aws", enforce_iam=True))
        with display.step("The cluster comes up"):
            cluster = stack.enter_context(LocalCluster(directory / "cluster", kind=kind))
        display.line(cluster.describe())
        refuse_installed(cluster.api_server)
        with display.step("Bucket, queue, dead-letter queue, notification and role are created"):
            trail = create_trail(cluster, aws, namespace=NAMESPACE, name=NAME, storage_name=storage_name)
        yield trail
