"""Every name, label and annotation that the operator puts on something."""

from typing import Any, TypeAlias

from cloudtrail_spec.base import API_GROUP, API_VERSION

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes resource, or a part of one, as JSON."""

FIELD_MANAGER = "cloudtrail-operator"
HANDOVER_MANAGER = "cloudtrail-operator-handoff"
"""Field manager that keeps the replicas of a Deployment while they go over to an autoscaler."""
CONTROL_MANAGER = "cloudtrail-operator-control"
"""Field manager of what may change in a backfill's Job: all else stays as it was when the Job was made."""
SOURCE_API_VERSION = f"{API_GROUP}/{API_VERSION}"

NAME_LABEL = "app.kubernetes.io/name"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
SOURCE_LABEL = f"{API_GROUP}/source"
BACKFILL_LABEL = f"{API_GROUP}/backfill"
MANAGED_BY = "cloudtrail-operator"
COLLECTOR = "cloudtrail-collector"
AWS_DOCUMENTS = "aws-documents"
"""Component of the ConfigMap with a source's IAM policies, which is for people only."""
BACKFILL = "cloudtrail-backfill"
"""What a backfill's pods are called: nothing that looks for collectors must find them."""
CHILD_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
"""Selects what the operator owns, and the pods that come of it."""

MANIFEST_HASH_ANNOTATION = f"{API_GROUP}/manifest-hash"
"""On every child: hash of the manifest that was applied last. It tells an outdated child from one that others edited."""
TEMPLATE_HASH_ANNOTATION = f"{API_GROUP}/template-hash"
"""On every pod: hash of its template, so that pods of an older rollout are known without reading ReplicaSets."""
CONFIG_HASH_ANNOTATION = f"{API_GROUP}/config-hash"
"""On every pod: hash of its configuration, for people."""
FIXED_HASH_ANNOTATION = f"{API_GROUP}/fixed-hash"
"""On a backfill's Job: hash of what must not change in the backfill's spec."""
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
TASK_FILE = "backfill.json"
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


def backfill_name(backfill: str) -> str:
    """Name of the Job, Role, RoleBinding and, if it has one of its own, ServiceAccount of a backfill."""
    return f"{backfill}-backfill"


def task_name(backfill: str, task_hash: str) -> str:
    """Name of the ConfigMap with a backfill's task."""
    return f"{backfill}-backfill-{task_hash[:10]}"


def progress_prefix(backfill: str) -> str:
    """Begin of the names of the ConfigMaps in which workers note their progress; the number of the share follows."""
    return f"{backfill}-progress"


def aws_documents_name(source: str) -> str:
    """Name of the ConfigMap with a source's IAM policies."""
    return f"{source}-aws"


def selector_labels(source: str) -> dict[str, str]:
    """Labels that select a source's pods. They must never change: a Deployment's selector is immutable."""
    return {NAME_LABEL: COLLECTOR, SOURCE_LABEL: source}


def backfill_labels(backfill: str) -> dict[str, str]:
    """Labels of every child of a backfill, and of its pods."""
    return {
        NAME_LABEL: BACKFILL,
        COMPONENT_LABEL: "backfill",
        MANAGED_BY_LABEL: MANAGED_BY,
        BACKFILL_LABEL: backfill,
    }


def child_labels(source: str) -> dict[str, str]:
    """Labels of every child. Nothing is inherited from the source, least of all what GitOps tools track things by."""
    return {
        NAME_LABEL: COLLECTOR,
        COMPONENT_LABEL: "collector",
        MANAGED_BY_LABEL: MANAGED_BY,
        SOURCE_LABEL: source,
    }
