"""Says how large the batches of a sink are, and how many are sent at once, by its kind and its settings."""

from dataclasses import dataclass

from cloudtrail_collector.core.batching import BatchLimits
from cloudtrail_spec.sinks import SinkTarget

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Kind:
    limits: BatchLimits
    parallel: int


# One writer where there is one place to write to; elsewhere enough to hide a round trip of 25 ms.
_PLAIN = _Kind(BatchLimits(), 1)
_KINDS = {
    "http": _Kind(BatchLimits(), 8),
    # 1 MiB is what Splunk takes by default; so many documents a bulk request is a usual advice for Elasticsearch.
    "splunk_hec": _Kind(BatchLimits(max_bytes=800_000, max_seconds=1), 4),
    "elasticsearch": _Kind(BatchLimits(max_bytes=5 * MEBIBYTE, max_events=5000, max_seconds=1), 4),
    "otlp_http": _Kind(BatchLimits(max_bytes=2 * MEBIBYTE, max_events=5000, max_seconds=1), 4),
    "kafka": _Kind(BatchLimits(max_bytes=4 * MEBIBYTE), 2),
    # Few large objects: each costs a request to write, and one to read for whoever searches the archive.
    "s3": _Kind(BatchLimits(max_bytes=16 * MEBIBYTE, max_seconds=60), 4),
}


def find_limits(spec: SinkTarget) -> BatchLimits:
    """Return the limits in force."""
    limits, own = _find_kind(spec).limits, spec.batch
    if own is None:
        return limits
    return BatchLimits(
        max_bytes=limits.max_bytes if own.max_bytes is None else own.max_bytes,
        max_events=limits.max_events if own.max_events is None else own.max_events,
        max_seconds=limits.max_seconds if own.max_seconds is None else own.max_seconds,
    )


def count_senders(spec: SinkTarget) -> int:
    """Return how many batches are sent at once."""
    return _find_kind(spec).parallel


def _find_kind(spec: SinkTarget) -> _Kind:
    return next((kind for name, kind in _KINDS.items() if getattr(spec, name) is not None), _PLAIN)
