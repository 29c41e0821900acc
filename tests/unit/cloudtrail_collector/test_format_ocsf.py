"""Format OCSF, on records written for it; OCSF's own schema judges every event."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from cloudtrail_collector.core.formats import FormatError, FormatEvent, build_format
from cloudtrail_collector.core.formats.ocsf_classes import CATEGORY_NAMES, OTHER_ACTIVITY, Activity, OcsfClass, classify
from cloudtrail_spec.formats import EventFormat, RawOptions
from support.formats import ALICE, HOSTILE_RECORDS, PLACE, ROLE_ARN, SESSION, find_lost, make_record, read_corpus
from support.ocsf_schema import OCSF_SCHEMA, list_faults


def _build() -> FormatEvent:
    format_event = build_format(EventFormat.OCSF, RawOptions(), "any")
    assert format_event is not None
    return format_event


OCSF = _build()
POLICY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def _format(name: str, service: str = "iam", **changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(OCSF(make_record(name, service, **changes), PLACE))
    assert not list_faults(event)
    return event


def test_a_call_of_a_role_becomes_a_whole_event() -> None:
    event = _format(
        "DescribeInstances",
        "ec2",
        readOnly=True,
        requestParameters={"instancesSet": {"items": [{"instanceId": "i-1"}]}, "n": 1.5},
        errorCode="Client.UnauthorizedOperation",
        errorMessage="You are not authorized.",
        sessionCredentialFromConsole="true",
        tlsDetails={"tlsVersion": "TLSv1.3", "clientProvidedHostHeader": "ec2.eu-central-1.amazonaws.com"},
        resources=[{"ARN": "arn:r", "accountId": "1", "type": "AWS::EC2::Instance"}],
    )
    assert event == {
        "class_uid": 6003,
        "class_name": "API Activity",
        "category_uid": 6,
        "category_name": "Application Activity",
        "activity_id": 2,
        "activity_name": "Read",
        "type_uid": 600302,
        "type_name": "API Activity: Read",
        "severity_id": 1,
        "severity": "Informational",
        "status_id": 2,
        "status": "Failure",
        "status_code": "Client.UnauthorizedOperation",
        "status_detail": "You are not authorized.",
        "time": 1767638786000,
        "metadata": {
            "version": "1.8.0",
            "profiles": ["cloud"],
            "uid": "6b3f2b60-3d5e-4b8e-9f3b-1f2e3d4c5b6a",
            "event_code": "AwsApiCall",
            "product": {
                "name": "CloudTrail",
                "vendor_name": "AWS",
                "version": "1.11",
                "feature": {"name": "Management"},
            },
        },
        "actor": {
            "user": {
                "uid": "arn:aws:sts::111122223333:assumed-role/Deployer/ci",
                "uid_alt": "AROAEXAMPLEEXAMPLE01:ci",
                "type": "AssumedRole",
                "type_id": 99,
                "account": {"uid": "111122223333"},
            },
            "session": {
                "issuer": ROLE_ARN,
                "created_time": 1767635613000,
                "is_mfa": False,
                "credential_uid": "ASIAEXAMPLEEXAMPLE01",
            },
        },
        "api": {
            "operation": "DescribeInstances",
            "service": {"name": "ec2.amazonaws.com"},
            "request": {
                "uid": "0b6ac1a8-9a2e-4d6b-a6a8-0b9c8d7e6f50",
                "data": '{"instancesSet":{"items":[{"instanceId":"i-1"}]},"n":1.5}',
            },
            "response": {"error": "Client.UnauthorizedOperation", "error_message": "You are not authorized."},
        },
        "cloud": {"provider": "AWS", "region": "eu-central-1", "account": {"uid": "111122223333"}},
        "src_endpoint": {"ip": "198.51.100.7"},
        "dst_endpoint": {"hostname": "ec2.eu-central-1.amazonaws.com"},
        "http_request": {"user_agent": "aws-cli/2.31.4"},
        "resources": [{"uid": "arn:r", "type": "AWS::EC2::Instance", "owner": {"account": {"uid": "1"}}}],
        "observables": [{"name": "src_endpoint.ip", "type": "IP Address", "type_id": 2, "value": "198.51.100.7"}],
        "unmapped": {
            "managementEvent": "true",
            "readOnly": "true",
            "sessionCredentialFromConsole": "true",
            "tlsDetails.tlsVersion": "TLSv1.3",
            "userIdentity.sessionContext.sessionIssuer.type": "Role",
            "userIdentity.sessionContext.sessionIssuer.principalId": "AROAEXAMPLEEXAMPLE01",
            "userIdentity.sessionContext.sessionIssuer.accountId": "111122223333",
            "userIdentity.sessionContext.sessionIssuer.userName": "Deployer",
        },
    }


@pytest.mark.parametrize(
    ("name", "request_parameters", "type_uid", "subject"),
    [
        ("CreateUser", {"userName": "bob"}, 300101, {"user": {"name": "bob"}}),
        ("CreateLoginProfile", {"userName": "bob"}, 300102, {"user": {"name": "bob"}}),
        ("UpdateLoginProfile", {"userName": "bob"}, 300104, {"user": {"name": "bob"}}),
        ("DeleteLoginProfile", {"userName": "bob"}, 300105, {"user": {"name": "bob"}}),
        ("DeleteUser", {"userName": "bob"}, 300106, {"user": {"name": "bob"}}),
        (
            "AttachUserPolicy",
            {"userName": "bob", "policyArn": POLICY},
            300107,
            {"user": {"name": "bob"}, "policies": [{"uid": POLICY}]},
        ),
        (
            "PutUserPermissionsBoundary",
            {"userName": "bob", "permissionsBoundary": POLICY},
            300107,
            {"user": {"name": "bob"}, "policies": [{"uid": POLICY, "type": "Permissions boundary"}]},
        ),
        (
            "DeleteUserPolicy",
            {"userName": "bob", "policyName": "inline"},
            300108,
            {"user": {"name": "bob"}, "policies": [{"name": "inline"}]},
        ),
        ("EnableMFADevice", {"userName": "bob", "serialNumber": "arn:mfa"}, 300110, {"user": {"name": "bob"}}),
        ("DeactivateMFADevice", {"userName": "bob"}, 300111, {"user": {"name": "bob"}}),
        ("UpdateAccessKey", {"userName": "bob", "status": "Inactive"}, 300199, {"user": {"name": "bob"}}),
        ("CreateRole", {"roleName": "r"}, 300401, {"entity": {"name": "r", "type": "Role", "type_id": 99}}),
        (
            "CreatePolicyVersion",
            {"policyArn": POLICY},
            300403,
            {"entity": {"uid": POLICY, "type": "Policy", "type_id": 5}},
        ),
        (
            "DeleteInstanceProfile",
            {"instanceProfileName": "p"},
            300404,
            {"entity": {"name": "p", "type": "Instance Profile", "type_id": 99}},
        ),
        (
            "AttachRolePolicy",
            {"roleName": "r", "policyArn": POLICY},
            300501,
            {"user": {"name": "r", "type": "Role", "type_id": 99}, "privileges": [POLICY]},
        ),
        (
            "DeleteRolePolicy",
            {"roleName": "r", "policyName": "inline"},
            300502,
            {"user": {"name": "r", "type": "Role", "type_id": 99}, "privileges": ["inline"]},
        ),
        (
            "AddUserToGroup",
            {"groupName": "g", "userName": "bob"},
            300603,
            {"group": {"name": "g"}, "user": {"name": "bob"}},
        ),
        (
            "DetachGroupPolicy",
            {"groupName": "g", "policyArn": POLICY},
            300602,
            {"group": {"name": "g"}, "privileges": [POLICY]},
        ),
        ("UpdateGroup", {"groupName": "g"}, 300699, {"group": {"name": "g"}}),
    ],
)
def test_calls_that_change_identities(
    name: str, request_parameters: dict[str, Any], type_uid: int, subject: dict[str, Any]
) -> None:
    event = _format(name, requestParameters=request_parameters)
    assert event["type_uid"] == type_uid
    assert {
        member: event[member] for member in ("user", "policies", "entity", "privileges", "group") if member in event
    } == (subject)
    assert json.loads(event["api"]["request"]["data"]) == request_parameters


def test_a_created_user_has_the_identifiers_of_the_answer() -> None:
    made = {"userName": "bob", "userId": "AIDAEXAMPLEEXAMPLE03", "arn": "arn:aws:iam::111122223333:user/bob"}
    event = _format("CreateUser", requestParameters={"userName": "bob"}, responseElements={"user": made})
    assert event["user"] == {"name": "bob", "uid": made["arn"], "uid_alt": made["userId"]}
    assert event["observables"][-1] == {"name": "user.name", "type": "User Name", "type_id": 4, "value": "bob"}


def test_a_call_that_names_nobody_means_the_caller() -> None:
    for name in ("ChangePassword", "CreateAccessKey"):
        event = _format(name, userIdentity=ALICE)
        assert event["class_uid"] == 3001
        assert event["user"] == event["actor"]["user"]


@pytest.mark.parametrize("name", ["CreateUser", "CreateRole", "AttachRolePolicy", "AddUserToGroup", "DeleteUser"])
def test_a_call_that_lacks_what_its_class_requires_is_api_activity(name: str) -> None:
    event = _format(name, requestParameters=None, errorCode="ValidationError")
    assert event["class_uid"] == 6003
    assert event["api"]["operation"] == name


def test_a_console_login() -> None:
    login = "https://console.aws.amazon.com/console/home"
    event = _format(
        "ConsoleLogin",
        "signin",
        userIdentity=ALICE,
        responseElements={"ConsoleLogin": "Failure"},
        additionalEventData={"LoginTo": login, "MFAUsed": "Yes", "MobileVersion": "No"},
        eventType="AwsConsoleSignIn",
    )
    assert (event["type_uid"], event["type_name"]) == (300201, "Authentication: Logon")
    assert (event["status"], event["is_mfa"]) == ("Failure", True)
    assert event["user"]["name"] == "alice"
    assert event["service"] == {"name": "signin.amazonaws.com"}
    assert event["dst_endpoint"] == {"svc_name": login}
    assert event["unmapped"]["additionalEventData.MobileVersion"] == "No"
    assert not {"additionalEventData.LoginTo", "additionalEventData.MFAUsed"} & event["unmapped"].keys()


def test_an_assumed_role_is_a_session_with_the_role_as_privilege() -> None:
    made = {"assumedRoleId": "AROAEXAMPLEEXAMPLE01:ci", "arn": SESSION["arn"]}
    event = _format(
        "AssumeRole",
        "sts",
        requestParameters={"roleArn": ROLE_ARN, "roleSessionName": "ci"},
        responseElements={
            "assumedRoleUser": made,
            "credentials": {"accessKeyId": "ASIAEXAMPLEEXAMPLE09", "expiration": "2026-01-05T19:46:26Z"},
        },
    )
    assert event["type_uid"] == 300301
    assert event["privileges"] == [ROLE_ARN]
    assert event["session"] == {"credential_uid": "ASIAEXAMPLEEXAMPLE09", "expiration_time": 1767642386000}
    assert (event["user"]["uid"], event["user"]["uid_alt"]) == (made["arn"], made["assumedRoleId"])
    assert "2026-01-05T19:46:26Z" in event["api"]["response"]["data"]


@pytest.mark.parametrize(
    ("name", "is_read", "activity"),
    [
        ("RunInstances", False, 1),
        ("GetObject", False, 2),
        ("BatchGetItem", False, 2),
        ("SomethingNew", True, 2),
        ("PutObject", False, 3),
        ("DeleteBucket", False, 4),
        ("TerminateInstances", False, 4),
        ("Getaway", False, 99),
        ("SomethingNew", False, 99),
        ("", False, 99),
        (None, False, 0),
    ],
)
def test_the_verb_of_a_call_says_what_was_done(name: str | None, is_read: bool, activity: int) -> None:
    assert classify("x.amazonaws.com", name, is_read=is_read) == Activity(OcsfClass.API_ACTIVITY, activity)


def test_an_iam_call_of_another_service_is_api_activity() -> None:
    assert classify("iam.amazonaws.com.cn", "CreateUser", is_read=False).ocsf_class is OcsfClass.ACCOUNT_CHANGE
    assert classify("cognito-idp.amazonaws.com", "CreateUser", is_read=False).ocsf_class is OcsfClass.API_ACTIVITY


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("2001:db8::1", {"ip": "2001:db8::1"}),
        ("ec2.amazonaws.com", {"svc_name": "ec2.amazonaws.com"}),
        ("ec2.amazonaws.com.cn", {"svc_name": "ec2.amazonaws.com.cn"}),
        ("AWS Internal", {"svc_name": "AWS Internal"}),
        ("198.51.100.7, 203.0.113.9", {"name": "198.51.100.7, 203.0.113.9"}),
        (None, {"name": "Unknown"}),
    ],
)
def test_source_endpoint(address: str | None, endpoint: dict[str, str]) -> None:
    assert _format("GetUser", sourceIPAddress=address)["src_endpoint"] == endpoint


@pytest.mark.parametrize(
    ("identity", "actor"),
    [
        ({"type": "AWSService", "invokedBy": "ebs.amazonaws.com"}, {"app_name": "ebs.amazonaws.com"}),
        (None, {"app_name": "kms.amazonaws.com"}),
        (
            {"type": "SAMLUser", "principalId": "p", "userName": "carol", "identityProvider": "idp"},
            {"user": {"name": "carol", "uid": "p", "type": "SAMLUser", "type_id": 1}, "idp": {"name": "idp"}},
        ),
        (
            {"type": "Root", "principalId": "1", "arn": "arn:aws:iam::1:root", "accountId": "1"},
            {
                "user": {
                    "uid": "arn:aws:iam::1:root",
                    "uid_alt": "1",
                    "type": "Root",
                    "type_id": 2,
                    "account": {"uid": "1"},
                }
            },
        ),
    ],
)
def test_who_acted(identity: Any, actor: dict[str, Any]) -> None:
    assert _format("RotateKey", "kms", userIdentity=identity)["actor"] == actor


def test_resources_that_say_more_than_ocsf_has_room_for_are_kept() -> None:
    resources = [{"ARNPrefix": "arn:aws:s3:::b/", "type": "AWS::S3::Object"}, {"ARN": "arn:aws:s3:::b"}]
    event = _format("GetObject", "s3", resources=resources)
    assert "resources" not in event
    assert json.loads(event["unmapped"]["resources"]) == resources


def test_a_time_that_cannot_be_read_is_kept_as_it_is() -> None:
    event = json.loads(OCSF(make_record("CreateUser", eventTime="yesterday"), PLACE))
    assert event["metadata"]["original_time"] == "yesterday"
    assert list_faults(event) == ["$: 'time' is a required property"]


def test_numbers_keep_their_digits() -> None:
    event = json.loads(OCSF(b'{"requestParameters":{"n":12345678901234567890123,"f":1.10},"x":[1E3],"y":0.10}', PLACE))
    assert event["api"]["request"] == {"uid": "Unknown", "data": '{"n":12345678901234567890123,"f":1.10}'}
    assert event["unmapped"] == {"x": "[1E3]", "y": "0.10"}


@pytest.mark.parametrize(
    "record", [b"[1]", b"null", b"", b"{", b'{"a":NaN}', b'{"a":' * 100_000 + b"1" + b"}" * 100_000]
)
def test_what_is_no_object_is_refused(record: bytes) -> None:
    with pytest.raises(FormatError):
        OCSF(record, PLACE)


@pytest.mark.parametrize("ocsf_class", list(OcsfClass))
def test_numbers_and_captions_are_those_of_the_schema(ocsf_class: OcsfClass) -> None:
    name = OCSF_SCHEMA.lookup_class_name_from_uid(ocsf_class)
    known = OCSF_SCHEMA.schema.schema["classes"][name]
    assert ocsf_class.caption == known["caption"]
    assert (ocsf_class.category, CATEGORY_NAMES[ocsf_class.category]) == (known["category_uid"], known["category_name"])
    captions = {int(number): entry["caption"] for number, entry in known["attributes"]["activity_id"]["enum"].items()}
    ours = {number: Activity(ocsf_class, number).caption for number in range(OTHER_ACTIVITY + 1)}
    named = {number: caption for number, caption in ours.items() if caption != "Other"}
    assert named.items() <= captions.items()
    assert len(named) > 1
    assert captions[OTHER_ACTIVITY] == "Other"


def test_the_schema_refuses_what_is_unknown_deprecated_or_missing() -> None:
    event = _format("GetUser")
    assert list_faults({**event, "actor": {**event["actor"], "invoked_by": "x"}})
    assert list_faults({**event, "cloud": {**event["cloud"], "colour": "x"}})
    assert list_faults({name: value for name, value in event.items() if name != "api"})


def test_every_event_fits_the_schema_and_nothing_is_lost() -> None:
    records = list(read_corpus())
    for record in records:
        line = OCSF(record, PLACE)
        assert b"\n" not in line
        assert not list_faults(json.loads(line))
        assert not find_lost(record, line)
    assert len(records) > 500


@given(record=HOSTILE_RECORDS)
@settings(max_examples=150, deadline=None)
def test_a_hostile_record_fits_the_schema_and_nothing_of_it_is_lost(record: bytes) -> None:
    line = OCSF(record, PLACE)
    assert b"\n" not in line
    assert not set(list_faults(json.loads(line))) - {"$: 'time' is a required property"}
    assert not find_lost(record, line)
