"""What a worker lists, step by step, and what its successor repeats."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudtrail_collector.core.backfill.units import FoundObject, KeyPage, ListedKey
from cloudtrail_collector.core.backfill.work import build_pipeline, build_work
from cloudtrail_collector.core.log_prefixes import Folder
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.pipeline.backfill_listing import STEP_UNITS, ShareListing, Step, StepsAhead
from cloudtrail_collector.pipeline.retrying import Retrying, StoppedError
from cloudtrail_spec.backfill_task import BackfillTask, Position
from cloudtrail_spec.conditions import Reason
from unit.cloudtrail_collector.test_log_prefixes import build_key

PAGE = 7
WRITTEN = datetime(2026, 1, 20, tzinfo=UTC)


class MemoryBuckets:
    """A bucket in memory: keys, and when they were written. Pages hold `PAGE` keys."""

    def __init__(self, keys: Mapping[str, datetime], may_list: str = "") -> None:
        """`may_list` begins what may be listed."""
        self.keys = dict(keys)
        self._may_list = may_list
        self.failures: list[AwsError] = []
        self.asked = 0

    def list_folder(self, _bucket: str, prefix: str) -> Folder:
        self._note(prefix)
        rests = [key.removeprefix(prefix) for key in self.keys if key.startswith(prefix)]
        folders = {f"{prefix}{rest.split('/', 1)[0]}/" for rest in rests if "/" in rest}
        return Folder(tuple(sorted(folders)), any("/" not in rest for rest in rests))

    def list_page(self, _bucket: str, prefix: str, after: str) -> KeyPage:
        self._note(prefix)
        found = sorted(key for key in self.keys if key.startswith(prefix) and key > after)
        return KeyPage([ListedKey(key, self.keys[key]) for key in found[:PAGE]], is_last=len(found) <= PAGE)

    def read_clock(self, _bucket: str, prefix: str) -> datetime:
        self._note(prefix)
        return WRITTEN + timedelta(days=1)

    def _note(self, prefix: str) -> None:
        self.asked += 1
        if not prefix.startswith(self._may_list):
            raise _fail(Reason.ACCESS_DENIED)
        if self.failures:
            raise self.failures.pop(0)


def _fail(reason: Reason) -> AwsError:
    return AwsError(action="s3:ListBucket", code=reason.value, resource="arn", reason=reason, message="no")


def build_listing(buckets: MemoryBuckets, *, stopping: threading.Event | None = None) -> ShareListing:
    pipeline = {"bucket": "trail", "region": "us-east-1", "sinks": [{"name": "out", "stdout": {}}]}
    task = BackfillTask.model_validate(
        {"pipeline": pipeline, "since": "2026-01-01T00:00:00Z", "until": "2026-01-04T00:00:00Z", "progressName": "x"}
    )
    retrying = Retrying(stopping or threading.Event(), lambda _: None)
    return ShareListing(build_work(task, build_pipeline(task), 0), buckets, retrying, step_objects=PAGE)


def list_steps(buckets: MemoryBuckets, reached: Position) -> Iterator[Step]:
    listing = build_listing(buckets)
    return listing.iterate_steps(listing.plan(reached), reached)


def make_keys(counts: Mapping[tuple[str, str, int], int]) -> list[str]:
    """Make keys of accounts, regions and days, so many of each."""
    return [
        build_key(f"202601{day:02}", f"{number // 60:02}{number % 60:02}", account, region).replace(
            "AbCdEf", f"{number:04}"
        )
        for (account, region, day), count in counts.items()
        for number in range(count)
    ]


PLACES = st.tuples(
    st.sampled_from(["111122223333", "444455556666"]), st.sampled_from(["eu-west-1", "us-east-1"]), st.integers(1, 3)
)


@given(
    counts=st.dictionaries(PLACES, st.integers(0, 3 * PAGE), min_size=1),
    kills=st.lists(st.integers(0, 6), max_size=6),
    lost=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_whenever_a_worker_is_killed_nothing_is_lost_and_a_page_at_most_is_repeated(
    counts: dict[tuple[str, str, int], int], kills: list[int], lost: list[bool]
) -> None:
    """T-16: more keys than a page holds, and a kill before or after what was delivered is noted."""
    keys = make_keys(counts)
    buckets = MemoryBuckets(dict.fromkeys(keys, WRITTEN))
    delivered: Counter[FoundObject] = Counter()
    reached = Position()
    for steps, is_noted in zip([*kills, 1_000_000], [*lost, True], strict=False):
        before = delivered.total() - len(delivered)
        for number, step in enumerate(list_steps(buckets, reached)):
            if number == steps and not is_noted:
                delivered.update(step.objects)
                break
            if number == steps:
                break
            delivered.update(step.objects)
            reached = step.position
        repeated = delivered.total() - len(delivered) - before
        assert repeated <= PAGE
    for step in list_steps(buckets, reached):
        delivered.update(step.objects)
    assert {one.key for one in delivered} == set(keys)
    assert max((len(step.objects) for step in list_steps(buckets, Position())), default=0) <= PAGE


def test_small_units_share_a_step_and_empty_ones_are_counted() -> None:
    keys = make_keys({("111122223333", "us-east-1", 1): 2, ("111122223333", "us-east-1", 3): 3})
    (step,) = list_steps(MemoryBuckets(dict.fromkeys(keys, WRITTEN)), Position())
    assert len(step.objects) == 5
    # The days of the interval and the one before: midnight is not sharp.
    assert (step.units, step.empty) == (5, 3)
    assert step.position.last_key == ""
    assert step.position.unit.endswith("/2026/01/04/")


def test_many_empty_units_are_noted_in_between() -> None:
    regions = [f"us-east-{number}" for number in range(1, 51)]
    keys = make_keys({("111122223333", region, 20): 1 for region in regions})
    steps = list(list_steps(MemoryBuckets(dict.fromkeys(keys, WRITTEN)), Position()))
    assert [step.units for step in steps] == [STEP_UNITS, STEP_UNITS, 50]
    assert sum(step.empty for step in steps) == 250


def test_only_what_lies_in_the_interval_is_listed() -> None:
    keys = make_keys({("111122223333", "us-east-1", day): 1 for day in range(1, 21)})
    buckets = MemoryBuckets(dict.fromkeys(keys, WRITTEN))
    found = [one.key for step in list_steps(buckets, Position()) for one in step.objects]
    # The one of 4 January was delivered at 00:00, which the interval includes.
    assert [key.split("_")[-2][:8] for key in sorted(found)] == ["20260101", "20260102", "20260103", "20260104"]
    assert buckets.asked == 1 + 4 + 5


def test_listing_is_tried_again_until_the_reason_is_a_persons_to_remove(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudtrail_collector.core.backoff.RETRY_BASE_SECONDS", 0.001)
    buckets = MemoryBuckets(dict.fromkeys(make_keys({("111122223333", "us-east-1", 2): 1}), WRITTEN))
    buckets.failures = [_fail(Reason.THROTTLED)] * 6
    assert len(list(list_steps(buckets, Position()))) == 1
    buckets.failures = [_fail(Reason.ACCESS_DENIED)] * 9
    with pytest.raises(AwsError, match="s3:ListBucket on arn"):
        list(list_steps(buckets, Position()))
    assert len(buckets.failures) == 4, "one look at the whole bucket, and four tries where trails write"


def test_role_with_the_least_policy_lists_log_files_only() -> None:
    files = dict.fromkeys(make_keys({("111122223333", "us-east-1", 2): 3 * PAGE}), WRITTEN)
    allowed, least = MemoryBuckets(files), MemoryBuckets(files, may_list="AWSLogs/")
    assert list(list_steps(least, Position())) == list(list_steps(allowed, Position()))
    assert build_listing(least).read_clock() == allowed.read_clock("trail", "AWSLogs/")


def test_nothing_where_trails_write_is_no_success_for_who_may_not_look_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cloudtrail_collector.core.backoff.RETRY_BASE_SECONDS", 0.001)
    files = {f"team/{key}": WRITTEN for key in make_keys({("111122223333", "us-east-1", 2): 1})}
    assert len(list(list_steps(MemoryBuckets(files), Position()))) == 1
    with pytest.raises(AwsError, match="s3:ListBucket on arn"):
        list(list_steps(MemoryBuckets(files, may_list="AWSLogs/"), Position()))


def test_a_worker_that_is_to_end_lists_nothing_more() -> None:
    stopping = threading.Event()
    listing = build_listing(MemoryBuckets({}), stopping=stopping)
    stopping.set()
    with pytest.raises(StoppedError):
        listing.plan(Position())


def test_steps_are_listed_ahead_by_one_and_failures_come_in_order() -> None:
    listed: list[int] = []
    failure = AwsError(action="a", code="c", resource="r", reason=Reason.AWS_ERROR, message="m")

    def list_them() -> Iterator[Step]:
        for number in range(5):
            listed.append(number)
            yield Step((), Position(number=number), 1, 1)
        raise failure

    ahead = StepsAhead(list_them())
    ahead.start()
    found = iter(ahead)
    assert next(found).position.number == 0
    # One waits in the queue, and one in the hand of the thread.
    assert len(listed) <= 3
    assert [next(found).position.number for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(AwsError) as raised:
        next(found)
    assert raised.value is failure


def test_what_nobody_foresaw_ends_the_listing_instead_of_hanging_it() -> None:
    def list_them() -> Iterator[Step]:
        yield Step((), Position(), 1, 1)
        raise ValueError("odd")

    ahead = StepsAhead(list_them())
    ahead.start()
    with pytest.raises(Exception, match="ValueError: odd"):
        list(ahead)
