"""CloudTrailSources as the API server gives them, for tests of what the kubectl plugin shows."""

from datetime import UTC, datetime, timedelta
from typing import Any

from support.backfills import build_backfill
from support.sources import build_source

Manifest = dict[str, Any]

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
UID = "0b6f3a52-5c5e-4d39-a6a1-6c7f0f4f6c11"


def ago(**span: float) -> str:
    """Write a time before NOW as Kubernetes does."""
    return (NOW - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def build_condition(kind: str, status: str, reason: str, message: str = "it is so", **since: float) -> Manifest:
    """Build a condition of the present generation."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": 3,
        "lastTransitionTime": ago(**(since or {"hours": 2})),
    }


def build_observed(*conditions: Manifest, **status: Any) -> Manifest:
    """Build a source that an operator has looked at; `status` changes fields of its status."""
    source = build_source("org-trail", "security")
    source["metadata"] |= {"uid": UID, "generation": 3, "creationTimestamp": ago(days=3, hours=4)}
    source["status"] = {"observedGeneration": 3, "mode": "Test", "replicas": 1, "readyReplicas": 1} | status
    source["status"]["conditions"] = list(conditions)
    return source


def build_observed_backfill(
    name: str, *, age: float = 1, interval: str = "5d", source: str = "org-trail", **status: Any
) -> Manifest:
    """Build a backfill that was created so many hours ago; `status` changes fields of its status."""
    backfill = build_backfill(name, "security", sourceRef={"name": source}, interval=interval)
    backfill["metadata"] |= {"generation": 1, "creationTimestamp": ago(hours=age)}
    return backfill | {"status": status}


def build_pod(name: str = "org-trail-collector-7d9f8b6c5d-x2x4z", **status: Any) -> Manifest:
    """Build a collector's pod that runs; `status` changes fields of its status."""
    container = {"name": "collector", "ready": True, "restartCount": 0, "state": {"running": {}}}
    return {
        "metadata": {"name": name, "uid": name, "creationTimestamp": ago(hours=2)},
        "spec": {
            "nodeName": "node-1",
            "containers": [
                {"name": "sidecar", "ports": [{"name": "http", "containerPort": 9999}]},
                {"name": "collector", "ports": [{"name": "http", "containerPort": 8080}]},
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.1.2.3",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [container],
        }
        | status,
    }


def build_event(kind: str, name: str, reason: str, minutes: float, **fields: Any) -> Manifest:
    """Build a Kubernetes Event of core/v1."""
    return {
        "metadata": {"name": f"{name}.{reason}", "creationTimestamp": ago(minutes=minutes)},
        "involvedObject": {"kind": kind, "name": name},
        "type": "Normal",
        "reason": reason,
        "message": f"{reason} of {name}",
        "lastTimestamp": ago(minutes=minutes),
    } | fields
