"""The ConfigMap with a collector's configuration: immutable and named by its content.

During a rollout the old pods keep the configuration that they started with.
"""

from cloudtrail_operator.core.manifests.metadata import build_metadata
from cloudtrail_operator.core.names import CONFIG_FILE, Manifest, config_map_name
from cloudtrail_operator.core.workload import Workload


def build_config_map(workload: Workload) -> Manifest:
    """Build the ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": build_metadata(workload.source, config_map_name(workload.name, workload.config_hash)),
        "immutable": True,
        "data": {CONFIG_FILE: workload.config},
    }
