"""What may go wrong, named by what helps."""


class ClusterError(Exception):
    """Kubernetes refused or failed a request. It is tried again, ever more slowly."""


class SourceGoneError(ClusterError):
    """The source does not exist any more. Nothing helps, and nothing has to."""


class OccupiedError(ClusterError):
    """A resource with the name of a child belongs to somebody else: it is not taken away from them."""
