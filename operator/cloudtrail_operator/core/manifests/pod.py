"""The pod template of a source's collectors: fit for a namespace that enforces the restricted Pod Security Standard."""

from cloudtrail_operator.core.manifests.credentials import build_credential_parts
from cloudtrail_operator.core.manifests.metadata import hash_manifest
from cloudtrail_operator.core.manifests.overrides import (
    build_extra_parts,
    build_placement,
    dump,
    merge_annotations,
    merge_labels,
    merge_variables,
)
from cloudtrail_operator.core.manifests.parts import PodParts
from cloudtrail_operator.core.manifests.sinks import build_file_parts, build_secret_parts
from cloudtrail_operator.core.names import (
    CONFIG_DIRECTORY,
    CONFIG_FILE,
    CONFIG_HASH_ANNOTATION,
    CONTAINER,
    HTTP_PORT,
    TEMPLATE_HASH_ANNOTATION,
    Manifest,
    config_map_name,
    workload_name,
)
from cloudtrail_operator.core.workload import Workload

NOBODY = 65532  # "nonroot" of distroless images
DRAIN_MARGIN_SECONDS = 5  # between the end of the collector's drain and the kubelet's SIGKILL
DEFAULT_RESOURCES: Manifest = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}


def build_pod_template(workload: Workload) -> Manifest:
    """Build the pod template, marked with its own hash."""
    template = {"metadata": _build_metadata(workload), "spec": _build_spec(workload)}
    template["metadata"]["annotations"][TEMPLATE_HASH_ANNOTATION] = hash_manifest(template)
    return template


def _build_metadata(workload: Workload) -> Manifest:
    return {
        "labels": merge_labels(workload),
        "annotations": merge_annotations(workload, {CONFIG_HASH_ANNOTATION: workload.config_hash}),
    }


def _build_spec(workload: Workload) -> Manifest:
    builders = (build_credential_parts, build_secret_parts, build_file_parts, build_extra_parts)
    parts = sum((build(workload.spec) for build in builders), PodParts())
    spec: Manifest = {
        "serviceAccountName": workload_name(workload.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": workload.spec.collector_settings.termination_grace_period_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
            "fsGroup": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_build_container(workload, parts)],
        "volumes": [
            {
                "name": "config",
                "configMap": {"name": config_map_name(workload.name, workload.config_hash), "defaultMode": 420},
            },
            {"name": "tmp", "emptyDir": {}},
            *parts.volumes,
        ],
    }
    return spec | build_placement(workload)


def _build_container(workload: Workload, parts: PodParts) -> Manifest:
    settings = workload.spec.collector_settings
    container: Manifest = {
        "name": CONTAINER,
        "image": settings.image or workload.defaults.image,
        "command": ["cloudtrail-collector", "run", "--config", f"{CONFIG_DIRECTORY}/{CONFIG_FILE}"],
        "env": merge_variables(workload, [*_build_env(workload), *parts.env]),
        "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        # Why it ended is then part of the pod's status, and of the source's.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": dump(settings.resources) if settings.resources else DEFAULT_RESOURCES,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_DIRECTORY, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (an emptyDir of the pod's own)
            *parts.mounts,
        ],
    }
    policy = {"imagePullPolicy": settings.image_pull_policy} if settings.image_pull_policy else {}
    return container | policy | _build_probes()


def _build_env(workload: Workload) -> list[Manifest]:
    settings = workload.spec.collector_settings
    drain = max(1, settings.termination_grace_period_seconds - DRAIN_MARGIN_SECONDS)
    values = {
        "CLOUDTRAIL_SOURCE": str(workload.source.key),
        "CLOUDTRAIL_LOG_LEVEL": settings.log_level.value,
        "CLOUDTRAIL_DRAIN_SECONDS": str(drain),
        "CLOUDTRAIL_LISTEN_PORT": str(HTTP_PORT),
        "AWS_REGION": workload.spec.region,
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
    }
    return [{"name": name, "value": value} for name, value in values.items()]


def _build_probes() -> Manifest:
    return {
        # Imports, credentials and the first receive may take a while on a busy node: 60 tries of a second.
        "startupProbe": _build_probe("/healthz", period=1, failures=60),
        "readinessProbe": _build_probe("/readyz", period=5, failures=3),
        "livenessProbe": _build_probe("/healthz", period=10, failures=3),
    }


def _build_probe(path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
