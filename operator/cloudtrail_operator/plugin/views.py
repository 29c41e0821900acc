"""A CloudTrailSource's JSON becomes what the plugin shows of it.

Read field by field and not as a whole model: the operator in the cluster may be newer than the plugin on a laptop.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudtrail_operator.core.names import CONTAINER, HTTP_PORT, Manifest
from cloudtrail_operator.core.pods import parse_pod
from cloudtrail_operator.plugin.advice import ABSENT, find_advice, find_good
from cloudtrail_operator.plugin.text import parse_time
from cloudtrail_spec.base import API_GROUP
from cloudtrail_spec.conditions import ConditionType

# Not taken from cloudtrail_spec.crd, which loads every model: people and completions wait for this program.
KIND = "CloudTrailSource"
RESOURCE = f"cloudtrailsources.{API_GROUP}"


@dataclass(frozen=True, slots=True)
class ConditionView:
    """One condition, judged."""

    type: str
    status: str
    reason: str
    message: str
    since: datetime | None
    good: bool | None
    """None: neither good nor bad, such as Unknown."""
    advice: str | None
    """What to do, unless it is good."""


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source."""

    namespace: str
    name: str
    uid: str
    created: datetime | None
    mode: str
    """As the spec wants it."""
    running_mode: str | None
    """As the operator last saw it."""
    current: bool
    """Whether the status describes the present spec."""
    deleting: bool
    replicas: int
    ready_replicas: int
    conditions: tuple[ConditionView, ...]
    spec: Manifest
    status: Manifest

    @property
    def key(self) -> str:
        """What people call it."""
        return f"{self.namespace}/{self.name}"

    @property
    def troubles(self) -> tuple[ConditionView, ...]:
        """The conditions that are bad, the summary aside."""
        return tuple(item for item in self.conditions if item.good is False and item.type != ConditionType.READY)

    def find(self, kind: str) -> ConditionView | None:
        """Find a condition by its type."""
        return next((item for item in self.conditions if item.type == kind), None)


@dataclass(frozen=True, slots=True)
class PodView:
    """One collector pod."""

    name: str
    phase: str
    ready: bool
    restarts: int
    node: str
    created: datetime | None
    address: str | None
    """None until its container runs."""
    port: int
    trouble: str | None


def view_source(manifest: Manifest) -> SourceView:
    """Read a CloudTrailSource."""
    metadata, spec, status = manifest["metadata"], manifest.get("spec") or {}, manifest.get("status") or {}
    return SourceView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        created=parse_time(metadata.get("creationTimestamp")),
        mode=str(spec.get("mode", "")),
        running_mode=status.get("mode"),
        current=status.get("observedGeneration", -1) == metadata.get("generation"),
        deleting="deletionTimestamp" in metadata,
        replicas=status.get("replicas", 0),
        ready_replicas=status.get("readyReplicas", 0),
        conditions=tuple(view_condition(item) for item in status.get("conditions") or []),
        spec=spec,
        status=status,
    )


def view_condition(item: Manifest) -> ConditionView:
    """Read a condition, of a source or of a backfill."""
    good = _judge(item["type"], item["status"])
    reason = item.get("reason", "")
    return ConditionView(
        type=item["type"],
        status=item["status"],
        reason=reason,
        message=item.get("message", ""),
        since=parse_time(item.get("lastTransitionTime")),
        good=good,
        advice=None if good else find_advice(reason),
    )


def _judge(kind: str, status: str) -> bool | None:
    wanted = {"True": "True", "False": "False", ABSENT: "False"}.get(find_good(kind) or "")
    if wanted is None or status not in ("True", "False") or kind == ConditionType.RECONCILING:
        return None  # not known, or on the way
    return status == wanted


def view_pod(manifest: Manifest) -> PodView:
    """Read a collector's pod."""
    pod, status = parse_pod(manifest), manifest.get("status") or {}
    return PodView(
        name=pod.name,
        phase="Terminating" if pod.going else str(status.get("phase", "Pending")),
        ready=pod.ready,
        restarts=_find_collector(status.get("containerStatuses")).get("restartCount", 0),
        node=manifest["spec"].get("nodeName", ""),
        created=parse_time(manifest["metadata"].get("creationTimestamp")),
        address=pod.ip if pod.running and not pod.ended else None,
        port=_find_port(manifest),
        trouble=pod.trouble,
    )


def _find_port(manifest: Manifest) -> int:
    """Find the port that the collector's container declares, whatever other containers were added to the pod."""
    ports = _find_collector(manifest["spec"].get("containers")).get("ports") or []
    return next((int(port["containerPort"]) for port in ports if port.get("name") == "http"), HTTP_PORT)


def _find_collector(items: Any) -> Manifest:
    return next((item for item in items or [] if item.get("name") == CONTAINER), {})
