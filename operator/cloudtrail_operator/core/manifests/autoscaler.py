"""The HorizontalPodAutoscaler of a source, for clusters without KEDA, and how either autoscaler behaves."""

from cloudtrail_operator.core.manifests.metadata import build_metadata
from cloudtrail_operator.core.names import QUEUE_METRIC, SOURCE_METRIC_LABEL, Manifest, workload_name
from cloudtrail_operator.core.workload import Workload
from cloudtrail_spec.source import Scaling

# CloudTrail delivers about every five minutes: the pause between two deliveries is no reason to go.
BEHAVIOR: Manifest = {
    "scaleDown": {"stabilizationWindowSeconds": 600},
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
    },
}


def build_pod_autoscaler(workload: Workload, scaling: Scaling) -> Manifest:
    """Build the HorizontalPodAutoscaler on the metric that the operator exports for the source."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": build_metadata(workload.source, workload_name(workload.name)),
        "spec": {
            "scaleTargetRef": build_target(workload),
            "minReplicas": scaling.min,
            "maxReplicas": scaling.max,
            "metrics": _build_metrics(workload, scaling),
            "behavior": BEHAVIOR,
        },
    }


def build_target(workload: Workload) -> Manifest:
    """Build the reference to what is scaled."""
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload_name(workload.name)}


def _build_metrics(workload: Workload, scaling: Scaling) -> list[Manifest]:
    """Build the metrics; the one that asks for most decides."""
    backlog: Manifest = {
        "type": "External",
        "external": {
            "metric": {"name": QUEUE_METRIC, "selector": {"matchLabels": {SOURCE_METRIC_LABEL: workload.name}}},
            "target": {"type": "AverageValue", "averageValue": str(scaling.target_messages)},
        },
    }
    if scaling.target_cpu_percent is None:
        return [backlog]
    target = {"type": "Utilization", "averageUtilization": scaling.target_cpu_percent}
    return [backlog, {"type": "Resource", "resource": {"name": "cpu", "target": target}}]
