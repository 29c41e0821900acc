"""The outside world: Kubernetes, collectors, the clock."""
