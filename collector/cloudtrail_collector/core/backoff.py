"""Turns the number of an attempt into a delay. `jitter` is a random number of [0, 1) that the caller draws."""

RETURN_BASE_SECONDS = 30
RETURN_CAP_SECONDS = 900
RETRY_BASE_SECONDS = 1.0
RETRY_CAP_SECONDS = 30.0
RESEND_BASE_SECONDS = 0.5


def build_return_delay(receive_count: int, jitter: float) -> int:
    """Return how long a message stays invisible after it failed: 30 s, 60 s, 120 s ... 900 s, the last quarter jittered.

    With a maxReceiveCount of 5 a message survives a ten-minute outage of its sink: 0.75 x (30 + ... + 480) s = 697 s.
    """
    exponent = min(max(receive_count, 1) - 1, 10)
    full = min(RETURN_BASE_SECONDS * (1 << exponent), RETURN_CAP_SECONDS)
    return round(full * (0.75 + jitter / 4))


def build_retry_delay(failures: int, jitter: float) -> float:
    """Return the pause after the nth failed request in a row: 1 s, 2 s, 4 s ... 30 s, and up to a tenth of it more.

    The jitter only adds: at the cap a request that keeps failing is never made more than twice a minute.
    """
    full = min(RETRY_BASE_SECONDS * (1 << min(max(failures, 1) - 1, 10)), RETRY_CAP_SECONDS)
    return full * (1.01 + 0.09 * jitter)


def build_resend_delay(attempts: int, jitter: float, *, wanted: float | None, cap: float) -> float:
    """Return the pause after the nth attempt to deliver a batch: 0.5 s, 1 s, 2 s ..., the last half jittered.

    `wanted` is the pause that the sink asks for; no pause is longer than `cap`.
    """
    full = RESEND_BASE_SECONDS * (1 << min(max(attempts, 1) - 1, 10)) * (0.5 + jitter / 2)
    return min(max(full, wanted or 0.0), cap)
