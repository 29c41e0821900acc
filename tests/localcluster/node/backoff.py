"""Says how long a container that ended waits for its next start. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackOff:
    """Delays that double from a base up to 30 times the base; a run longer than twice that counts as a fresh start.

    The kubelet's base is 10 s; a local cluster wants to see the restart, not to wait for it.
    """

    base: float
    failures: int = 0

    @property
    def delay(self) -> float:
        """Seconds to wait now; the first restart is immediate, as the kubelet's."""
        return 0 if self.failures <= 1 else min(self.base * 2 ** (self.failures - 2), self.base * 30)

    def after_run(self, seconds: float) -> "BackOff":
        """Count a run that lasted so long."""
        return BackOff(self.base, 1 if seconds > self.base * 60 else self.failures + 1)
