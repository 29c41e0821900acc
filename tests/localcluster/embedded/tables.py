"""What `kubectl get` shows: objects -> Table rows, with the columns of the real server for the kinds used here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from localcluster.embedded.jsonpaths import read_path
from localcluster.embedded.jsontypes import Json, dig, parse_timestamp
from localcluster.embedded.resources import Resource, StorageKey

Cell = Callable[[Json], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how it is announced and how a cell is computed."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""

    def definition(self) -> Json:
        """As in columnDefinitions."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


_UNITS = ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_TWO_UNITS_BELOW = {"y": 8, "d": 8, "h": 8, "m": 10, "s": 0}
"""Up to here the next smaller unit is shown too, if it is not zero: 3m5s, but 12m."""
_SHOWN_FROM = {"y": 2, "d": 2, "h": 3, "m": 2, "s": 0}
"""Below this many, the next smaller unit is used alone: 119s rather than 1m59s."""


def render_age(value: Any) -> str:
    """The time since a timestamp in the short form: 42s, 3m5s, 4h, 2d."""
    if not value:
        return "<unknown>"
    return render_duration(datetime.now(UTC) - parse_timestamp(str(value)))


def render_duration(duration: timedelta) -> str:
    """A length of time in the short form."""
    seconds = max(0, int(duration.total_seconds()))
    unit, index = next((unit, i) for i, unit in enumerate(_UNITS) if seconds >= unit[0] * _SHOWN_FROM[unit[1]])
    count, rest = divmod(seconds, unit[0])
    smaller = rest // _UNITS[index + 1][0] if count < _TWO_UNITS_BELOW[unit[1]] else 0
    return f"{count}{unit[1]}{smaller}{_UNITS[index + 1][1]}" if smaller else f"{count}{unit[1]}"


def table(resource: Resource, objs: Sequence[Json], list_meta: Json, include: str = "Metadata") -> Json:
    """A Table of objects; include says what rides along in each row: Metadata, Object or None."""
    columns = _columns(resource)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_meta,
        "columnDefinitions": [column.definition() for column in columns],
        "rows": [_row(obj, columns, include) for obj in objs],
    }


def _row(obj: Json, columns: Sequence[Column], include: str) -> Json:
    row: Json = {"cells": [column.cell(obj) for column in columns]}
    if include == "Object":
        row["object"] = obj
    elif include == "Metadata":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }
    return row


def _columns(resource: Resource) -> list[Column]:
    if resource.columns is not None:
        return [_NAME, *(_custom_column(column) for column in resource.columns)]
    if resource.key == ("", "events"):
        return list(_EVENT_COLUMNS)
    return [_NAME, *_BUILTIN.get(resource.key, ()), *_WITH_AGE, *_WIDE.get(resource.key, ())]


def _custom_column(column: Json) -> Column:
    path, kind = column["jsonPath"], column["type"]

    def cell(obj: Json) -> Any:
        value = read_path(obj, path)
        if kind == "date":
            return render_age(value) if value else "<unknown>"
        return _cell_value(value, kind)

    return Column(
        column["name"],
        cell,
        kind,
        column.get("format") or "",
        column.get("priority") or 0,
        column.get("description") or f"Custom resource definition column (in JSONPath format): {path}",
    )


def _cell_value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind in ("integer", "number") and isinstance(value, (int, float)):
        return value
    if kind == "boolean":
        return value
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def _at(*path: str, default: Any = None) -> Cell:
    def cell(obj: Json) -> Any:
        value = dig(obj, *path)
        return default if value is None else value

    return cell


def _data_count(obj: Json) -> int:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


def _pod_ready(obj: Json) -> str:
    statuses = dig(obj, "status", "containerStatuses") or []
    return f"{sum(1 for status in statuses if status.get('ready'))}/{len(obj['spec'].get('containers') or [])}"


def _pod_status(obj: Json) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for status in dig(obj, "status", "containerStatuses") or []:
        state = status.get("state") or {}
        reason = dig(state, "waiting", "reason") or dig(state, "terminated", "reason")
        if reason:
            return str(reason)
    return str(dig(obj, "status", "reason") or dig(obj, "status", "phase") or "Pending")


def _pod_restarts(obj: Json) -> str:
    return str(sum(status.get("restartCount") or 0 for status in dig(obj, "status", "containerStatuses") or []))


def _deployment_ready(obj: Json) -> str:
    return f"{dig(obj, 'status', 'readyReplicas') or 0}/{dig(obj, 'spec', 'replicas') or 0}"


def _node_status(obj: Json) -> str:
    conditions = dig(obj, "status", "conditions") or []
    ready = next((item["status"] for item in conditions if item["type"] == "Ready"), "Unknown")
    return {"True": "Ready", "False": "NotReady"}.get(ready, "Unknown")


def _service_ports(obj: Json) -> str:
    ports = obj["spec"].get("ports") or []
    return ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in ports) or "<none>"


def _containers(attribute: str) -> Cell:
    def cell(obj: Json) -> str:
        containers = dig(obj, "spec", "template", "spec", "containers") or []
        return ",".join(str(container.get(attribute)) for container in containers)

    return cell


def _job_status(obj: Json) -> str:
    conditions = {one["type"]: one["status"] for one in dig(obj, "status", "conditions") or []}
    kinds = ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet")
    if obj["metadata"].get("deletionTimestamp") and conditions.get("Complete") != "True":
        return "Terminating"
    return next((kind for kind in kinds if conditions.get(kind) == "True"), "Running")


def _job_completions(obj: Json) -> str:
    succeeded, wanted = dig(obj, "status", "succeeded") or 0, dig(obj, "spec", "completions")
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    parallelism = dig(obj, "spec", "parallelism") or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _job_duration(obj: Json) -> str:
    began, ended = dig(obj, "status", "startTime"), dig(obj, "status", "completionTime")
    if not began:
        return ""
    end = parse_timestamp(ended) if ended else datetime.now(UTC)
    return render_duration(end - parse_timestamp(began))


def _role_reference(obj: Json) -> str:
    return f"{dig(obj, 'roleRef', 'kind')}/{dig(obj, 'roleRef', 'name')}"


def _event_object(obj: Json) -> str:
    return f"{dig(obj, 'involvedObject', 'kind') or ''}/{dig(obj, 'involvedObject', 'name') or ''}".lower()


def _event_seen(obj: Json) -> str:
    return render_age(obj.get("lastTimestamp") or obj.get("eventTime") or obj["metadata"].get("creationTimestamp"))


_NAME = Column("Name", _at("metadata", "name"), format="name")
_AGE = Column("Age", lambda obj: render_age(dig(obj, "metadata", "creationTimestamp")))
_WITH_AGE = (_AGE,)
_EVENT_COLUMNS = (
    Column("Last Seen", _event_seen),
    Column("Type", _at("type")),
    Column("Reason", _at("reason")),
    Column("Object", _event_object),
    Column("Message", lambda obj: str(obj.get("message") or "").strip()),
    Column("Name", _at("metadata", "name"), priority=1),
)
_BUILTIN: dict[StorageKey, tuple[Column, ...]] = {
    ("", "configmaps"): (Column("Data", _data_count, "integer"),),
    ("", "secrets"): (Column("Type", _at("type")), Column("Data", _data_count, "integer")),
    ("", "namespaces"): (Column("Status", _at("status", "phase")),),
    ("", "nodes"): (Column("Status", _node_status), Column("Roles", lambda _: "<none>")),
    ("", "pods"): (
        Column("Ready", _pod_ready),
        Column("Status", _pod_status),
        Column("Restarts", _pod_restarts),
    ),
    ("", "services"): (
        Column("Type", _at("spec", "type")),
        Column("Cluster-IP", _at("spec", "clusterIP", default="<none>")),
        Column("External-IP", lambda _: "<none>"),
        Column("Port(s)", _service_ports),
    ),
    ("apps", "deployments"): (
        Column("Ready", _deployment_ready),
        Column("Up-to-date", _at("status", "updatedReplicas", default=0), "integer"),
        Column("Available", _at("status", "availableReplicas", default=0), "integer"),
    ),
    ("apps", "replicasets"): (
        Column("Desired", _at("spec", "replicas", default=0), "integer"),
        Column("Current", _at("status", "replicas", default=0), "integer"),
        Column("Ready", _at("status", "readyReplicas", default=0), "integer"),
    ),
    ("batch", "jobs"): (
        Column("Status", _job_status),
        Column("Completions", _job_completions),
        Column("Duration", _job_duration),
    ),
    ("policy", "poddisruptionbudgets"): (
        Column("Min Available", _at("spec", "minAvailable", default="N/A")),
        Column("Max Unavailable", _at("spec", "maxUnavailable", default="N/A")),
        Column("Allowed Disruptions", _at("status", "disruptionsAllowed", default=0), "integer"),
    ),
    ("coordination.k8s.io", "leases"): (Column("Holder", _at("spec", "holderIdentity", default="")),),
    ("rbac.authorization.k8s.io", "rolebindings"): (Column("Role", _role_reference),),
    ("rbac.authorization.k8s.io", "clusterrolebindings"): (Column("Role", _role_reference),),
}
_WORKLOAD_WIDE = (
    Column("Containers", _containers("name"), priority=1),
    Column("Images", _containers("image"), priority=1),
)
_WIDE: dict[StorageKey, tuple[Column, ...]] = {
    ("", "pods"): (
        Column("IP", _at("status", "podIP", default="<none>"), priority=1),
        Column("Node", _at("spec", "nodeName", default="<none>"), priority=1),
    ),
    ("apps", "deployments"): _WORKLOAD_WIDE,
    ("apps", "replicasets"): _WORKLOAD_WIDE,
    ("batch", "jobs"): _WORKLOAD_WIDE,
}
