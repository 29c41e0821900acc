import pytest

from cloudtrail_collector.core.object_key import KeyKind, classify_key


def _key(folder: str, *, ending: str = ".json.gz", organization: str = "") -> str:
    return f"AWSLogs/{organization}111122223333/{folder}/us-east-1/2026/01/02/file{ending}"


@pytest.mark.parametrize(
    ("key", "prefix", "kind"),
    [
        (_key("CloudTrail"), None, KeyKind.LOG_FILE),
        (_key("CloudTrail", ending=".json"), None, KeyKind.LOG_FILE),
        (_key("CloudTrail", organization="o-abc123/"), None, KeyKind.LOG_FILE),
        ("a b/" + _key("CloudTrail"), "a b/", KeyKind.LOG_FILE),
        (_key("CloudTrail-Insight"), None, KeyKind.LOG_FILE),
        (_key("CloudTrail-NetworkActivity"), None, KeyKind.LOG_FILE),
        (_key("CloudTrail-Digest"), None, KeyKind.DIGEST),
        (_key("CloudTrail-Aggregated"), None, KeyKind.AGGREGATED),
        (_key("CloudTrail-Unheard"), None, KeyKind.OTHER),
        (_key("Config"), None, KeyKind.OTHER),
        (_key("CloudTrail", ending=".csv"), None, KeyKind.OTHER),
        ("AWSLogs/.cloudtrail-operator-probe", None, KeyKind.OTHER),
        (_key("CloudTrail"), "team-a/", KeyKind.OUTSIDE_PREFIX),
    ],
)
def test_a_key_tells_what_its_object_is(key: str, prefix: str | None, kind: KeyKind) -> None:
    assert classify_key(key, prefix) is kind
