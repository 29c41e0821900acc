import pytest

from cloudtrail_collector.core.object_key import KeySelection, LogFileKey, SkipReason, parse_key
from cloudtrail_spec.pipeline import LogClass, ObjectsPolicy


def _key(folder: str, *, ending: str = ".json.gz", organization: str = "", region: str = "us-east-1") -> str:
    return f"AWSLogs/{organization}111122223333/{folder}/{region}/2026/01/02/file{ending}"


@pytest.mark.parametrize("prefix", ["", "team/trails/", "a b/"])
@pytest.mark.parametrize("organization", ["", "o-abc123/"])
@pytest.mark.parametrize(
    ("folder", "log_class"),
    [
        ("CloudTrail", LogClass.CLOUDTRAIL),
        ("CloudTrail-Insight", LogClass.INSIGHT),
        ("CloudTrail-NetworkActivity", LogClass.NETWORK_ACTIVITY),
        ("CloudTrail-Aggregated", LogClass.AGGREGATED),
    ],
)
def test_t45_log_files_are_told_by_their_key(prefix: str, organization: str, folder: str, log_class: LogClass) -> None:
    key = prefix + _key(folder, organization=organization)
    assert parse_key(key) == LogFileKey(log_class, "111122223333", "us-east-1")


@pytest.mark.parametrize("prefix", ["", "team/trails/"])
@pytest.mark.parametrize("organization", ["", "o-abc123/"])
def test_t45_digests_are_never_log_files(prefix: str, organization: str) -> None:
    name = "/111122223333_CloudTrail-Digest_us-east-1_trail_us-east-1_20260102T030405Z"
    by_path = prefix + _key("CloudTrail-Digest", organization=organization)
    by_name = prefix + _key("CloudTrail", organization=organization, ending=f"{name}.json.gz")
    backfilled = prefix + _key("CloudTrail-Digest", organization=organization, ending=f"{name}_backfill.json.gz")
    for key in (by_path, by_name, backfilled):
        assert parse_key(key) is None
        assert KeySelection(None, ObjectsPolicy()).find_skip_reason(key) is SkipReason.DIGEST


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (_key("CloudTrail"), None),
        (_key("CloudTrail", ending=".json"), None),
        (_key("CloudTrail-Insight"), None),
        (_key("CloudTrail-Aggregated"), SkipReason.CLASS_NOT_SELECTED),
        (_key("CloudTrail-Unheard"), SkipReason.NOT_A_LOG_FILE),
        (_key("Config"), SkipReason.NOT_A_LOG_FILE),
        (_key("CloudTrail", ending=".csv"), SkipReason.NOT_A_LOG_FILE),
        ("AWSLogs/.cloudtrail-operator-probe", SkipReason.NOT_A_LOG_FILE),
    ],
)
def test_by_default_all_but_aggregates_are_read(key: str, reason: SkipReason | None) -> None:
    assert KeySelection(None, ObjectsPolicy()).find_skip_reason(key) is reason


def test_a_selection_names_the_first_reason() -> None:
    policy = ObjectsPolicy(
        classes=(LogClass.CLOUDTRAIL, LogClass.AGGREGATED), account_ids=("111122223333",), regions=("us-east-1",)
    )
    selection = KeySelection("team/", policy)
    reasons = {
        "team/" + _key("CloudTrail"): None,
        "team/" + _key("CloudTrail-Aggregated"): None,
        _key("CloudTrail"): SkipReason.OUTSIDE_PREFIX,
        "team/" + _key("CloudTrail-Insight"): SkipReason.CLASS_NOT_SELECTED,
        "team/" + _key("CloudTrail", region="eu-west-1"): SkipReason.REGION_NOT_SELECTED,
        "team/" + _key("CloudTrail").replace("111122223333", "444455556666"): SkipReason.ACCOUNT_NOT_SELECTED,
    }
    assert {key: selection.find_skip_reason(key) for key in reasons} == reasons
