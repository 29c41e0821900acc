"""What an aspect of a source (credentials, secrets, files) adds to its pods."""

from dataclasses import dataclass

from cloudtrail_operator.core.names import Manifest


@dataclass(frozen=True, slots=True)
class PodParts:
    """Additions to the collector's container and its pod."""

    env: tuple[Manifest, ...] = ()
    volumes: tuple[Manifest, ...] = ()
    mounts: tuple[Manifest, ...] = ()

    def __add__(self, other: "PodParts") -> "PodParts":
        """Add all parts of another aspect."""
        return PodParts(self.env + other.env, self.volumes + other.volumes, self.mounts + other.mounts)
