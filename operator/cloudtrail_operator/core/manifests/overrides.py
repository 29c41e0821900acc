"""What a source's author and the operator's installation change about the pods: settings become parts of the template.

Strategic-merge semantics: maps are merged by key, variables by name; other lists are taken whole from the source if it has
any, else from the operator. What is ours (selector labels, variables, volumes) wins over both.
"""

from typing import Any

from pydantic import BaseModel

from cloudtrail_operator.core.manifests.parts import PodParts
from cloudtrail_operator.core.names import Manifest, child_labels, selector_labels
from cloudtrail_operator.core.workload import Workload
from cloudtrail_spec.pod_extras import ExtraMount, ExtraVolume
from cloudtrail_spec.source import CloudTrailSourceSpec

VOLUME_PREFIX = "extra-"  # no name that a source gives to a volume can be that of one of ours


def merge_labels(workload: Workload) -> dict[str, str]:
    """Merge the pods' labels: the Deployment's selector depends on ours."""
    return workload.spec.collector_settings.labels | child_labels(workload.name)


def merge_annotations(workload: Workload, own: dict[str, str]) -> dict[str, str]:
    """Merge the pods' annotations."""
    return workload.defaults.pod_annotations | workload.spec.collector_settings.annotations | own


def merge_variables(workload: Workload, own: list[Manifest]) -> list[Manifest]:
    """Merge the container's variables by name."""
    extra = [dump(variable) for variable in workload.spec.collector_settings.extra_env]
    layers = (*workload.defaults.extra_env, *extra, *own)
    return list({variable["name"]: variable for variable in layers}.values())


def build_extra_parts(spec: CloudTrailSourceSpec) -> PodParts:
    """Build the source's own volumes and their mounts."""
    settings = spec.collector_settings
    return PodParts(
        volumes=tuple(_rename(volume) for volume in settings.extra_volumes),
        mounts=tuple(_rename(mount) for mount in settings.extra_volume_mounts),
    )


def _rename(extra: ExtraVolume | ExtraMount) -> Manifest:
    return dump(extra) | {"name": f"{VOLUME_PREFIX}{extra.name}"}


def build_placement(workload: Workload) -> Manifest:
    """Build the optional fields of the pod; an absent one is left to Kubernetes."""
    settings, defaults = workload.spec.collector_settings, workload.defaults
    fields: Manifest = {
        "nodeSelector": defaults.node_selector | settings.node_selector,
        "tolerations": [dump(toleration) for toleration in settings.tolerations] or list(defaults.tolerations),
        "affinity": drop_nulls(settings.affinity),
        "priorityClassName": settings.priority_class_name,
        "imagePullSecrets": [{"name": secret.name} for secret in settings.image_pull_secrets],
        "topologySpreadConstraints": _build_spread(workload),
    }
    return {name: value for name, value in fields.items() if value}


def _build_spread(workload: Workload) -> list[Manifest]:
    """Spread replicas over nodes where possible. Also for one replica: a change of scale must not replace the pods."""
    own = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    wanted = [dump(spread) for spread in workload.spec.collector_settings.topology_spread_constraints] or [own]
    selector = {"labelSelector": {"matchLabels": selector_labels(workload.name)}}
    return [spread | selector for spread in wanted]


def drop_nulls(value: Any) -> Any:
    """Drop what is null, however deep, as the API server does: it would seem to be missing for ever."""
    if isinstance(value, dict):
        return {name: drop_nulls(item) for name, item in value.items() if item is not None}
    return [drop_nulls(item) for item in value] if isinstance(value, list) else value


def dump(model: BaseModel) -> dict[str, Any]:
    """Render a part of the spec as Kubernetes has it, without what was left out."""
    return model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
