"""The demo's CloudTrailSource, and the same with another mode: what a GitOps change edits."""

from typing import Any

import yaml

from localcluster.aws.provision import TrailStorage

NAMESPACE = "security"
NAME = "org-trail"
SERVICE_ACCOUNT = f"{NAMESPACE}:{NAME}-collector"
SELECTOR = f"cloudtrail-operator.io/source={NAME}"


def build_manifest(mode: str, storage: TrailStorage, *, region: str, endpoint_url: str) -> str:
    """Render the manifest as a person would write it."""
    source: dict[str, Any] = {
        "apiVersion": "cloudtrail-operator.io/v1alpha1",
        "kind": "CloudTrailSource",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "mode": mode,
            "bucket": storage.bucket,
            "queueArn": storage.queue_arn,
            "region": region,
            "roleArn": storage.role_arn,
            "endpointUrl": endpoint_url,
            "filters": [
                {
                    "name": "drop-read-only-noise",
                    "action": "Drop",
                    "fieldSelectors": [
                        {"field": "readOnly", "equals": ["true"]},
                        {"field": "eventName", "startsWith": ["Describe", "List", "Get"]},
                    ],
                }
            ],
            "sinks": [{"name": "out", "stdout": {}}],
            "collector": {"terminationGracePeriodSeconds": 30},
        },
    }
    return yaml.safe_dump(source, sort_keys=False)
