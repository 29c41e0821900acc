"""The headless Service in front of a source's collectors: a stable name for scraping /metrics and reading /status."""

from cloudtrail_operator.core.manifests.metadata import build_metadata
from cloudtrail_operator.core.names import HTTP_PORT, Manifest, selector_labels, workload_name
from cloudtrail_operator.core.workload import Workload


def build_service(workload: Workload) -> Manifest:
    """Build the Service. A collector that is not ready is the one whose metrics matter most, so it is listed too."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": build_metadata(workload.source, workload_name(workload.name)),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector_labels(workload.name),
            "ports": [{"name": "http", "port": HTTP_PORT, "protocol": "TCP", "targetPort": "http"}],
        },
    }
