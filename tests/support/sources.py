"""Builders of CloudTrailSources: valid by default, changed by intent."""

from typing import Any

Manifest = dict[str, Any]

QUEUE_ARN = "arn:aws:sqs:us-east-1:111122223333:cloudtrail-notifications"
ROLE_ARN = "arn:aws:iam::111122223333:role/cloudtrail-collector"
BUCKET = "acme-org-cloudtrail"


def build_spec(**changes: Any) -> Manifest:
    """Build a valid spec in API form (camelCase). A change to None removes the field."""
    spec: Manifest = {
        "mode": "Test",
        "bucket": BUCKET,
        "queueArn": QUEUE_ARN,
        "region": "us-east-1",
        "roleArn": ROLE_ARN,
        "sinks": [{"name": "out", "stdout": {}}],
    }
    return {name: value for name, value in (spec | changes).items() if value is not None}


def build_source(name: str = "org-trail", namespace: str = "default", **changes: Any) -> Manifest:
    """Build a whole valid CloudTrailSource; `changes` go into its spec."""
    return {
        "apiVersion": "cloudtrail-operator.io/v1alpha1",
        "kind": "CloudTrailSource",
        "metadata": {"name": name, "namespace": namespace},
        "spec": build_spec(**changes),
    }


def build_filter(name: str = "noise", action: str = "Drop", **selector: Any) -> Manifest:
    """Build a filter rule with one field selector."""
    return {"name": name, "action": action, "fieldSelectors": [{"field": "eventName", "equals": ["x"], **selector}]}
