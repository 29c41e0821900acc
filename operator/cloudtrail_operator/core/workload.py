"""What the operator's installation adds to every collector workload."""

from dataclasses import dataclass, field

from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.core.source import Source
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.source import CloudTrailSourceSpec, Scaling


@dataclass(frozen=True, slots=True)
class CollectorDefaults:
    """Pod settings that an admin gave to the operator; a source's own settings win."""

    image: str
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: tuple[Manifest, ...] = ()
    pod_annotations: dict[str, str] = field(default_factory=dict)
    extra_env: tuple[Manifest, ...] = ()


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
    def scaling(self) -> Scaling | None:
        """The bounds between which an autoscaler decides; None: none is at work. Paused wins."""
        return None if self.spec.mode is Mode.PAUSED else self.spec.scaling

    @property
    def replicas(self) -> int | None:
        """Collectors that are wanted now; None: the autoscaler decides."""
        if self.spec.mode is Mode.PAUSED:
            return 0
        return None if self.scaling else self.spec.collector_settings.replicas or 1

    @property
    def most_replicas(self) -> int:
        """Collectors that may run, at most."""
        return self.scaling.max if self.scaling else self.replicas or 0
