"""Turns what a person writes for a stretch of time, such as 5d or 5d-2d, into two instants.

The collector's commands read it, and the operator reads it in a backfill.

Each end is an instant (2021-03-30T18:07:17Z) or a duration (w, d, h, m, s), which means so long before now; without a second
end the interval lasts until now. So 2023-04-05T06:00:00Z-5d ends five days before now, not five days after the instant, as
in Falco's CloudTrail plugin.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DURATION = re.compile("([0-9]+)([wdhms])")
_INSTANT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_END = rf"{_DURATION.pattern}|{_INSTANT.pattern}"
# An instant has dashes itself: the one that parts the ends is found by what stands behind it.
_RANGE = re.compile(rf"(?P<start>.*?)\s*-\s*(?P<end>{_END})")
INTERVAL_PATTERN = "^E(-E)?$".replace("E", "([0-9]{1,9}[wdhms]|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)")
"""What an interval without blanks looks like, for a schema. Whether it makes sense, only parse_interval tells."""
FORMS = "5d, 5d-2d, 2021-03-30T18:07:17Z, 2021-03-30T18:07:17Z-2021-03-31T00:00:00Z or 2021-03-30T18:07:17Z-5d"


class IntervalError(ValueError):
    """The text is no interval; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start` to `end`, both included, in UTC."""

    start: datetime
    end: datetime


def parse_interval(text: str, now: datetime) -> Interval:
    """Parse an interval as it is at `now`. Raises IntervalError."""
    whole = text.strip()
    if not whole:
        raise IntervalError(f"the interval is empty; write {FORMS}")
    now = now.astimezone(UTC)
    # The instant's own form comes first: 2021-03-30T18:07:17Z must not be read as a range.
    parts = None if _is_end(whole) else _RANGE.fullmatch(whole)
    start = _parse_end(whole if parts is None else parts["start"], whole, now)
    end = now if parts is None else _parse_end(parts["end"], whole, now)
    if start > end:
        raise IntervalError(f"{whole}: it ends ({_show(end)}) before it begins ({_show(start)}){_hint(parts, now)}")
    return Interval(start, end)


def _is_end(text: str) -> bool:
    return _DURATION.fullmatch(text) is not None or _INSTANT.fullmatch(text) is not None


def _parse_end(text: str, whole: str, now: datetime) -> datetime:
    if duration := _DURATION.fullmatch(text):
        return _subtract(duration, whole, now)
    if not _INSTANT.fullmatch(text):
        raise IntervalError(f"{whole}: {text!r} is neither a duration nor an instant{_explain(text)}; write {FORMS}")
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise IntervalError(f"{whole}: there is no such instant as {text}") from error


def _subtract(duration: re.Match[str], whole: str, now: datetime) -> datetime:
    count, unit = duration[1], _UNITS[duration[2]]
    if not count.strip("0"):
        raise IntervalError(f"{whole}: a duration must be at least 1, {duration[0]} is not")
    try:
        return now - timedelta(**{unit: int(count)})
    except (OverflowError, ValueError) as error:
        raise IntervalError(f"{whole}: {duration[0]} is before the year 1") from error


def _explain(text: str) -> str:
    if re.fullmatch("[0-9]+", text):
        return " (a duration needs a unit: w, d, h, m or s)"
    if "T" in text and re.search(r"\.[0-9]+Z\Z", text):
        return " (an instant has no fractions of seconds)"
    if re.search(r"T.*[0-9]([+-][0-9]{2}:?[0-9]{2})?\Z", text):
        return " (an instant is in UTC and ends with Z)"
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return f" (a day alone is none: {text}T00:00:00Z)"
    return ""


def _hint(parts: re.Match[str] | None, now: datetime) -> str:
    if parts is None:
        return "; without a second end it lasts until now"
    if _DURATION.fullmatch(parts["end"]) and not _DURATION.fullmatch(parts["start"]):
        return f"; {parts['end']} means so long before now ({_show(now)})"
    return ""


def _show(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
