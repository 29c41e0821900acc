"""The PodDisruptionBudget: node drains take one collector at a time."""

from cloudtrail_operator.core.manifests.metadata import build_metadata
from cloudtrail_operator.core.names import Manifest, selector_labels, workload_name
from cloudtrail_operator.core.workload import Workload


def build_disruption_budget(workload: Workload) -> Manifest:
    """Build the budget. Only where two collectors or more may run: with one it would say nothing."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": build_metadata(workload.source, workload_name(workload.name)),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector_labels(workload.name)},
            # A collector that cannot become ready protects nothing: let a drain remove it.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
