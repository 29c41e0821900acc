"""Turns the header Retry-After into a pause in seconds."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Return the pause, 0 for a time that has passed; None where there is none that can be read.

    The header says seconds, or a date. The caller limits what it obeys.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        # More digits than a float holds would not be a number.
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max((until - now).total_seconds(), 0.0)
