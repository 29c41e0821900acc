"""Reports of several collectors become one set of figures."""

import pytest

from cloudtrail_operator.core.durations import format_duration
from cloudtrail_operator.core.merge import Figures, merge_reports
from cloudtrail_spec.status import EventStatus
from support.observations import build_answer, build_wanted

DESIRED = build_wanted()
NONE = Figures()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (0, "0s"), (45, "45s"), (60, "1m"), (250, "4m10s"), (7500, "2h5m"), (7201, "2h"), (90000, "1d1h")],
)
def test_duration_is_readable(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


def _queue(at: str, visible: int, age: int | None = None) -> dict[str, object]:
    look = {"observedAt": f"2026-01-01T00:00:{at}Z", "visible": visible, "inFlight": 1, "delayed": 0}
    return look | ({} if age is None else {"oldestAgeSeconds": age})


def test_queue_is_taken_from_the_newest_look_and_its_age_from_the_oldest_message() -> None:
    reports = [build_answer(DESIRED, queue=queue) for queue in (_queue("09", 5, 10), _queue("01", 99, 70))]
    queue = merge_reports(reports, NONE).queue
    assert queue is not None
    assert (queue.visible, queue.oldest_age_seconds) == (5, 70)


def test_counts_are_summed() -> None:
    reports = [build_answer(DESIRED, events={"read": n, "emitted": 1}, files={"read": 2}) for n in (3, 4)]
    merged = merge_reports(reports, NONE)
    assert merged.events == EventStatus(read=7, emitted=2)
    assert merged.files is not None
    assert merged.files.read == 4


def test_newest_event_and_its_lag_and_newest_error_win() -> None:
    def error(second: int, code: str) -> dict[str, object]:
        time = f"2026-01-01T00:00:0{second}.123Z"
        return {"time": time, "action": "s3:GetObject", "code": code, "resource": "arn", "message": "m", "count": 1}

    reports = [
        build_answer(DESIRED, lastEventTime="2026-01-01T00:00:01Z", lagSeconds=900, lastError=error(2, "New")),
        build_answer(DESIRED, lastEventTime="2026-01-01T00:00:05Z", lagSeconds=61, lastError=error(1, "Old")),
    ]
    merged = merge_reports(reports, NONE)
    assert merged.lag == "1m1s"
    assert merged.last_event_time is not None
    assert merged.last_event_time.second == 5
    assert merged.last_error is not None
    assert merged.last_error.code == "New"


def test_figures_stay_while_nobody_reports() -> None:
    before = merge_reports([build_answer(DESIRED, events={"read": 3}, queue=_queue("01", 5))], NONE)
    assert merge_reports([], before) == before


def test_rates_and_ages_do_not_stay_while_nobody_reports() -> None:
    answer = build_answer(DESIRED, events={"read": 3}, queue=_queue("01", 5, 70), activity={"eventsPerSecond": 2})
    kept = merge_reports([], merge_reports([answer], NONE))
    assert kept.events == EventStatus(read=3)
    assert kept.queue is not None
    assert (kept.queue.visible, kept.queue.oldest_age_seconds) == (5, None)


def test_last_event_time_never_goes_back_when_a_collector_is_replaced() -> None:
    before = merge_reports([build_answer(DESIRED, lastEventTime="2026-01-01T00:00:05Z", lagSeconds=9)], NONE)
    after = merge_reports([build_answer(DESIRED)], before)
    assert (after.last_event_time, after.lag) == (before.last_event_time, "9s")


def test_rates_of_replicas_are_added_and_written_as_text() -> None:
    def rate(*rates: float | None) -> str | None:
        activities = [None if one is None else {"eventsPerSecond": one} for one in rates]
        events = merge_reports([build_answer(DESIRED, activity=activity) for activity in activities], NONE).events
        assert events is not None
        return events.per_second

    assert rate(10.04, 2.4) == "12.4"
    assert rate(0, None) == "0.0"
    assert rate(2.0**40) == "1099511627776.0"
    assert rate(None) is None


def test_same_error_of_several_collectors_is_counted_together() -> None:
    def error(second: int, code: str, count: int) -> dict[str, object]:
        words = {"action": "s3:GetObject", "code": code, "resource": "arn", "message": "m", "count": count}
        return {"time": f"2026-01-01T00:00:0{second}Z", **words}

    errors = [error(3, "AccessDenied", 5), error(2, "AccessDenied", 7), error(1, "SlowDown", 100)]
    merged = merge_reports([build_answer(DESIRED, lastError=one) for one in errors], NONE).last_error
    assert merged is not None
    assert (merged.code, merged.time.second, merged.count) == ("AccessDenied", 3, 12)


def test_depth_of_the_dead_letter_queue_is_that_of_the_newest_look_that_knows_it() -> None:
    looks = [_queue("30", 5), _queue("09", 5) | {"deadLetterVisible": 3}, _queue("01", 5) | {"deadLetterVisible": 8}]
    queue = merge_reports([build_answer(DESIRED, queue=look) for look in looks], NONE).queue
    assert queue is not None
    assert queue.dead_letter_visible == 3
