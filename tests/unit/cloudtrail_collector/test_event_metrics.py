"""Event metrics: what is counted, under which labels, and each activity of the CIS benchmark."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cloudtrail_collector.core.cis_activities import CIS_ACTIVITIES
from cloudtrail_collector.core.event_metrics import MatchKey
from cloudtrail_collector.core.log_file import LogFile
from cloudtrail_collector.core.masking import compile_masks, refuse_keys
from cloudtrail_collector.core.selection import RecordSelector, SelectionRules
from cloudtrail_collector.metrics import MAX_MATCH_SERIES, Metrics
from cloudtrail_spec.event_metrics import MetricPreset, MetricRule
from cloudtrail_spec.filters import FilterRule
from cloudtrail_spec.masks import MaskRule

USER = {"type": "IAMUser", "accountId": "111122223333", "userName": "alice"}
ROOT = {"type": "Root", "accountId": "111122223333"}


def _event(name: str, service: str = "iam", **fields: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "userIdentity": USER,
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "recipientAccountId": "111122223333",
        "eventType": "AwsApiCall",
        **fields,
    }


def _count(
    rules: list[MetricRule], *events: dict[str, Any], filters: tuple[FilterRule, ...] = (), masks: tuple[str, ...] = ()
) -> Mapping[MatchKey, int]:
    text = json.dumps({"Records": events}, separators=(",", ":")).encode()
    masker = compile_masks([MaskRule.model_validate({"preset": preset}) for preset in masks], refuse_keys)
    selector = RecordSelector(SelectionRules(filters=filters, metrics=rules), masker)
    (selection,) = selector.select(LogFile(b"", len(text), text))
    return selection.matches


CIS = [MetricRule(name="cis", preset=MetricPreset.CIS_AWS_FOUNDATIONS)]
LOGIN = {"responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "No"}}
ACTIVITIES = {
    "unauthorized-api-calls": _event("RunInstances", "ec2", errorCode="Client.UnauthorizedOperation"),
    "console-sign-in-without-mfa": _event("ConsoleLogin", "signin", **LOGIN),
    "root-use": _event("ListBuckets", "s3", userIdentity=ROOT),
    "iam-policy-changes": _event("AttachRolePolicy"),
    "cloudtrail-changes": _event("StopLogging", "cloudtrail"),
    "console-sign-in-failures": _event("ConsoleLogin", "signin", errorMessage="Failed authentication"),
    "kms-key-disabling": _event("ScheduleKeyDeletion", "kms"),
    "bucket-policy-changes": _event("PutBucketPolicy", "s3"),
    "config-changes": _event("StopConfigurationRecorder", "config"),
    "security-group-changes": _event("AuthorizeSecurityGroupIngress", "ec2"),
    "network-acl-changes": _event("DeleteNetworkAcl", "ec2"),
    "network-gateway-changes": _event("AttachInternetGateway", "ec2"),
    "route-table-changes": _event("CreateRoute", "ec2"),
    "vpc-changes": _event("CreateVpcPeeringConnection", "ec2"),
    "organizations-changes": _event("LeaveOrganization", "organizations"),
}


def test_every_activity_has_a_case_and_is_named_in_the_api() -> None:
    assert set(ACTIVITIES) == set(CIS_ACTIVITIES)
    description = MetricRule.model_fields["preset"].description
    assert description is not None
    assert all(activity in description for activity in CIS_ACTIVITIES)


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_an_activity_of_the_benchmark_is_counted_and_no_other(activity: str) -> None:
    assert {key.rule: count for key, count in _count(CIS, ACTIVITIES[activity]).items()} == {f"cis/{activity}": 1}


@pytest.mark.parametrize(
    "event",
    [
        _event("ConsoleLogin", "signin", **(LOGIN | {"additionalEventData": {"MFAUsed": "Yes"}})),
        _event("ListBuckets", "s3", userIdentity=ROOT | {"invokedBy": "support.amazonaws.com"}),
        _event("ListBuckets", "s3", userIdentity=ROOT, eventType="AwsServiceEvent"),
        _event("HeadBucket", "s3", errorCode="AccessDenied"),
        _event("PutObject", "s3", errorCode="AccessDenied", sourceIPAddress="delivery.logs.amazonaws.com"),
        _event("CreatePolicy", "iot"),
    ],
)
def test_what_the_benchmark_leaves_out_is_not_counted(event: dict[str, Any]) -> None:
    assert _count(CIS, event) == {}


def test_access_denied_is_counted_once_in_each_of_its_spellings() -> None:
    codes = ("AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation", "UnauthorizedOperation")
    events = [_event("GetObject", "s3", errorCode=code) for code in codes]
    assert sum(_count(CIS, *events).values()) == len(codes)


def _rule(*labels: str, **selector: Any) -> MetricRule:
    return MetricRule.model_validate({"name": "own", "fieldSelectors": [selector], "labels": labels})


def test_labels_are_those_that_the_rule_asks_for() -> None:
    rule = _rule("Region", "ErrorCode", field="eventName", equals=["StopLogging"])
    events = [
        _event("StopLogging"),
        _event("StopLogging", awsRegion="eu-west-1", errorCode="AccessDenied"),
        _event("x"),
    ]
    assert _count([rule], *events) == {
        MatchKey("own", ("", "", "us-east-1", "", "", "")): 1,
        MatchKey("own", ("", "", "eu-west-1", "", "AccessDenied", "")): 1,
    }


def test_labels_are_masked() -> None:
    rule = _rule("AccountID", field="eventName", equals=["x"])
    assert _count([rule], _event("x"), masks=("AccountIds",)) == {
        MatchKey("own", ("", "", "", "000000000000", "", "")): 1
    }


def test_filters_do_not_keep_events_from_being_counted() -> None:
    drop = FilterRule.model_validate(
        {"name": "all", "action": "Drop", "fieldSelectors": [{"field": "eventVersion", "startsWith": ["1"]}]}
    )
    assert sum(_count([_rule(field="eventName", equals=["x"])], _event("x"), filters=(drop,)).values()) == 1


def test_a_label_of_another_type_is_empty() -> None:
    rule = _rule("ErrorCode", field="eventName", equals=["x"])
    assert _count([rule], _event("x", errorCode={"a": 1})) == {MatchKey("own", ("",) * 6): 1}


def _read(metrics: Metrics, **labels: str) -> float | None:
    every = dict.fromkeys(("event_name", "event_source", "region", "account_id", "error_code", "identity_type"), "")
    return metrics.registry.get_sample_value("cloudtrail_collector_event_matches_total", every | labels)


def test_series_are_bounded() -> None:
    metrics = Metrics(filters=[], sinks=[], matches=[MatchKey("cis/root-use", ("",) * 6)])
    assert _read(metrics, rule="cis/root-use") == 0
    for number in range(MAX_MATCH_SERIES + 10):
        metrics.count_matches(MatchKey("own", (f"name-{number}", "", "", "", "", "")), 1)
    metrics.count_matches(MatchKey("own", ("name-0", "", "", "", "", "")), 1)
    assert _read(metrics, rule="own", event_name="name-0") == 2
    assert _read(metrics, rule="own", event_name="other") == 10
