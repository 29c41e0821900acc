"""What the operator's installation adds to every collector workload."""

from dataclasses import dataclass, field

from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.core.source import Source
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.source import CloudTrailSourceSpec


@dataclass(frozen=True, slots=True)
class CollectorDefaults:
    """Pod settings that an admin gave to the operator; a source's own settings win."""

    image: str
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: tuple[Manifest, ...] = ()
    pod_annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything that the builders of a source's manifests need to know."""

    source: Source
    spec: CloudTrailSourceSpec
    defaults: CollectorDefaults
    config: str
    """The collectors' configuration file, to the byte."""
    config_hash: str
    """SHA-256 of these bytes, in hex."""

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.source.key.name

    @property
    def replicas(self) -> int:
        """Collectors that are wanted now."""
        return 0 if self.spec.mode is Mode.PAUSED else self.spec.collector_settings.replicas or 1
