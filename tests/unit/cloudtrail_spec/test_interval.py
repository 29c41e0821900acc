"""Every form of interval that Falco's CloudTrail plugin documents, and every mistake that a person makes with them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudtrail_spec.interval import Interval, IntervalError, parse_interval

NOW = datetime(2023, 4, 20, 12, 30, 15, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("5d", NOW - timedelta(days=5), NOW),
        ("2w", NOW - timedelta(days=14), NOW),
        ("36h", NOW - timedelta(hours=36), NOW),
        ("90m", NOW - timedelta(minutes=90), NOW),
        ("30s", NOW - timedelta(seconds=30), NOW),
        ("2021-03-30T18:07:17Z", at("2021-03-30T18:07:17Z"), NOW),
        ("5d-2d", NOW - timedelta(days=5), NOW - timedelta(days=2)),
        ("1w - 12h", NOW - timedelta(days=7), NOW - timedelta(hours=12)),
        ("2023-04-05T06:00:00Z-2023-04-05T12:00:10Z", at("2023-04-05T06:00:00Z"), at("2023-04-05T12:00:10Z")),
        ("2023-04-05T06:00:00Z-5d", at("2023-04-05T06:00:00Z"), NOW - timedelta(days=5)),
        ("30d-2023-04-05T12:00:10Z", NOW - timedelta(days=30), at("2023-04-05T12:00:10Z")),
        ("5d-2030-01-01T00:00:00Z", NOW - timedelta(days=5), at("2030-01-01T00:00:00Z")),
        ("2030-01-01T00:00:00Z-2031-01-01T00:00:00Z", at("2030-01-01T00:00:00Z"), at("2031-01-01T00:00:00Z")),
        (" 5d ", NOW - timedelta(days=5), NOW),
        ("5d-5d", NOW - timedelta(days=5), NOW - timedelta(days=5)),
    ],
)
def test_interval_has_the_two_ends_that_its_text_names(text: str, start: datetime, end: datetime) -> None:
    assert parse_interval(text, NOW) == Interval(start, end)


def test_now_may_come_in_any_zone() -> None:
    here = NOW.astimezone(datetime.fromisoformat("2023-01-01T00:00:00+09:00").tzinfo)
    interval = parse_interval("1d", here)
    assert (interval.start, interval.end.utcoffset()) == (NOW - timedelta(days=1), timedelta(0))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("5", "needs a unit"),
        ("5y", "neither a duration nor an instant"),
        ("-5d", "neither a duration nor an instant"),
        ("5d-", "neither a duration nor an instant"),
        ("5d-2", "neither a duration nor an instant"),
        ("0d", "at least 1"),
        ("5d-0s", "at least 1"),
        ("1.5d", "neither a duration nor an instant"),
        ("99999999999999w", "before the year 1"),
        ("2d-5d", "before it begins"),
        ("2023-04-18T00:00:00Z-5d", "5d means so long before now (2023-04-20T12:30:15Z)"),
        ("2030-01-01T00:00:00Z", "without a second end it lasts until now"),
        ("2023-04-05T12:00:00Z-2023-04-05T06:00:00Z", "it ends (2023-04-05T06:00:00Z) before it begins"),
        ("2021-03-30", "2021-03-30T00:00:00Z"),
        ("2021-03-30T18:07:17", "ends with Z"),
        ("2021-03-30T18:07:17+02:00", "ends with Z"),
        ("2021-03-30T18:07:17.5Z", "no fractions"),
        ("2021-02-30T00:00:00Z", "no such instant"),
        ("2021-03-30T24:00:00Z", "no such instant"),
        ("0000-01-01T00:00:00Z", "no such instant"),
        ("\u0665d", "neither a duration nor an instant"),
    ],
)
def test_mistake_is_named(text: str, reason: str) -> None:
    with pytest.raises(IntervalError) as caught:
        parse_interval(text, NOW)
    assert reason in str(caught.value)


@given(st.text(alphabet="0123456789wdhmsTZ:- ", max_size=45))
def test_any_text_is_an_interval_in_order_or_refused(text: str) -> None:
    try:
        interval = parse_interval(text, NOW)
    except IntervalError:
        return
    assert interval.start <= interval.end
