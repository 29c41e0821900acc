"""What the schema knows but this version does not do yet: named, so that nothing is silently ignored."""

from cloudtrail_spec.pipeline import PipelineSpec
from cloudtrail_spec.source import CloudTrailSourceSpec


def find_unavailable(spec: PipelineSpec) -> list[str]:
    """List the fields of a spec that this version cannot honour, one sentence each; empty when all is well."""
    found = []
    if isinstance(spec, CloudTrailSourceSpec) and spec.scaling is not None:
        found.append("spec.scaling: autoscaling is not available in this version, use spec.collector.replicas")
    return found
