"""The Deployment of a source's collectors. Mode Paused scales it to zero and keeps the rest.

With autoscaling on it says nothing of replicas, so that to apply it does not undo what the autoscaler decided.
"""

from cloudtrail_operator.core.manifests.metadata import build_metadata
from cloudtrail_operator.core.manifests.pod import build_pod_template
from cloudtrail_operator.core.names import Manifest, selector_labels, workload_name
from cloudtrail_operator.core.workload import Workload


def build_deployment(workload: Workload) -> Manifest:
    """Build the Deployment. A new collector is up before an old one goes: they share the queue without harm."""
    replicas = {} if workload.replicas is None else {"replicas": workload.replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(workload.source, workload_name(workload.name)),
        "spec": {
            **replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": selector_labels(workload.name)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": build_pod_template(workload),
        },
    }
