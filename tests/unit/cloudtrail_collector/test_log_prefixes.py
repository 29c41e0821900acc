"""What is listed of a bucket, and which of its keys are wanted."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from cloudtrail_collector.core.log_prefixes import Folder, LogSelection, find_prefixes
from cloudtrail_spec.interval import Interval

ONE, OTHER = "111122223333", "444455556666"
ORG = "o-abc123"


def build_key(
    day: str,
    minute: str = "1200",
    account: str = ONE,
    region: str = "us-east-1",
    *,
    kind: str = "CloudTrail",
    head: str = "",
) -> str:
    """Build the key of a log file that was delivered on a day (20230710)."""
    folder = f"{head}AWSLogs/{account}/{kind}/{region}/{day[:4]}/{day[4:6]}/{day[6:]}"
    return f"{folder}/{account}_{kind}_{region}_{day}T{minute}Z_AbCdEf.json.gz"


class Tree:
    """A bucket in memory that notes which folders are asked for."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys
        self.asked: list[str] = []

    def list_folder(self, prefix: str) -> Folder:
        self.asked.append(prefix)
        rests = [key.removeprefix(prefix) for key in self._keys if key.startswith(prefix)]
        folders = {f"{prefix}{rest.split('/', 1)[0]}/" for rest in rests if "/" in rest}
        return Folder(tuple(sorted(folders)), any("/" not in rest for rest in rests))

    def find(self, prefix: str, selection: LogSelection) -> list[str]:
        return list(find_prefixes(prefix, selection, self.list_folder))

    def select(self, prefix: str, selection: LogSelection) -> list[str]:
        prefixes = self.find(prefix, selection)
        listed = [key for one in prefixes for key in self._keys if key.startswith(one)]
        assert len(listed) == len(set(listed)), "no key is listed twice"
        return [key for key in listed if selection.wants(key)]


def between(start: str, end: str) -> Interval:
    return Interval(datetime.fromisoformat(start), datetime.fromisoformat(end))


DAY = LogSelection(interval=between("2023-07-10T08:00:00Z", "2023-07-10T16:00:00Z"))


def test_without_conditions_nothing_is_asked_and_the_prefix_is_listed() -> None:
    tree = Tree(build_key("20230710"))
    assert (tree.find("AWSLogs/", LogSelection()), tree.asked) == (["AWSLogs/"], [])


def test_only_days_of_the_interval_are_listed() -> None:
    tree = Tree(build_key("20230709"), build_key("20230710"), build_key("20230710", region="eu-west-1"))
    assert tree.find("", DAY) == [
        f"AWSLogs/{ONE}/CloudTrail/eu-west-1/2023/07/10/",
        f"AWSLogs/{ONE}/CloudTrail/us-east-1/2023/07/10/",
    ]
    assert tree.asked == ["", "AWSLogs/", f"AWSLogs/{ONE}/", f"AWSLogs/{ONE}/CloudTrail/"]


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2023-07-10T08:00:00Z", "2023-07-10T16:00:00Z", ["10"]),
        ("2023-07-10T00:10:00Z", "2023-07-10T16:00:00Z", ["09", "10"]),
        ("2023-07-10T08:00:00Z", "2023-07-10T23:50:00Z", ["10", "11"]),
        ("2023-07-09T08:00:00Z", "2023-07-11T08:00:00Z", ["09", "10", "11"]),
    ],
)
def test_the_other_side_of_midnight_is_listed_where_it_is_near(start: str, end: str, days: Sequence[str]) -> None:
    region = f"AWSLogs/{ONE}/CloudTrail/us-east-1/"
    tree = Tree()
    found = tree.find(region, LogSelection(interval=between(start, end)))
    assert (found, tree.asked) == ([f"{region}2023/07/{day}/" for day in days], [])


def test_only_accounts_and_regions_that_are_asked_for_are_entered() -> None:
    tree = Tree(
        f"trail/AWSLogs/{ORG}/{ONE}/CloudTrail/us-east-1/2023/07/10/a.json.gz",
        f"trail/AWSLogs/{ORG}/{ONE}/CloudTrail/eu-west-1/2023/07/10/a.json.gz",
        f"trail/AWSLogs/{ORG}/{OTHER}/CloudTrail/us-east-1/2023/07/10/a.json.gz",
        f"trail/AWSLogs/{ORG}/{ONE}/CloudTrail-Digest/us-east-1/2023/07/10/a.json.gz",
        f"trail/AWSLogs/{ORG}/{ONE}/Config/us-east-1/2023/7/10/a.json.gz",
    )
    selection = LogSelection(frozenset({ONE}), frozenset({"us-east-1"}), DAY.interval)
    assert f"trail/AWSLogs/{ORG}/{ONE}/CloudTrail/us-east-1/2023/07/10/" in tree.find("trail/", selection)
    assert not any(OTHER in asked or "Digest" in asked or "Config" in asked for asked in tree.asked)


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "tra",
        "trail/",
        "trail/AWSLogs",
        "trail/AWSLogs/",
        f"trail/AWSLogs/{ONE[:4]}",
        f"trail/AWSLogs/{ONE}/CloudTrail/us-",
        f"trail/AWSLogs/{ONE}/CloudTrail/us-east-1/2023/0",
        f"trail/AWSLogs/{ONE}/CloudTrail/us-east-1/2023/07/10/",
        f"trail/AWSLogs/{ONE}/CloudTrail/us-east-1/2023/07/10/{ONE}_CloudTrail_us-east-1_20230710T1",
    ],
)
def test_a_prefix_may_end_anywhere(prefix: str) -> None:
    wanted = build_key("20230710", head="trail/")
    tree = Tree(wanted, build_key("20230709", head="trail/"), build_key("20230710", minute="2300", head="trail/"))
    assert tree.select(prefix, DAY) == [wanted]


def test_a_prefix_outside_of_the_interval_lists_nothing() -> None:
    assert Tree().find(f"AWSLogs/{ONE}/CloudTrail/us-east-1/2023/07/01/", DAY) == []


def test_other_layouts_are_listed_whole() -> None:
    name = f"{ONE}_CloudTrail_us-east-1_20230710T1200Z_x.json.gz"
    tree = Tree(f"copies/july/{name}", f"copies/july/{ONE}_CloudTrail_us-east-1_20230709T1200Z_x.json.gz")
    assert tree.find("copies/", DAY) == ["copies/july/"]
    assert tree.select("copies/", DAY) == [f"copies/july/{name}"]


def test_a_bucket_with_many_folders_is_listed_whole() -> None:
    tree = Tree(*(f"logs/{number}/x.json" for number in range(50)))
    assert (tree.find("logs/", DAY), tree.asked) == (["logs/"], ["logs/"])


@pytest.mark.parametrize(
    ("minute", "is_wanted"), [("0759", False), ("0800", True), ("1600", True), ("1601", False), ("2561", False)]
)
def test_interval_matches_the_minute_in_the_name(minute: str, is_wanted: bool) -> None:
    assert DAY.wants(build_key("20230710", minute)) is is_wanted


def test_a_minute_that_is_partly_inside_is_inside() -> None:
    selection = LogSelection(interval=between("2023-07-10T12:00:59Z", "2023-07-10T13:00:00Z"))
    assert selection.wants(build_key("20230710", "1200"))


@pytest.mark.parametrize(
    ("key", "is_wanted"),
    [
        (build_key("20230710"), True),
        (build_key("20230710", kind="CloudTrail-Insight"), True),
        (build_key("20230710", kind="CloudTrail-NetworkActivity"), True),
        (build_key("20230710", kind="CloudTrail-Aggregated"), False),
        (build_key("20230710", kind="CloudTrail-Digest"), False),
        (f"copies/{ONE}_CloudTrail-Digest_us-east-1_trail_us-east-1_20230710T1200Z.json.gz", False),
        ("copies/anything.json", True),
        ("copies/anything.json.gz", True),
        ("copies/anything.parquet", False),
        ("copies/", False),
    ],
)
def test_digests_summaries_and_other_files_are_not_wanted(key: str, is_wanted: bool) -> None:
    assert LogSelection().wants(key) is is_wanted


def test_what_a_key_does_not_say_it_cannot_match() -> None:
    name = "copies/anything.json"
    assert not LogSelection(accounts=frozenset({ONE})).wants(name)
    assert not LogSelection(regions=frozenset({"us-east-1"})).wants(name)
    assert not DAY.wants(name)


def test_account_and_region_of_a_copy_are_in_its_name() -> None:
    copy = f"copies/{ONE}_CloudTrail_us-east-1_20230710T1200Z_x.json.gz"
    assert LogSelection(frozenset({ONE}), frozenset({"us-east-1"})).wants(copy)
    assert not LogSelection(frozenset({OTHER})).wants(copy)
    assert not LogSelection(regions=frozenset({"eu-west-1"})).wants(copy)
