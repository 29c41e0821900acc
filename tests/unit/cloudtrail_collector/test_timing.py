"""Delays, extensions, batches and the view of the bucket."""

from hypothesis import given
from hypothesis import strategies as st

from cloudtrail_collector.core.backoff import build_receive_delay, build_return_delay
from cloudtrail_collector.core.batching import build_batches
from cloudtrail_collector.core.bucket_health import BucketHealth
from cloudtrail_collector.core.visibility import MAX_INVISIBLE_SECONDS, Lease, plan_extensions
from cloudtrail_spec.conditions import ConditionStatus, Reason


def _lease(*, received_at: float = 0, expires_at: float = 100) -> Lease:
    return Lease("id", "receipt", received_at, expires_at)


def test_t23_returned_messages_wait_longer_each_time() -> None:
    longest = [build_return_delay(count, 1.0) for count in range(1, 8)]
    assert longest == [30, 60, 120, 240, 480, 900, 900]


def test_t23_ten_minutes_without_a_sink_do_not_use_up_five_receives() -> None:
    """SQS moves a message to the dead-letter queue when it would be received a sixth time."""
    assert sum(build_return_delay(count, 0.0) for count in range(1, 6)) > 600


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_delays_stay_in_their_bounds(count: int, jitter: float) -> None:
    assert 22 <= build_return_delay(count, jitter) <= 900
    assert 0.9 <= build_receive_delay(count, jitter) <= 30


def test_t32_failing_receives_come_to_two_a_minute() -> None:
    assert [build_receive_delay(failures, 1.0) for failures in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_an_extension_comes_at_half_of_the_time() -> None:
    assert plan_extensions([_lease()], now=49.9, timeout_seconds=100) == []
    (extension,) = plan_extensions([_lease()], now=50, timeout_seconds=100)
    assert (extension.seconds, extension.lease.expires_at) == (100, 150)


def test_t22_nothing_is_extended_beyond_twelve_hours() -> None:
    late = MAX_INVISIBLE_SECONDS - 30
    (extension,) = plan_extensions([_lease(expires_at=late + 10)], now=late, timeout_seconds=100)
    assert extension.seconds == 30
    assert plan_extensions([extension.lease], now=late + 20, timeout_seconds=100) == []


@given(st.lists(st.binary(max_size=50).filter(lambda line: b"\n" not in line), max_size=60))
def test_batches_hold_every_line_in_order_within_their_bounds(lines: list[bytes]) -> None:
    batches = list(build_batches(lines, max_bytes=100, max_records=7))
    assert b"".join(batch.payload for batch in batches) == b"".join(line + b"\n" for line in lines)
    assert all(batch.count == batch.payload.count(b"\n") <= 7 for batch in batches)
    assert all(len(batch.payload) <= 100 for batch in batches)


def test_one_bad_object_after_a_good_one_says_nothing_about_the_bucket() -> None:
    health = BucketHealth().after_success().after_failure("a", Reason.ACCESS_DENIED)
    health = health.after_failure("a", Reason.ACCESS_DENIED).after_failure("b", Reason.ACCESS_DENIED)
    assert health.status is ConditionStatus.TRUE
    assert health.after_failure("c", Reason.ACCESS_DENIED).status is ConditionStatus.FALSE
    assert health.after_failure("c", Reason.ACCESS_DENIED).after_success().status is ConditionStatus.TRUE


def test_the_first_read_that_is_denied_tells_at_once_and_a_missing_object_does_not() -> None:
    assert BucketHealth().after_failure("a", Reason.ACCESS_DENIED).status is ConditionStatus.FALSE
    assert BucketHealth().after_failure("a", Reason.OBJECT_NOT_FOUND).status is ConditionStatus.UNKNOWN
