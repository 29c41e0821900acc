"""Everything that was observed of one source at one moment: the input of the evaluation."""

from dataclasses import dataclass
from datetime import datetime

from cloudtrail_operator.core.names import TEMPLATE_HASH_ANNOTATION, Manifest
from cloudtrail_operator.core.pods import CollectorPod
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_spec.report import CollectorReport


@dataclass(frozen=True, slots=True)
class Rollout:
    """Where the Deployment is on its way to the present template and number of replicas."""

    template_hash: str | None = None
    wanted: int = 0
    total: int = 0
    updated: int = 0
    available: int = 0
    ready: int = 0
    seen: bool = False
    """The Deployment controller has seen the newest spec."""


def parse_rollout(deployment: Manifest | None) -> Rollout:
    """Turn a Deployment's JSON into a Rollout."""
    if deployment is None:
        return Rollout()
    spec, status, metadata = deployment["spec"], deployment.get("status") or {}, deployment["metadata"]
    annotations = spec["template"].get("metadata", {}).get("annotations") or {}
    return Rollout(
        template_hash=annotations.get(TEMPLATE_HASH_ANNOTATION),
        wanted=spec.get("replicas", 1),
        total=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        ready=status.get("readyReplicas", 0),
        seen=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
    )


@dataclass(frozen=True, slots=True)
class Collector:
    """A pod, and what it answered when asked; None when it never did."""

    pod: CollectorPod
    report: CollectorReport | None


@dataclass(frozen=True, slots=True)
class Observation:
    """A source's workload as observed, and who shares its queue."""

    rollout: Rollout
    collectors: tuple[Collector, ...]
    at: datetime
    peers: tuple[SourceKey, ...] = ()
    """Other sources that receive from the same queue."""

    def current(self, template_hash: str) -> tuple[Collector, ...]:
        """Return the collectors that run the given template and are to stay."""
        return tuple(
            collector
            for collector in self.collectors
            if collector.pod.template_hash == template_hash and not collector.pod.going and not collector.pod.ended
        )

    def leaving(self, template_hash: str) -> tuple[Collector, ...]:
        """Return the collectors that are to go, or already drain."""
        return tuple(
            collector
            for collector in self.collectors
            if not collector.pod.ended and (collector.pod.going or collector.pod.template_hash != template_hash)
        )
