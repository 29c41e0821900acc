"""Delays, extensions, batches and the view of the bucket."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cloudtrail_collector.core.backoff import build_retry_delay, build_return_delay
from cloudtrail_collector.core.batching import Batch, BatchLimits, cut_batch
from cloudtrail_collector.core.bucket_health import BucketHealth
from cloudtrail_collector.core.visibility import MAX_INVISIBLE_SECONDS, Lease, choose_turn_seconds, plan_extensions
from cloudtrail_spec.conditions import ConditionStatus, Reason


def _lease(
    *, received_at: float = 0, expires_at: float = 100, is_extended: bool = False, is_lost: bool = False
) -> Lease:
    return Lease("id", "receipt", received_at, expires_at, is_extended, is_lost)


def test_t23_returned_messages_wait_longer_each_time() -> None:
    longest = [build_return_delay(count, 1.0) for count in range(1, 8)]
    assert longest == [30, 60, 120, 240, 480, 900, 900]


def test_t23_ten_minutes_without_a_sink_do_not_use_up_five_receives() -> None:
    """SQS moves a message to the dead-letter queue when it would be received a sixth time."""
    assert sum(build_return_delay(count, 0.0) for count in range(1, 6)) > 600


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_delays_stay_in_their_bounds(count: int, jitter: float) -> None:
    assert 22 <= build_return_delay(count, jitter) <= 900
    assert 1 < build_retry_delay(count, jitter) <= 33


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=40, max_size=40))
def test_t32_failing_requests_come_to_two_a_minute_after_the_first(jitters: list[float]) -> None:
    moments = [0.0]
    for failures, jitter in enumerate(jitters, start=1):
        moments.append(moments[-1] + build_retry_delay(failures, jitter))
    later = [moment for moment in moments if moment >= 60]
    assert max(sum(start <= moment < start + 60 for moment in later) for start in later) == 2


def test_an_extension_comes_at_half_of_the_time() -> None:
    assert plan_extensions([_lease()], now=49.9, timeout_seconds=100) == []
    (extension,) = plan_extensions([_lease()], now=50, timeout_seconds=100)
    assert (extension.seconds, extension.lease.expires_at) == (100, 150)


def test_t22_nothing_is_extended_beyond_twelve_hours() -> None:
    late = MAX_INVISIBLE_SECONDS - 30
    (extension,) = plan_extensions([_lease(expires_at=late + 10)], now=late, timeout_seconds=100_000)
    assert extension.seconds == 30
    assert plan_extensions([extension.lease], now=late + 20, timeout_seconds=100) == []


def test_t22_a_lost_receipt_is_not_extended() -> None:
    assert plan_extensions([_lease(is_lost=True)], now=99, timeout_seconds=100) == []


def test_t20_a_queue_that_shortens_its_timeout_is_followed() -> None:
    """A receive gives what the queue has now; what was asked for explicitly lasts."""
    assert len(plan_extensions([_lease()], now=5, timeout_seconds=10)) == 1
    assert plan_extensions([_lease(is_extended=True)], now=5, timeout_seconds=10) == []


@given(st.integers(2, MAX_INVISIBLE_SECONDS), st.floats(0, 1), st.floats(0, 1))
def test_every_lease_is_extended_before_it_runs_out(timeout: int, phase: float, latency: float) -> None:
    """Turns come at their pace, and a request may take as long as a turn."""
    turn = choose_turn_seconds(timeout)
    now, lease = phase * turn, _lease(expires_at=timeout)
    for _ in range(40):
        for extension in plan_extensions([lease], now=now, timeout_seconds=timeout):
            assert now + latency * turn < lease.expires_at
            lease = extension.lease
        now += turn
    assert lease.expires_at > now or now > MAX_INVISIBLE_SECONDS


@given(st.lists(st.binary(max_size=50).filter(lambda line: b"\n" not in line), max_size=60))
def test_batches_hold_every_line_in_order_within_their_bounds(lines: list[bytes]) -> None:
    payload = b"".join(line + b"\n" for line in lines)
    batches = list(cut_batch(Batch(payload, len(lines)), BatchLimits(max_bytes=60)))
    assert b"".join(batch.payload for batch in batches) == payload
    assert [batch.count for batch in batches] == [bytes(batch.payload).count(b"\n") for batch in batches]
    assert all(bytes(batch.payload).endswith(b"\n") for batch in batches)
    assert all(len(batch.payload) <= 60 for batch in batches)
    pairs = itertools.pairwise(batches)
    assert all(len(one.payload) + bytes(two.payload).index(b"\n") + 1 > 60 for one, two in pairs)


def test_a_line_longer_than_a_batch_makes_one_of_its_own() -> None:
    payload = b"a\n" + b"b" * 100 + b"\nc\n"
    batches = list(cut_batch(Batch(payload, 3), BatchLimits(max_bytes=10)))
    assert [(len(batch.payload), batch.count) for batch in batches] == [(2, 1), (101, 1), (2, 1)]


def test_one_bad_object_after_a_good_one_says_nothing_about_the_bucket() -> None:
    health = BucketHealth().after_success().after_failure("a", Reason.ACCESS_DENIED)
    health = health.after_failure("a", Reason.ACCESS_DENIED).after_failure("b", Reason.ACCESS_DENIED)
    assert health.status is ConditionStatus.TRUE
    assert health.after_failure("c", Reason.ACCESS_DENIED).status is ConditionStatus.FALSE
    assert health.after_failure("c", Reason.ACCESS_DENIED).after_success().status is ConditionStatus.TRUE


def test_the_first_read_that_is_denied_tells_at_once_and_a_missing_object_does_not() -> None:
    assert BucketHealth().after_failure("a", Reason.ACCESS_DENIED).status is ConditionStatus.FALSE
    assert BucketHealth().after_failure("a", Reason.OBJECT_NOT_FOUND).status is ConditionStatus.UNKNOWN
