"""Turns the log files that are listed and those that digest files name into the log files that nothing covers.

Both come newest first, and only what may still meet is held: memory does not grow with the period.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from cloudtrail_collector.core.integrity.digest_key import parse_log_time

# The minute in a log file's name and the end of an hour are of different clocks: a file is waited for a little longer.
SLACK = timedelta(hours=1)
# A digest file names what was delivered in its hour. Log files that are older than this by their name are not expected.
LATENESS = timedelta(days=2)


class Coverage:
    """The log files of one region of an account; `listed` gives their keys, newest minute first.

    `held` is the most names that were waiting for their files at once.
    """

    def __init__(self, listed: Iterable[str]) -> None:
        self._listed = iter(listed)
        self._next: str | None = next(self._listed, None)
        self._named: dict[str, datetime] = {}
        self._swept_at: datetime | None = None
        self.held = 0

    def note_named(self, keys: Iterable[str], ended_at: datetime) -> None:
        """Note what the digest file of an hour names. Hours come newest first."""
        self._named.update((key, ended_at) for key in keys)
        self.held = max(self.held, len(self._named))

    def settle(self, ended_at: datetime) -> Iterator[str]:
        """Give the log files that nothing covers, when every digest file that ended later has been noted."""
        while self._next is not None and _get_time(self._next) >= ended_at + SLACK:
            yield from self._take(self._next)
        self._forget(ended_at)

    def _forget(self, ended_at: datetime) -> None:
        """Forget names, now and then, whose log files would have been listed long ago: those are gone."""
        self._swept_at = self._swept_at or ended_at
        if ended_at <= self._swept_at - LATENESS:
            self._named = {key: time for key, time in self._named.items() if time <= ended_at + LATENESS}
            self._swept_at = ended_at

    def finish(self) -> Iterator[str]:
        """Give the rest of them, when all digest files have been noted."""
        while self._next is not None:
            yield from self._take(self._next)

    def _take(self, key: str) -> Iterator[str]:
        self._next = next(self._listed, None)
        if self._named.pop(key, None) is None:
            yield key


def _get_time(key: str) -> datetime:
    found = parse_log_time(key)
    if found is None:
        raise ValueError(f"{key}: not the key of a log file")
    return found
