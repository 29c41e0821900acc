"""Builders of CloudTrailBackfills: valid by default, changed by intent."""

from typing import Any

from support.sources import BUCKET, ROLE_ARN

Manifest = dict[str, Any]


def build_inline_source(**changes: Any) -> Manifest:
    """Build the settings of a backfill that has no source. A change to None removes the field."""
    source: Manifest = {
        "bucket": BUCKET,
        "region": "us-east-1",
        "roleArn": ROLE_ARN,
        "sinks": [{"name": "out", "stdout": {}}],
    }
    return {name: value for name, value in (source | changes).items() if value is not None}


def build_backfill_spec(**changes: Any) -> Manifest:
    """Build a valid spec in API form (camelCase). A change to None removes the field."""
    spec: Manifest = {"sourceRef": {"name": "org-trail"}, "interval": "5d-2d"}
    return {name: value for name, value in (spec | changes).items() if value is not None}


def build_backfill(name: str = "last-week", namespace: str = "default", **changes: Any) -> Manifest:
    """Build a whole valid CloudTrailBackfill; `changes` go into its spec."""
    return {
        "apiVersion": "cloudtrail-operator.io/v1alpha1",
        "kind": "CloudTrailBackfill",
        "metadata": {"name": name, "namespace": namespace},
        "spec": build_backfill_spec(**changes),
    }
