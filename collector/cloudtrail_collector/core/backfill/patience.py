"""Turns a failure into the pause before the next try, or into giving up. `jitter` is a random number of [0, 1)."""

from cloudtrail_collector.core.backoff import build_retry_delay
from cloudtrail_spec.conditions import Reason

# What a person must change. Rights that were just given take some seconds to hold.
PERMANENT = frozenset(
    {
        Reason.ACCESS_DENIED,
        Reason.KMS_ACCESS_DENIED,
        Reason.BUCKET_NOT_FOUND,
        Reason.CREDENTIALS_REJECTED,
        Reason.SINK_REJECTED,
    }
)
PERMANENT_TRIES = 4
# Longer outages are the Job's to survive: it starts another pod.
MAX_TROUBLE_SECONDS = 900.0


def find_pause(reason: Reason, tries: int, trouble_seconds: float, jitter: float) -> float | None:
    """Find the pause after so many tries in a row, which began so many seconds ago; None: give up."""
    if tries >= PERMANENT_TRIES and reason in PERMANENT:
        return None
    if trouble_seconds >= MAX_TROUBLE_SECONDS:
        return None
    return build_retry_delay(tries, jitter)
