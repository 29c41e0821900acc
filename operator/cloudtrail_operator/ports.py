"""What the reconciliation needs of the outside world."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import NamedTuple, Protocol

from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.lease import Lease
from cloudtrail_operator.core.names import FIELD_MANAGER, Manifest
from cloudtrail_operator.core.notices import Notice
from cloudtrail_operator.core.source import Owner
from cloudtrail_spec.report import CollectorReport


class Cluster(Protocol):
    """Reads and writes single resources. Raises ClusterError."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Read a resource."""

    async def apply(self, manifest: Manifest, *, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply a manifest server-side and return the whole resource."""

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Apply the status of a source or a backfill. Raises SourceGoneError."""

    async def delete(self, manifest: Manifest) -> None:
        """Delete this very resource, if it still exists."""


class Permit(Protocol):
    """Says whether this process may act."""

    def seconds_to_write(self) -> float:
        """Return how long a write that is sent now may take. Raises NotLeadingError when none may be sent."""


class LeaseFile(Protocol):
    """The Lease that replicas of the operator compete for. Raises ClusterError."""

    async def read(self) -> Lease | None:
        """Read it; None when there is none."""

    async def write(self, lease: Lease) -> Lease | None:
        """Create it, or replace the version that `lease` names. None: another was faster."""


class Page(NamedTuple):
    """A part of a list, and the version of the whole list: nothing that is newer is in it."""

    items: list[Manifest]
    version: int


class Catalog(Protocol):
    """Lists kinds and resources. Raises ClusterError."""

    async def list_served(self, api_version: str) -> frozenset[str]:
        """List the plurals that the API server serves in a version of a group; none if it has no such version."""

    def list(self, kind: Kind, namespace: str | None, selector: str | None) -> AsyncIterator[Page]:
        """List the resources of a kind, in one namespace or in all, page by page."""


class Reports(Protocol):
    """Asks collectors how they are."""

    async def fetch(self, address: str) -> CollectorReport | None:
        """Ask the collector at a base URL; None when there is no sensible answer in time."""


class Recorder(Protocol):
    """Writes Kubernetes Events."""

    async def record(self, owner: Owner, notice: Notice) -> None:
        """Write an Event on a resource, unless the same was written lately. Never raises."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
