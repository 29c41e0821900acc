"""Builders of what the operator observes: valid by default, changed by intent."""

from datetime import UTC, datetime
from typing import Any

from cloudtrail_operator.core.desired import Desired, build_desired
from cloudtrail_operator.core.observation import Collector, Observation, Rollout
from cloudtrail_operator.core.pods import CollectorPod
from cloudtrail_operator.core.scaling import Autoscaler
from cloudtrail_operator.core.source import Source, SourceKey, parse_source
from cloudtrail_operator.core.workload import CollectorDefaults
from cloudtrail_spec.report import CollectorReport
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.pods import build_report
from support.sources import build_source

DEFAULTS = CollectorDefaults(image="example.com/cloudtrail-collector:1")
UID = "00000000-0000-4000-8000-000000000001"


def observe_source(generation: int = 1, **changes: Any) -> Source:
    """Build a source as the API server returns it."""
    manifest = build_source(**changes)
    manifest["metadata"] |= {"uid": UID, "generation": generation, "resourceVersion": "1"}
    return parse_source(manifest)


def build_wanted(autoscaler: Autoscaler = Autoscaler.HPA, **changes: Any) -> Desired:
    """Build what a source should have; `changes` go into its spec."""
    source = observe_source(**changes)
    return build_desired(source, CloudTrailSourceSpec.model_validate(source.spec), DEFAULTS, autoscaler)


def build_pod(desired: Desired, name: str = "pod-1", **changes: Any) -> CollectorPod:
    """Build a pod that runs what is desired and is well."""
    fields: dict[str, Any] = {
        "name": name,
        "uid": name,
        "ip": "127.0.0.9",
        "template_hash": desired.template_hash,
        "ready": True,
        "running": True,
        "going": False,
        "ended": False,
        "trouble": None,
    }
    return CollectorPod(**fields | changes)


def build_answer(desired: Desired, **changes: Any) -> CollectorReport:
    """Build the report of a collector that runs what is desired and is well; changes by their JSON names."""
    return CollectorReport.model_validate(build_report(desired.config_hash, **changes))


def build_rollout(desired: Desired, **changes: Any) -> Rollout:
    """Build a finished rollout; of one collector where an autoscaler decides."""
    count = 1 if desired.replicas is None else desired.replicas
    fields: dict[str, Any] = {
        "template_hash": desired.template_hash,
        "wanted": count,
        "total": count,
        "updated": count,
        "available": count,
        "ready": count,
        "seen": True,
    }
    return Rollout(**fields | changes)


def observe(
    desired: Desired,
    *collectors: Collector,
    at: datetime | None = None,
    peers: tuple[SourceKey, ...] = (),
    **rollout: Any,
) -> Observation:
    """Build an observation, of now: by default one collector that is well, and a finished rollout."""
    found = collectors or (Collector(build_pod(desired), build_answer(desired)),)
    return Observation(build_rollout(desired, **rollout), found, at or datetime.now(UTC), peers)
