"""The number of failures in a row becomes a delay."""

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 300.0


def delay_after(failures: int, jitter: float, longest: float = LONGEST_SECONDS) -> float:
    """Double from one second up to the longest; `jitter` in [0, 1) takes off up to half, so that retries spread."""
    return min(FIRST_SECONDS * 2.0 ** (min(failures, 20) - 1), longest) * (1 - jitter / 2)
