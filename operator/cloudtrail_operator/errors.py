"""What may go wrong, named by what helps."""


class ClusterError(Exception):
    """Kubernetes refused or failed a request. It is tried again, ever more slowly."""


class UnreachableError(ClusterError):
    """Kubernetes did not answer, or not yet: waiting helps. It is tried again soon, but not before it asks for it."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """How many seconds it asks to wait."""


class SourceGoneError(ClusterError):
    """The source, or the backfill, does not exist any more. Nothing helps, and nothing has to."""


class OccupiedError(ClusterError):
    """A resource with the name of a child belongs to somebody else: it is not taken away from them."""


class WorkloadRejectedError(ClusterError):
    """Kubernetes or one of its admission rules does not accept a child: a person has to change the source or the rule."""


class NotLeadingError(ClusterError):
    """This process does not hold the lease. It may not act until it does."""


class LeaseLostError(Exception):
    """Another process holds the lease that this one had. It ends, to begin anew."""
