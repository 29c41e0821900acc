"""What a source should have: its spec becomes the manifests of its children."""

import hashlib
from dataclasses import dataclass
from typing import assert_never

from cloudtrail_operator.core.configuration import render_config
from cloudtrail_operator.core.manifests.autoscaler import build_pod_autoscaler
from cloudtrail_operator.core.manifests.config_map import build_config_map
from cloudtrail_operator.core.manifests.credentials import advise_on_credentials
from cloudtrail_operator.core.manifests.deployment import build_deployment
from cloudtrail_operator.core.manifests.disruption_budget import build_disruption_budget
from cloudtrail_operator.core.manifests.metadata import seal
from cloudtrail_operator.core.manifests.scaled_object import build_scaled_object, build_trigger_authentication
from cloudtrail_operator.core.manifests.service import build_service
from cloudtrail_operator.core.manifests.service_account import build_service_account
from cloudtrail_operator.core.names import TEMPLATE_HASH_ANNOTATION, Manifest
from cloudtrail_operator.core.observation import Rollout
from cloudtrail_operator.core.scaling import Autoscaler
from cloudtrail_operator.core.source import Source
from cloudtrail_operator.core.workload import CollectorDefaults, Workload
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.source import CloudTrailSourceSpec, Scaling


@dataclass(frozen=True, slots=True)
class Desired:
    """The children that a source should have, and what tells the pods that run the present spec."""

    manifests: tuple[Manifest, ...]
    """In the order in which they must exist: a pod needs its ServiceAccount and ConfigMap."""
    mode: Mode
    replicas: int | None
    """Collectors that the spec wants; None: an autoscaler decides."""
    scaling: Scaling | None
    """Between which bounds it decides."""
    config_hash: str
    template_hash: str
    checks_integrity: bool = False
    """Whether the collectors check digest files."""
    credentials_advice: str | None = None
    """What to do when AWS knows no credentials of the collectors, if it is to be done outside of the cluster."""

    def count_wanted(self, rollout: Rollout) -> int:
        """Count the collectors that are wanted: what the spec says, or what the autoscaler asks of the Deployment."""
        return rollout.wanted if self.replicas is None else self.replicas


def build_desired(
    source: Source,
    spec: CloudTrailSourceSpec,
    defaults: CollectorDefaults,
    autoscaler: Autoscaler = Autoscaler.HPA,
) -> Desired:
    """Build everything that the source should have."""
    config = render_config(spec)
    workload = Workload(source, spec, defaults, config, hashlib.sha256(config.encode()).hexdigest())
    deployment = build_deployment(workload)
    manifests = [build_service_account(workload), build_config_map(workload), build_service(workload)]
    if workload.most_replicas > 1:
        manifests.append(build_disruption_budget(workload))
    manifests += [deployment, *_build_autoscaling(workload, autoscaler)]
    return Desired(
        manifests=tuple(seal(manifest) for manifest in manifests),
        mode=spec.mode,
        replicas=workload.replicas,
        scaling=workload.scaling,
        config_hash=workload.config_hash,
        template_hash=deployment["spec"]["template"]["metadata"]["annotations"][TEMPLATE_HASH_ANNOTATION],
        checks_integrity=spec.integrity is not None,
        credentials_advice=advise_on_credentials(source.key, spec),
    )


def _build_autoscaling(workload: Workload, autoscaler: Autoscaler) -> list[Manifest]:
    if workload.scaling is None:
        return []
    match autoscaler:
        case Autoscaler.HPA:
            return [build_pod_autoscaler(workload, workload.scaling)]
        case Autoscaler.KEDA:
            return [build_trigger_authentication(workload), build_scaled_object(workload, workload.scaling)]
        case other:
            assert_never(other)
