"""Decides how often the end of an interval is looked at, so that nothing is missed that is written meanwhile.

A log file comes after the time in its name. An interval whose end is long past is listed once. One that ends now is listed
again and again, its last days only, until a listing that began `late` after its end brings nothing. Passes share objects out
by the time at which S3 wrote them, so that each is in exactly one of them, and a key that sorts before others that are done
is found by the next pass.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cloudtrail_collector.core.log_prefixes import MIDNIGHT_MARGIN
from cloudtrail_spec.backfill_task import Position

# An object is there some seconds after the time that S3 gives it. Younger ones are left to the next pass.
SETTLE = timedelta(seconds=60)
PAUSE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Horizon:
    """The end of an interval, and how long after its name's time a log file may be written."""

    until: datetime
    late: timedelta

    @property
    def closes_at(self) -> datetime:
        """When the last log file has come."""
        return self.until + self.late

    @property
    def settle(self) -> timedelta:
        """How old an object must be to be read. S3 gives whole seconds."""
        return max(min(SETTLE, self.late), timedelta(seconds=1))

    @property
    def pause(self) -> timedelta:
        """How long a pass waits for the next one, but for the last."""
        return min(PAUSE, self.late / 4)

    def find_open_day(self, moment: datetime) -> date:
        """Find the first day whose folders may get log files of the interval at or after a moment."""
        return (min(moment, self.until) - self.late - MIDNIGHT_MARGIN).date()


def plan_first_pass(now: datetime, horizon: Horizon) -> Position:
    """Plan the pass over all of the interval. `now` is S3's time."""
    is_closed = now - horizon.settle > horizon.closes_at
    return Position(written_before=None if is_closed else now - horizon.settle)


def plan_next_pass(done: Position, now: datetime, horizon: Horizon, *, has_brought: bool) -> Position | None:
    """Plan what follows a pass; None: nothing does. `has_brought` tells whether the pass found anything."""
    if done.written_before is None or (done.written_before > horizon.closes_at and not has_brought):
        return None
    return Position(number=done.number + 1, written_from=done.written_before, written_before=now - horizon.settle)


def find_wait(done: Position, now: datetime, horizon: Horizon) -> timedelta:
    """Find how long to wait before the pass that follows: not for long, and not past the moment when the last can be."""
    if done.written_before is None:
        return timedelta(0)
    regular = done.written_before + horizon.settle + horizon.pause
    last = max(horizon.closes_at, done.written_before) + horizon.settle + timedelta(seconds=1)
    return max(min(regular, last) - now, timedelta(0))


def is_in_pass(written_at: datetime, day: date | None, position: Position, horizon: Horizon) -> bool:
    """Tell whether an object is of this pass. Days that get no more log files are whole in the first one."""
    first_end = position.written_before if position.number == 0 else None
    if first_end is not None and day is not None and day < horizon.find_open_day(first_end):
        return True
    if position.written_from is not None and written_at < position.written_from:
        return False
    return position.written_before is None or written_at < position.written_before


def is_open(day: date | None, position: Position, horizon: Horizon) -> bool:
    """Tell whether the units of a day are looked at in this pass."""
    if position.written_from is None or day is None:
        return True
    return day >= horizon.find_open_day(position.written_from)
