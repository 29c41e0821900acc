"""Notices become Kubernetes Events on the source, or the backfill; the same one at most once in ten minutes."""

import hashlib
from datetime import datetime

from cloudtrail_operator import telemetry
from cloudtrail_operator.adapters.kubernetes import KubernetesCluster
from cloudtrail_operator.core.names import FIELD_MANAGER, SOURCE_API_VERSION, Manifest
from cloudtrail_operator.core.notices import Notice
from cloudtrail_operator.core.source import Owner
from cloudtrail_operator.errors import ClusterError
from cloudtrail_operator.ports import Clock
from cloudtrail_spec.base import API_GROUP

QUIET_SECONDS = 600.0


class EventRecorder:
    """Writes Events. What was written lately is remembered, and that memory is bounded by time."""

    def __init__(self, cluster: KubernetesCluster, clock: Clock, instance: str) -> None:
        self._cluster = cluster
        self._clock = clock
        self._instance = instance[:128]
        self._written: dict[tuple[str, str], float] = {}

    async def record(self, owner: Owner, notice: Notice) -> None:
        """Write an Event on a resource, unless one of the same reason was written lately. Never raises."""
        now = self._clock.monotonic()
        self._written = {key: at for key, at in self._written.items() if now - at < QUIET_SECONDS}
        key = owner.uid, notice.reason
        if key in self._written:
            return
        self._written[key] = now
        telemetry.noticed(str(owner.key), notice.reason, notice.note)
        try:
            event = build_event(owner, notice, self._instance, self._clock.now())
            await self._cluster.create_event(owner.key.namespace, event)
        except ClusterError as error:
            telemetry.LOGGER.warning("cannot write an event", extra={"source": str(owner.key), "error": str(error)})


def build_event(owner: Owner, notice: Notice, instance: str, now: datetime) -> Manifest:
    """Build an events.k8s.io/v1 Event. Its name depends on its content and time: a repeated request changes nothing."""
    digest = hashlib.sha256(f"{owner.uid} {notice.reason} {now.isoformat()}".encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{owner.key.name}.{digest}", "namespace": owner.key.namespace},
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "reportingController": f"{API_GROUP}/{FIELD_MANAGER}",
        "reportingInstance": instance,
        "action": "Reconcile",
        "reason": notice.reason,
        "regarding": {
            "apiVersion": SOURCE_API_VERSION,
            "kind": owner.kind,
            "name": owner.key.name,
            "namespace": owner.key.namespace,
            "uid": owner.uid,
        },
        "note": notice.note,
        "type": "Warning" if notice.warning else "Normal",
    }
