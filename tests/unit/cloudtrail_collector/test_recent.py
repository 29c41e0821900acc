"""What a collector did lately: windows that forget, and times that stay."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudtrail_collector.core.recent import SLOT_SECONDS, Moment, Recent, Window

START = datetime(2026, 1, 1, tzinfo=UTC)
BOOT = 12_345.0


def _at(seconds: float) -> Moment:
    return Moment(BOOT + seconds, START + timedelta(seconds=seconds))


def test_nothing_has_happened_yet() -> None:
    activity = Recent(_at(0)).describe(_at(1000))
    assert activity.model_dump(exclude_none=True) == {"events_per_second": 0.0, "dead_lettered": 0}


def test_rate_covers_five_minutes_and_ends_in_nothing() -> None:
    recent = Recent(_at(0))
    for second in range(600):
        recent.note_events(12, _at(second))
    assert recent.describe(_at(600)).events_per_second == pytest.approx(12, rel=0.05)
    assert recent.describe(_at(750)).events_per_second == pytest.approx(6, rel=0.1)
    assert recent.describe(_at(910)).events_per_second == 0


def test_rate_of_a_young_process_is_over_its_life_and_never_over_an_instant() -> None:
    recent = Recent(_at(0))
    recent.note_events(300, _at(0.001))
    assert recent.describe(_at(0.002)).events_per_second == 30
    assert recent.describe(_at(60)).events_per_second == 5


def test_messages_wait_for_an_object_from_the_first_that_came_after_the_last_one() -> None:
    recent = Recent(_at(0))
    recent.note_messages(10.0, _at(10))
    recent.note_messages(10.0, _at(20))
    before = recent.describe(_at(30))
    assert (before.unread_since, before.last_message_at) == (_at(10).time, _at(20).time)
    recent.note_object(_at(40))
    read = recent.describe(_at(50))
    assert (read.unread_since, read.last_object_at) == (None, _at(40).time)
    recent.note_messages(10.0, _at(60))
    assert recent.describe(_at(70)).unread_since == _at(60).time


def test_a_message_of_long_ago_is_not_held_against_the_next_one() -> None:
    recent = Recent(_at(0))
    recent.note_messages(None, _at(0))
    recent.note_messages(None, _at(1799))
    assert recent.describe(_at(1800)).unread_since == _at(0).time
    recent.note_messages(None, _at(3599))
    assert recent.describe(_at(3600)).unread_since == _at(3599).time


def test_oldest_message_is_remembered_for_five_minutes() -> None:
    recent = Recent(_at(0))
    recent.note_messages(7200.9, _at(0))
    recent.note_messages(30.0, _at(100))
    recent.note_messages(None, _at(101))
    assert recent.find_oldest_age(_at(250)) == 7200
    assert recent.find_oldest_age(_at(320)) == 30
    assert recent.find_oldest_age(_at(420)) is None


def test_dead_letters_are_counted_for_fifteen_minutes_and_the_last_is_remembered() -> None:
    recent = Recent(_at(0))
    recent.note_dead_letters(3, "NotJson", _at(0))
    recent.note_dead_letters(2, "Corrupt", _at(600))
    activity = recent.describe(_at(800))
    assert (activity.dead_lettered, activity.last_dead_letter_reason) == (5, "Corrupt")
    assert recent.describe(_at(910)).dead_lettered == 2
    late = recent.describe(_at(2000))
    assert (late.dead_lettered, late.last_dead_letter_at) == (0, _at(600).time)


@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 100)), max_size=40))
def test_window_holds_what_is_young_and_drops_what_is_old(steps: list[tuple[float, int]]) -> None:
    window, now, noted = Window(300, float.__add__), BOOT, []
    for wait, number in steps:
        now += wait
        noted.append((now, number))
        window.note(float(number), now)
        total = sum(window.read(now))
        certain = sum(count for at, count in noted if now - at < 300 - SLOT_SECONDS)
        possible = sum(count for at, count in noted if now - at <= 300)
        assert certain <= total <= possible
        assert len(window.read(now)) <= 30
