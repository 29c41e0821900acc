"""Every name, label and annotation that the operator puts on something."""

from typing import Any, TypeAlias

from cloudtrail_spec.base import API_GROUP, API_VERSION

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes resource, or a part of one, as JSON."""

FIELD_MANAGER = "cloudtrail-operator"
HANDOVER_MANAGER = "cloudtrail-operator-handoff"
"""Field manager that keeps the replicas of a Deployment while they go over to an autoscaler."""
SOURCE_API_VERSION = f"{API_GROUP}/{API_VERSION}"

NAME_LABEL = "app.kubernetes.io/name"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
SOURCE_LABEL = f"{API_GROUP}/source"
MANAGED_BY = "cloudtrail-operator"
COLLECTOR = "cloudtrail-collector"
CHILD_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
"""Selects what the operator owns, and the pods that come of it."""

MANIFEST_HASH_ANNOTATION = f"{API_GROUP}/manifest-hash"
"""On every child: hash of the manifest that was applied last. It tells an outdated child from one that others edited."""
TEMPLATE_HASH_ANNOTATION = f"{API_GROUP}/template-hash"
"""On every pod: hash of its template, so that pods of an older rollout are known without reading ReplicaSets."""
CONFIG_HASH_ANNOTATION = f"{API_GROUP}/config-hash"
"""On every pod: hash of its configuration, for people."""
RECONCILE_REQUEST_ANNOTATION = f"{API_GROUP}/reconcile-requested-at"
"""On a source, by its owner: any new value asks for a look, and is echoed in status.lastHandledReconcileAt."""
ARGO_IGNORE_ANNOTATION = "argocd.argoproj.io/ignore-resource-updates"
"""On every child: its changes are no reason for Argo CD to look at the whole application again."""
ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"

QUEUE_METRIC = "cloudtrail_source_queue_messages"
"""Metric of a source's messages, visible and in flight: what a HorizontalPodAutoscaler scales on."""
SOURCE_METRIC_LABEL = "source"
"""Its label with the name of the source; another one, `namespace`, has the namespace."""

CONTAINER = "collector"
CONFIG_FILE = "config.json"
CONFIG_DIRECTORY = "/etc/cloudtrail-collector"
TOKEN_DIRECTORY = "/var/run/secrets/eks.amazonaws.com/serviceaccount"  # noqa: S105  (where a token is, not one)
KEYS_DIRECTORY = "/var/run/secrets/cloudtrail-operator.io/aws"
SECRETS_DIRECTORY = "/var/run/secrets/cloudtrail-operator.io/secrets"
HTTP_PORT = 8080


def workload_name(source: str) -> str:
    """Name of the Deployment, Service, ServiceAccount and PodDisruptionBudget of a source."""
    return f"{source}-collector"


def config_map_name(source: str, config_hash: str) -> str:
    """Name of the ConfigMap with one configuration; another configuration gets another ConfigMap."""
    return f"{source}-collector-{config_hash[:10]}"


def selector_labels(source: str) -> dict[str, str]:
    """Labels that select a source's pods. They must never change: a Deployment's selector is immutable."""
    return {NAME_LABEL: COLLECTOR, SOURCE_LABEL: source}


def child_labels(source: str) -> dict[str, str]:
    """Labels of every child. Nothing is inherited from the source, least of all what GitOps tools track things by."""
    return {
        NAME_LABEL: COLLECTOR,
        COMPONENT_LABEL: "collector",
        MANAGED_BY_LABEL: MANAGED_BY,
        SOURCE_LABEL: source,
    }
