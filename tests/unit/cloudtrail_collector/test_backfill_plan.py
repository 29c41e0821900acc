"""How a backfill's work is cut into units, shares and passes."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from cloudtrail_collector.core.backfill.passes import (
    Horizon,
    find_wait,
    is_in_pass,
    is_open,
    plan_first_pass,
    plan_next_pass,
)
from cloudtrail_collector.core.backfill.patience import MAX_TROUBLE_SECONDS, find_pause
from cloudtrail_collector.core.backfill.units import BucketFolder, Share, Unit, UnitPlan, is_behind
from cloudtrail_collector.core.backfill.work import build_pipeline, build_work
from cloudtrail_collector.core.log_prefixes import TrailFolder, find_folders
from cloudtrail_spec.backfill_task import BackfillTask, Position, find_share
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import DEFAULT_CLASSES, LogClass, MissingObjectPolicy, Mode
from unit.cloudtrail_collector.test_log_prefixes import ORG, Tree, build_key

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
LATE = timedelta(minutes=15)
ACCOUNTS = ("111122223333", "444455556666", "777788889999")
REGIONS = ("eu-west-1", "us-east-1")


def build_folders(*places: str) -> list[BucketFolder]:
    regions = [
        f"AWSLogs/{account}/CloudTrail/{region}/" for account, _, region in (one.partition("/") for one in places)
    ]
    return [BucketFolder("trail", TrailFolder(root, root, place)) for root, place in zip(regions, places, strict=True)]


def build_task(**changes: object) -> BackfillTask:
    pipeline = {"bucket": "trail", "region": "us-east-1", "sinks": [{"name": "out", "stdout": {}}]}
    fields = {
        "pipeline": pipeline,
        "since": "2026-01-01T00:00:00Z",
        "until": "2026-01-10T12:00:00Z",
        "progressName": "x",
    }
    return BackfillTask.model_validate(fields | changes)


@pytest.mark.parametrize("shares", [1, 2, 3, 7, 100])
def test_each_unit_is_of_exactly_one_share_and_busy_places_are_spread(shares: int) -> None:
    folders = build_folders(*(f"{account}/{region}" for account in ACCOUNTS for region in REGIONS))
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(10)]
    parts = [list(UnitPlan(folders, days, Share(number, shares))) for number in range(shares)]
    units = Counter(unit for part in parts for unit in part)
    assert len(units) == 60
    assert set(units.values()) == {1}
    if shares <= 10:
        # The days of one place go round: no share gets two days more of it than another.
        for folder in folders:
            counts = [sum(unit.prefix.startswith(folder.folder.region) for unit in part) for part in parts]
            assert max(counts) - min(counts) <= 1


def test_units_come_day_by_day_and_those_without_days_first() -> None:
    folders = [
        *build_folders("444455556666/us-east-1", "111122223333/us-east-1"),
        BucketFolder("trail", TrailFolder("x/")),
    ]
    units = list(UnitPlan(folders, [date(2026, 1, 1), date(2026, 1, 2)], Share(0, 1)))
    assert units[0] == Unit(None, "trail", "x/")
    assert [(unit.day, unit.prefix[8:12]) for unit in units[1:]] == [
        (date(2026, 1, day), account) for day in (1, 2) for account in ("1111", "4444")
    ]


def test_what_is_behind_a_position_is_what_is_left_to_do() -> None:
    units = list(UnitPlan(build_folders("111122223333/us-east-1"), [date(2026, 1, 1), date(2026, 1, 2)], Share(0, 1)))
    assert [is_behind(unit, Position()) for unit in units] == [True, True]
    whole = Position(day=units[0].day, unit=units[0].name)
    assert [is_behind(unit, whole) for unit in units] == [False, True]
    part = Position(day=units[0].day, unit=units[0].name, last_key="something")
    assert [is_behind(unit, part) for unit in units] == [True, True]


@pytest.mark.parametrize("head", ["", "audit/", f"AWSLogs/{ORG}/"], ids=["plain", "prefixed", "organization"])
def test_all_layouts_give_units_of_wanted_accounts_regions_and_classes_only(head: str) -> None:
    keys = [
        build_key("20260105", account=account, region=region, kind=kind, head=head).replace(
            "AWSLogs/o-abc123/AWSLogs/", head
        )
        for account in ACCOUNTS
        for region in REGIONS
        for kind in ("CloudTrail", "CloudTrail-Insight", "CloudTrail-Digest", "CloudTrail-Aggregated")
    ]
    task = build_task(accounts=ACCOUNTS[:2], regions=REGIONS[:1], classes=["Insight"])
    work = build_work(task, build_pipeline(task), 0)
    tree = Tree(*keys)
    found = list(find_folders("", work.selection, tree.list_folder))
    assert sorted(folder.place for folder in found) == [f"{account}/eu-west-1" for account in ACCOUNTS[:2]]
    assert all("/CloudTrail-Insight/" in folder.prefix for folder in found)
    assert all("/2026/" not in asked for asked in tree.asked), "days are known"


def test_a_task_counts_before_the_pipeline_that_it_runs() -> None:
    objects = {"accountIds": [ACCOUNTS[0]], "regions": [REGIONS[0]], "classes": ["Aggregated"]}
    pipeline = build_task().pipeline.model_dump(by_alias=True, mode="json") | {"objects": objects, "mode": "Paused"}
    own = build_pipeline(build_task(pipeline=pipeline))
    assert own.objects_policy.account_ids == (ACCOUNTS[0],)
    assert own.objects_policy.classes == (LogClass.AGGREGATED,)
    assert own.objects_policy.missing is MissingObjectPolicy.DROP
    assert own.mode is Mode.ACTIVE
    told = build_pipeline(build_task(pipeline=pipeline, accounts=[ACCOUNTS[1]], classes=["CloudTrail"]))
    assert told.objects_policy.account_ids == (ACCOUNTS[1],)
    assert told.objects_policy.regions == (REGIONS[0],)
    assert told.objects_policy.classes == (LogClass.CLOUDTRAIL,)


def test_days_at_both_ends_have_the_neighbours_of_midnight() -> None:
    task = build_task(since="2026-01-02T00:30:00Z", until="2026-01-03T23:30:00Z")
    days = build_work(task, build_pipeline(task), 0).days
    assert [day.day for day in days] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_a_pipeline_without_a_queue_is_of_its_regions_partition(region: str, partition: str) -> None:
    pipeline = {"bucket": "trail", "region": region, "sinks": [{"name": "out", "stdout": {}}]}
    assert build_task(pipeline=pipeline).pipeline.queue_arn.split(":")[1:4] == [partition, "sqs", region]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"since": "2026-02-01T00:00:00Z"}, "since: must not be later than until"),
        ({"pipeline": {"bucket": "trail", "region": "us-east-1"}}, "needs at least one sink"),
        ({"shares": 0}, "greater than or equal to 1"),
        ({"progressName": "Not a name"}, "match pattern"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_a_task_that_cannot_be_done_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build_task(**changes)


def test_an_interval_that_is_long_past_is_listed_once() -> None:
    horizon = Horizon(NOON, LATE)
    only = plan_first_pass(NOON + timedelta(hours=1), horizon)
    assert only.written_before is None
    assert plan_next_pass(only, NOON + timedelta(hours=2), horizon, has_brought=True) is None


def simulate(horizon: Horizon, now: datetime, written: Sequence[datetime]) -> tuple[list[Position], Counter[datetime]]:
    """Run passes as a worker does; each takes ten seconds. Returns them, and how often each object was read."""
    read: Counter[datetime] = Counter()
    passes: list[Position] = []
    following: Position | None = plan_first_pass(now, horizon)
    while following is not None:
        position = following
        passes.append(position)
        day = horizon.until.date()
        # Objects that are there when the pass ends: what a listing shows on the way is of one moment for each key.
        now += timedelta(seconds=10)
        found = [one for one in written if one <= now and is_in_pass(one, day, position, horizon)]
        read.update(found)
        now += find_wait(position, now, horizon)
        following = plan_next_pass(position, now, horizon, has_brought=bool(found))
        assert len(passes) < 100
    return passes, read


@pytest.mark.parametrize("ago", [-1, 0, 1, 5, 14])
def test_each_object_that_comes_in_time_is_read_in_exactly_one_pass(ago: int) -> None:
    """T-16: no object is missed because it comes late or sorts before others."""
    horizon = Horizon(NOON, LATE)
    begin = NOON + timedelta(minutes=ago)
    written = [NOON + timedelta(seconds=second) for second in range(-3600, int(LATE.total_seconds()) + 1, 7)]
    passes, read = simulate(horizon, begin, written)
    assert read == Counter(written)
    assert passes[-1].written_before is not None
    assert passes[-1].written_before > horizon.closes_at
    assert len(passes) <= 20, "about one a minute"


def test_what_comes_later_than_expected_is_read_as_long_as_something_comes() -> None:
    horizon = Horizon(NOON, LATE)
    late = horizon.closes_at + timedelta(seconds=1)
    passes, read = simulate(horizon, horizon.closes_at - timedelta(minutes=1), [late])
    assert read == Counter([late])
    assert passes[-1].written_from is not None
    assert passes[-1].written_from > late


def test_days_that_are_closed_are_whole_in_the_first_pass_and_left_out_of_others() -> None:
    horizon = Horizon(NOON, LATE)
    first = plan_first_pass(NOON, horizon)
    second = plan_next_pass(first, NOON + timedelta(minutes=2), horizon, has_brought=True)
    assert second is not None
    restored = NOON + timedelta(days=1)
    assert is_in_pass(restored, date(2026, 1, 5), first, horizon), "an object that was restored or replicated lately"
    assert not is_open(date(2026, 1, 9), second, horizon)
    assert is_open(date(2026, 1, 10), second, horizon)
    assert is_open(None, second, horizon)


def test_just_after_midnight_the_day_before_is_open_too() -> None:
    horizon = Horizon(datetime(2026, 1, 10, 0, 5, tzinfo=UTC), LATE)
    second = plan_next_pass(plan_first_pass(horizon.until, horizon), horizon.until, horizon, has_brought=True)
    assert second is not None
    assert is_open(date(2026, 1, 9), second, horizon)


def test_patience_ends_soon_where_a_person_must_act_and_late_where_it_may_pass() -> None:
    assert [find_pause(Reason.ACCESS_DENIED, tries, 0, 0.0) is None for tries in (1, 2, 3, 4)] == [
        False,
        False,
        False,
        True,
    ]
    assert find_pause(Reason.THROTTLED, 40, MAX_TROUBLE_SECONDS - 1, 0.0) is not None
    assert find_pause(Reason.THROTTLED, 40, MAX_TROUBLE_SECONDS, 0.0) is None


def test_shares_are_the_same_on_every_machine() -> None:
    assert find_share(date(2026, 1, 1), "111122223333/us-east-1", 10) == 8
    assert find_share(None, "s3://trail/x/", 10) == 7
    assert set(DEFAULT_CLASSES) < set(LogClass)
