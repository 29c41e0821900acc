"""Autoscaling: which autoscaler there is, what it cannot do, and how a Deployment is handed over to it."""

from enum import Enum, auto

from cloudtrail_operator.core.names import FIELD_MANAGER, Manifest
from cloudtrail_operator.core.source import SpecProblem
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.source import CloudTrailSourceSpec, Scaling


class Autoscaler(Enum):
    """What scales the Deployments of a cluster."""

    HPA = auto()
    """Kubernetes' HorizontalPodAutoscaler, on a metric that the operator exports."""
    KEDA = auto()
    """KEDA's ScaledObject, which asks the queue itself."""


def find_scaling_problem(spec: CloudTrailSourceSpec, autoscaler: Autoscaler) -> SpecProblem | None:
    """Find what the cluster's autoscaler cannot do of a spec. A paused source has none."""
    is_on = spec.scaling is not None and spec.mode is not Mode.PAUSED
    if not is_on or spec.scaling is None or spec.scaling.min > 0 or autoscaler is Autoscaler.KEDA:
        return None
    sentence = (
        "spec.scaling.min: 0 needs KEDA, which this cluster does not have (keda.sh/v1alpha1 is not served):"
        " install it, or set 1"
    )
    return SpecProblem(Reason.FEATURE_NOT_AVAILABLE, (sentence,))


def choose_handover(live: Manifest | None, scaling: Scaling) -> int | None:
    """Choose the replicas with which a Deployment of ours goes over to an autoscaler; None: they are not ours.

    To leave them out of what is applied while nobody else owns them would set them to 1, whatever runs.
    """
    if live is None or not _owns_replicas(live):
        return None
    running: int = live["spec"].get("replicas", 1)
    return max(running, scaling.min, 1)


def build_handover(deployment: Manifest, replicas: int) -> Manifest:
    """Build what the other field manager applies: the replicas and nothing else."""
    metadata = {name: deployment["metadata"][name] for name in ("name", "namespace")}
    return {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "metadata": metadata,
        "spec": {"replicas": replicas},
    }


def _owns_replicas(live: Manifest) -> bool:
    return any(
        entry.get("manager") == FIELD_MANAGER
        and entry.get("operation") == "Apply"
        and "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        for entry in live["metadata"].get("managedFields") or []
    )
