import json
from typing import Any

import pytest

from cloudtrail_collector.core.event_filter import EventFilter, UndecodableRecordError
from cloudtrail_spec.filters import FilterRule

RECORD = {
    "eventName": "DescribeInstances",
    "readOnly": True,
    "count": 12,
    "errorCode": None,
    "quoted": 'a"b\u00e9',
    "eventTime": "2026-01-02T03:04:05Z",
    "userIdentity": {"sessionContext": {"sessionIssuer": {"userName": "ci"}}},
    "resources": [{"ARN": "x"}],
}


def _rule(*selectors: dict[str, Any], name: str = "rule", action: str = "Drop") -> FilterRule:
    return FilterRule.model_validate({"name": name, "action": action, "fieldSelectors": selectors})


def _dropped(record: Any, *rules: FilterRule) -> str | None:
    return EventFilter(rules).decide(json.dumps(record).encode()).dropped_by


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({"field": "eventName", "equals": ["X", "DescribeInstances"]}, True),
        ({"field": "eventName", "equals": ["Describe"]}, False),
        ({"field": "eventName", "notEquals": ["X"]}, True),
        ({"field": "eventName", "startsWith": ["Describe", "List"]}, True),
        ({"field": "eventName", "notStartsWith": ["List", "Describe"]}, False),
        ({"field": "eventName", "endsWith": ["Instances"]}, True),
        ({"field": "eventName", "notEndsWith": ["Instances"]}, False),
        ({"field": "eventName", "startsWith": ["Describe"], "notEndsWith": ["Instances"]}, False),
        ({"field": "readOnly", "equals": ["true"]}, True),
        ({"field": "count", "equals": ["12"]}, True),
        ({"field": "quoted", "equals": ['a"b\u00e9']}, True),
        ({"field": "userIdentity.sessionContext.sessionIssuer.userName", "equals": ["ci"]}, True),
        ({"field": "userIdentity.invokedBy", "equals": ["ci"]}, False),
        ({"field": "userIdentity.invokedBy", "notEquals": ["ci"]}, True),
        ({"field": "eventName.inner", "notStartsWith": ["x"]}, True),
        ({"field": "absent", "startsWith": [""]}, False),
        ({"field": "errorCode", "equals": ["null"]}, False),
        ({"field": "errorCode", "notEquals": ["null"]}, True),
        ({"field": "userIdentity", "startsWith": ["{"]}, False),
        ({"field": "resources.ARN", "notEquals": ["x"]}, True),
    ],
)
def test_operators(selector: dict[str, Any], matches: bool) -> None:
    assert (_dropped(RECORD, _rule(selector)) == "rule") is matches


def test_all_selectors_of_a_rule_must_hold() -> None:
    read_only = {"field": "readOnly", "equals": ["true"]}
    assert _dropped(RECORD, _rule(read_only, {"field": "count", "equals": ["1"]})) is None
    assert _dropped(RECORD, _rule(read_only, {"field": "count", "equals": ["12"]})) == "rule"


def test_the_first_rule_that_matches_decides() -> None:
    keep = _rule({"field": "eventName", "endsWith": ["Instances"]}, name="keep", action="Keep")
    drop = _rule({"field": "readOnly", "equals": ["true"]}, name="drop")
    assert _dropped(RECORD, keep, drop) is None
    assert _dropped(RECORD, drop, keep) == "drop"


def test_no_rule_keeps_and_the_time_is_read() -> None:
    verdict = EventFilter([]).decide(json.dumps(RECORD).encode())
    assert (verdict.dropped_by, verdict.event_time) == (None, "2026-01-02T03:04:05Z")


@pytest.mark.parametrize("record", [b'{"eventName":"\\ud800"}', b"[" * 50_000 + b"]" * 50_000, b"12", b'"x"', b"{"])
def test_what_cannot_be_read_is_refused(record: bytes) -> None:
    with pytest.raises(UndecodableRecordError):
        EventFilter([_rule({"field": "eventName", "equals": ["x"]})]).decide(record)
