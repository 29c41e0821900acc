"""Reports of several collectors become one set of figures."""

import pytest

from cloudtrail_operator.core.merge import Figures, format_duration, merge_reports
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


def test_last_event_time_never_goes_back_when_a_collector_is_replaced() -> None:
    before = merge_reports([build_answer(DESIRED, lastEventTime="2026-01-01T00:00:05Z", lagSeconds=9)], NONE)
    after = merge_reports([build_answer(DESIRED)], before)
    assert (after.last_event_time, after.lag) == (before.last_event_time, "9s")
