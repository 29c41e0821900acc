"""Turns the time of an event, as it stands in the record, into milliseconds since 1970."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@lru_cache(maxsize=4096)
def read_epoch_millis(text: str | None) -> int | None:
    """Read a time of ISO 8601, UTC where it names no zone; None where it is none, or before 1970.

    Records have whole seconds, and many have the same.
    """
    try:
        time = datetime.fromisoformat(text or "")
        millis = ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None
    return millis if millis >= 0 else None
