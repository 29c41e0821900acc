"""What a collector did lately: when things happened last, and rates and counts over the last minutes.

Memory does not grow with what is noted: numbers are kept in slots of some seconds, and old slots are dropped.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from cloudtrail_spec.report import Activity

RATE_SECONDS = 300
AGE_SECONDS = 300
DEAD_LETTER_SECONDS = 900
SLOT_SECONDS = 10
PAUSE = timedelta(minutes=30)
"""After as long without a message, those from before have nothing to do with the next: failed ones come back sooner."""


class Moment(NamedTuple):
    """The present, by two clocks: one that never jumps, for spans; one that others understand."""

    monotonic: float
    time: datetime


class Window:
    """Numbers of the last `seconds`; those of one slot are combined into one."""

    def __init__(self, seconds: int, combine: Callable[[float, float], float]) -> None:
        self._length = seconds // SLOT_SECONDS
        self._combine = combine
        self._slots: deque[tuple[int, float]] = deque()

    def note(self, number: float, now: float) -> None:
        """Take a number in."""
        slot = int(now // SLOT_SECONDS)
        if self._slots and self._slots[-1][0] == slot:
            number = self._combine(self._slots.pop()[1], number)
        self._slots.append((slot, number))
        self._drop_old(now)

    def read(self, now: float) -> list[float]:
        """Return what is in the window now."""
        self._drop_old(now)
        return [number for _, number in self._slots]

    def span(self, now: float) -> float:
        """Return how many seconds the slots cover: whole ones, and what has passed of the present one."""
        return (self._length - 1) * SLOT_SECONDS + now % SLOT_SECONDS

    def _drop_old(self, now: float) -> None:
        oldest = int(now // SLOT_SECONDS) - self._length + 1
        while self._slots and self._slots[0][0] < oldest:
            self._slots.popleft()


class Recent:
    """What happened since the start, as far as it is recent."""

    def __init__(self, start: Moment) -> None:
        self._start = start.monotonic
        self._events = Window(RATE_SECONDS, float.__add__)
        self._ages = Window(AGE_SECONDS, max)
        self._dead_letters = Window(DEAD_LETTER_SECONDS, float.__add__)
        self._last_message_at: datetime | None = None
        self._unread_since: datetime | None = None
        self._last_object_at: datetime | None = None
        self._last_dead_letter: tuple[datetime | None, str | None] = None, None

    def note_messages(self, oldest_age: float | None, now: Moment) -> None:
        """Take in a receive that brought messages, the oldest of which had waited so long."""
        last, self._last_message_at = self._last_message_at, now.time
        if self._unread_since is None or last is None or now.time - last >= PAUSE:
            self._unread_since = now.time
        if oldest_age is not None:
            self._ages.note(oldest_age, now.monotonic)

    def note_object(self, now: Moment) -> None:
        """Take in that an object was read to its end."""
        self._last_object_at, self._unread_since = now.time, None

    def note_events(self, count: int, now: Moment) -> None:
        """Take in that event records were read."""
        self._events.note(float(count), now.monotonic)

    def note_dead_letters(self, count: int, reason: str, now: Moment) -> None:
        """Take in that events or files went to the dead-letter sink."""
        self._dead_letters.note(float(count), now.monotonic)
        self._last_dead_letter = now.time, reason

    def find_oldest_age(self, now: Moment) -> int | None:
        """Return how long the oldest message received lately had waited."""
        ages = self._ages.read(now.monotonic)
        return int(max(ages)) if ages else None

    def describe(self, now: Moment) -> Activity:
        """Build the part of the report."""
        at, reason = self._last_dead_letter
        return Activity(
            last_message_at=self._last_message_at,
            unread_since=self._unread_since,
            last_object_at=self._last_object_at,
            events_per_second=round(self._measure_rate(now.monotonic), 3),
            dead_lettered=int(sum(self._dead_letters.read(now.monotonic))),
            last_dead_letter_at=at,
            last_dead_letter_reason=reason,
        )

    def _measure_rate(self, now: float) -> float:
        """Divide by the time that the window covers; shortly after the start it covers less, but never next to none."""
        covered = max(float(SLOT_SECONDS), min(now - self._start, self._events.span(now)))
        return sum(self._events.read(now)) / covered
