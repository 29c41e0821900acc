"""What the reconciliation needs of the outside world."""

from datetime import datetime
from typing import Protocol

from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.core.notices import Notice
from cloudtrail_operator.core.source import Source
from cloudtrail_spec.report import CollectorReport


class Cluster(Protocol):
    """Reads and writes single resources. Raises ClusterError."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Read a resource."""

    async def apply(self, manifest: Manifest) -> Manifest:
        """Apply a manifest server-side and return the whole resource."""

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Apply the status of a source. Raises SourceGoneError."""

    async def delete(self, manifest: Manifest) -> None:
        """Delete this very resource, if it still exists."""


class Catalog(Protocol):
    """Lists resources. Raises ClusterError."""

    async def list(self, kind: Kind, namespace: str | None, selector: str | None) -> list[Manifest]:
        """List the resources of a kind, in one namespace or in all."""


class Reports(Protocol):
    """Asks collectors how they are."""

    async def fetch(self, address: str) -> CollectorReport | None:
        """Ask the collector at a base URL; None when there is no sensible answer in time."""


class Recorder(Protocol):
    """Writes Kubernetes Events."""

    async def record(self, source: Source, notice: Notice) -> None:
        """Write an Event on the source, unless the same was written lately. Never raises."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
