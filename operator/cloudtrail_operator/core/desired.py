"""What a source should have: its spec becomes the manifests of its children."""

import hashlib
from dataclasses import dataclass

from cloudtrail_operator.core.manifests.config_map import build_config_map
from cloudtrail_operator.core.manifests.deployment import build_deployment
from cloudtrail_operator.core.manifests.disruption_budget import build_disruption_budget
from cloudtrail_operator.core.manifests.metadata import seal
from cloudtrail_operator.core.manifests.service import build_service
from cloudtrail_operator.core.manifests.service_account import build_service_account
from cloudtrail_operator.core.names import TEMPLATE_HASH_ANNOTATION, Manifest
from cloudtrail_operator.core.source import Source
from cloudtrail_operator.core.workload import CollectorDefaults, Workload
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.source import CloudTrailSourceSpec


@dataclass(frozen=True, slots=True)
class Desired:
    """The children that a source should have, and what tells the pods that run the present spec."""

    manifests: tuple[Manifest, ...]
    """In the order in which they must exist: a pod needs its ServiceAccount and ConfigMap."""
    mode: Mode
    replicas: int
    config_hash: str
    template_hash: str


def render_config(spec: CloudTrailSourceSpec) -> str:
    """Render the configuration file that the collectors load."""
    return spec.to_pipeline().model_dump_json(by_alias=True, exclude_none=True)


def build_desired(source: Source, spec: CloudTrailSourceSpec, defaults: CollectorDefaults) -> Desired:
    """Build everything that the source should have."""
    config = render_config(spec)
    workload = Workload(source, spec, defaults, config, hashlib.sha256(config.encode()).hexdigest())
    deployment = build_deployment(workload)
    manifests = [build_service_account(workload), build_config_map(workload), build_service(workload)]
    if workload.replicas > 1:
        manifests.append(build_disruption_budget(workload))
    manifests.append(deployment)
    return Desired(
        manifests=tuple(seal(manifest) for manifest in manifests),
        mode=spec.mode,
        replicas=workload.replicas,
        config_hash=workload.config_hash,
        template_hash=deployment["spec"]["template"]["metadata"]["annotations"][TEMPLATE_HASH_ANNOTATION],
    )
