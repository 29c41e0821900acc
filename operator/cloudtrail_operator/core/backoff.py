"""The number of failures in a row becomes a delay."""

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 300.0


def count_failure(before: int, lasted_seconds: float, well_seconds: float) -> int:
    """Count a failure in a row, which so many came before; of what lasted well until then, it is the first one."""
    return 1 if lasted_seconds > well_seconds else before + 1


def delay_after(failures: int, jitter: float, longest: float = LONGEST_SECONDS) -> float:
    """Double from one second up to the longest; `jitter` in [0, 1) takes off up to half, so that retries spread."""
    return min(FIRST_SECONDS * 2.0 ** (min(failures, 20) - 1), longest) * (1 - jitter / 2)
