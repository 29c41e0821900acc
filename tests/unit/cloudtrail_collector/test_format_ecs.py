"""Format ECS, on records written for it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from cloudtrail_collector.core.formats import FormatError, FormatEvent, build_format
from cloudtrail_collector.core.formats.ecs import MOST_FLATTENED_BYTES
from cloudtrail_collector.core.formats.ecs_categories import CATEGORIES
from cloudtrail_spec.formats import EventFormat, RawOptions
from support.formats import (
    ALICE,
    HOSTILE_RECORDS,
    PLACE,
    ROLE_ARN,
    SESSION,
    find_lost,
    flatten,
    make_record,
    read_corpus,
)


def _build() -> FormatEvent:
    format_event = build_format(EventFormat.ECS, RawOptions(), "any")
    assert format_event is not None
    return format_event


ECS = _build()


def _format(name: str, service: str = "iam", **changes: Any) -> dict[str, Any]:
    return dict(flatten(json.loads(ECS(make_record(name, service, **changes), PLACE))))


def test_a_call_of_a_role_becomes_a_whole_document() -> None:
    record = make_record(
        "CreateUser",
        requestParameters={"userName": "bob", "tags": [], "path": ""},
        responseElements={
            "user": {"userName": "bob", "userId": "AIDAEXAMPLEEXAMPLE03", "arn": "arn:aws:iam::1:user/bob"}
        },
        tlsDetails={"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_X", "clientProvidedHostHeader": "iam.amazonaws.com"},
        resources=[{"ARN": "arn:r", "accountId": "1", "type": "AWS::IAM::User"}] * 2,
    )
    assert json.loads(ECS(record, PLACE)) == {
        "@timestamp": "2026-01-05T18:46:26.000Z",
        "ecs": {"version": "8.11.0"},
        "event": {
            "kind": "event",
            "module": "aws",
            "dataset": "aws.cloudtrail",
            "provider": "iam.amazonaws.com",
            "action": "CreateUser",
            "id": "6b3f2b60-3d5e-4b8e-9f3b-1f2e3d4c5b6a",
            "outcome": "success",
            "category": ["iam"],
            "type": ["user", "creation"],
        },
        "cloud": {"provider": "aws", "region": "eu-central-1", "account": {"id": "111122223333"}},
        "source": {"address": "198.51.100.7", "ip": "198.51.100.7"},
        "user_agent": {"original": "aws-cli/2.31.4"},
        "user": {
            "id": "AROAEXAMPLEEXAMPLE01:ci",
            "name": "Deployer",
            "target": {"id": "AIDAEXAMPLEEXAMPLE03", "name": "bob"},
        },
        "tls": {
            "version": "1.3",
            "version_protocol": "tls",
            "cipher": "TLS_X",
            "client": {"server_name": "iam.amazonaws.com"},
        },
        "related": {
            "entity": [
                "AIDAEXAMPLEEXAMPLE03",
                "AROAEXAMPLEEXAMPLE01:ci",
                "Deployer",
                ROLE_ARN,
                "arn:aws:iam::1:user/bob",
                "arn:aws:sts::111122223333:assumed-role/Deployer/ci",
                "arn:r",
                "bob",
            ],
            "user": ["bob"],
        },
        "aws": {
            "cloudtrail": {
                "event_version": "1.11",
                "event_category": "Management",
                "event_type": "AwsApiCall",
                "request_id": "0b6ac1a8-9a2e-4d6b-a6a8-0b9c8d7e6f50",
                "management_event": "true",
                "read_only": False,
                "recipient_account_id": "111122223333",
                "resources": [{"arn": "arn:r", "account_id": "1", "type": "AWS::IAM::User"}],
                "user_identity": {
                    "type": "AssumedRole",
                    "arn": "arn:aws:sts::111122223333:assumed-role/Deployer/ci",
                    "access_key_id": "ASIAEXAMPLEEXAMPLE01",
                    "session_context": {
                        "creation_date": "2026-01-05T17:53:33.000Z",
                        "mfa_authenticated": "false",
                        "session_issuer": {
                            "type": "Role",
                            "principal_id": "AROAEXAMPLEEXAMPLE01",
                            "arn": ROLE_ARN,
                            "account_id": "111122223333",
                        },
                    },
                },
                "flattened": {
                    "request_parameters": {"userName": "bob"},
                    "response_elements": {
                        "user": {"userName": "bob", "userId": "AIDAEXAMPLEEXAMPLE03", "arn": "arn:aws:iam::1:user/bob"}
                    },
                },
            }
        },
    }


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "success"),
        ({"errorCode": "AccessDenied"}, "failure"),
        ({"errorMessage": "no"}, "failure"),
        ({"errorCode": "200"}, "success"),
        ({"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": "Failure"}}, "failure"),
        (
            {"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": "Success"}, "errorMessage": "x"},
            "success",
        ),
        ({"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": ["Failure"]}}, "success"),
    ],
)
def test_outcome(changes: dict[str, Any], outcome: str) -> None:
    assert _format("CreateUser", **changes)["event.outcome"] == outcome


def test_a_console_login_says_how() -> None:
    found = _format(
        "ConsoleLogin",
        "signin",
        userIdentity=ALICE,
        additionalEventData={
            "LoginTo": "https://console",
            "MFAUsed": "Yes",
            "MobileVersion": "No",
            "MFAIdentifier": "arn:mfa",
        },
    )
    login = "aws.cloudtrail.console_login.additional_eventdata"
    assert (found[f"{login}.login_to"], found[f"{login}.mfa_used"]) == ("https://console", True)
    assert found[f"{login}.mobile_version"] is False
    assert (found["event.category"], found["event.type"]) == (["authentication"], ["info"])
    assert "arn:mfa" in found["related.entity"]


def test_a_renamed_user_and_its_group() -> None:
    found = _format("UpdateUser", userIdentity=ALICE, requestParameters={"userName": "bob", "newUserName": "rob"})
    assert found["user.changes.name"] == "rob"
    assert found["related.user"] == ["alice", "bob", "rob"]
    found = _format(
        "CreateGroup", requestParameters={"groupName": "g"}, responseElements={"group": {"groupId": "AGPA1"}}
    )
    assert (found["group.name"], found["group.id"]) == ("g", "AGPA1")


def test_a_security_group_is_no_group_of_users() -> None:
    found = _format("CreateSecurityGroup", "ec2", requestParameters={"groupName": "web"})
    assert "group.name" not in found
    assert "web" in found["related.entity"]


def test_a_sign_in_names_its_user_in_the_additional_data() -> None:
    found = _format(
        "UserAuthentication",
        "sso",
        userIdentity={"type": "Unknown", "principalId": "111122223333", "accountId": "111122223333"},
        additionalEventData={"UserName": "carol"},
    )
    assert found["user.name"] == "carol"


@pytest.mark.parametrize(
    ("address", "ip"),
    [
        ("2001:db8::1", "2001:db8::1"),
        ("ec2.amazonaws.com", None),
        ("AWS Internal", None),
        ("198.51.100.7, 203.0.113.9", None),
        ("fe80::1%eth0", None),
    ],
)
def test_only_an_address_is_an_ip(address: str, ip: str | None) -> None:
    found = _format("CreateUser", sourceIPAddress=address)
    assert (found["source.address"], found.get("source.ip")) == (address, ip)


def test_a_service_acts_in_the_account_that_received_the_event() -> None:
    found = _format("Decrypt", "kms", userIdentity={"type": "AWSService", "invokedBy": "ebs.amazonaws.com"})
    assert found["cloud.account.id"] == "111122223333"
    assert found["aws.cloudtrail.user_identity.invoked_by"] == "ebs.amazonaws.com"


def test_numbers_keep_their_digits() -> None:
    text = b'{"requestParameters":{"n":12345678901234567890123,"f":1.10,"e":1E3},"x":{"y":0.10}}'
    line = ECS(text, PLACE)
    assert b'"request_parameters":{"n":12345678901234567890123,"f":1.10,"e":1E3}' in line
    assert b'"unmapped":{"x":{"y":0.10}}' in line


def test_what_is_too_large_for_a_flattened_field_leaves_as_text() -> None:
    body = {"policyDocument": "x" * MOST_FLATTENED_BYTES, "userName": "bob"}
    found = _format("PutUserPolicy", requestParameters=body, responseElements={"a": 1})
    assert json.loads(found["aws.cloudtrail.request_parameters"]) == body
    assert not any(path.startswith("aws.cloudtrail.flattened.request_parameters") for path in found)
    assert found["aws.cloudtrail.flattened.response_elements.a"] == 1
    assert found["user.target.name"] == "bob"


def test_an_insight_keeps_its_details() -> None:
    details = {"state": "Start", "insightContext": {"statistics": {"insight": {"average": 12.5}}}}
    record = b'{"eventType":"AwsCloudTrailInsight","eventTime":"2026-01-05T18:46:26Z","insightDetails":%b}'
    found = json.loads(ECS(record % json.dumps(details).encode(), PLACE))
    assert found["aws"]["cloudtrail"]["flattened"] == {"insight_details": details}
    assert found["event"]["type"] == ["info"]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-01-05T18:46:26Z", "2026-01-05T18:46:26.000Z"),
        ("2026-01-05T18:46:26.5+02:00", "2026-01-05T16:46:26.500Z"),
        ("20260105T184626Z", "2026-01-05T18:46:26.000Z"),
        ("2026-01-05 18:46:26", "2026-01-05T18:46:26.000Z"),
        ("2026-W01-1T18:46:26Z", "2025-12-29T18:46:26.000Z"),
    ],
)
def test_times_leave_in_one_form(time: str, expected: str) -> None:
    assert _format("CreateUser", eventTime=time)["@timestamp"] == expected


def test_zero_and_false_are_values() -> None:
    found = _format("X", requestParameters={"n": 0, "f": False, "l": [0, None, "", {}], "none": None, "text": ""})
    flattened = "aws.cloudtrail.flattened.request_parameters"
    assert {path: value for path, value in found.items() if path.startswith(flattened)} == {
        f"{flattened}.n": 0,
        f"{flattened}.f": False,
        f"{flattened}.l": [0],
    }


@pytest.mark.parametrize("time", ["yesterday", "", 17, None, "0001-01-01T00:00:00+14:00", {"a": "b"}])
def test_a_time_that_cannot_be_read_is_kept_elsewhere(time: Any) -> None:
    found = json.loads(ECS(make_record("CreateUser", eventTime=time), PLACE))
    assert "@timestamp" not in found
    kept = found["aws"]["cloudtrail"].get("flattened", {}).get("unmapped", {}).get("eventTime")
    assert kept == (time or None)


def test_what_ecs_has_no_place_for_is_kept() -> None:
    identity = {**SESSION, "onBehalfOf": {"userId": "u-1"}}
    found = _format("CreateUser", userIdentity=identity, sessionCredentialFromConsole="true", newField={"a": [1, None]})
    unmapped = "aws.cloudtrail.flattened.unmapped"
    assert found[f"{unmapped}.userIdentity.onBehalfOf.userId"] == "u-1"
    assert found[f"{unmapped}.sessionCredentialFromConsole"] == "true"
    assert found[f"{unmapped}.newField.a"] == [1]


def test_half_a_surrogate_pair_and_bytes_that_are_no_utf8_are_replaced() -> None:
    record = (
        b'{"eventName":"a\\ud800b","userAgent":"x\xffy","errorCode":"\\ud83d\\ude00","responseElements":{"n":1.10}}'
    )
    line = ECS(record, PLACE)
    found = json.loads(line)
    assert found["event"]["action"] == "a\ufffdb"
    assert found["user_agent"]["original"] == "x\ufffdy"
    assert found["aws"]["cloudtrail"]["error_code"] == "\U0001f600"
    assert b'{"n":1.10}' in line


@pytest.mark.parametrize(
    "record", [b"[1]", b'"text"', b"17", b"null", b"", b"{", b'{"a":NaN}', b'{"a":' * 100_000 + b"1" + b"}" * 100_000]
)
def test_what_is_no_object_is_refused(record: bytes) -> None:
    with pytest.raises(FormatError):
        ECS(record, PLACE)


def test_every_category_is_one_of_ecs() -> None:
    categories = {"authentication", "file", "iam"}
    types = {"admin", "change", "creation", "deletion", "group", "info", "user"}
    assert {entry.category for entry in CATEGORIES.values()} == categories
    assert {name for entry in CATEGORIES.values() for name in entry.types} == types


def test_nothing_of_a_record_is_lost() -> None:
    records = list(read_corpus())
    for record in records:
        line = ECS(record, PLACE)
        assert b"\n" not in line
        assert not find_lost(record, line)
    assert len(records) > 500


@given(record=HOSTILE_RECORDS)
@settings(max_examples=150, deadline=None)
def test_nothing_of_a_hostile_record_is_lost(record: bytes) -> None:
    line = ECS(record, PLACE)
    assert b"\n" not in line
    assert not find_lost(record, line)
