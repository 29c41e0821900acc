"""Made-up event records, one of each kind that rules usually tell apart, for `check`."""

import json
from typing import Any

from cloudtrail_spec.arn import build_bucket_arn

_ACCOUNT = "111122223333"
_PARTITION = "aws"
_IAM = f"arn:{_PARTITION}:iam::{_ACCOUNT}"
_USER = {
    "type": "IAMUser",
    "principalId": "AIDAEXAMPLEALICE00001",
    "arn": f"{_IAM}:user/alice",
    "accountId": _ACCOUNT,
    "userName": "alice",
}
_ROOT = {"type": "Root", "principalId": _ACCOUNT, "arn": f"{_IAM}:root", "accountId": _ACCOUNT}
_ROLE = {
    "type": "AssumedRole",
    "principalId": "AROAEXAMPLEADMIN00001:bob",
    "arn": f"arn:{_PARTITION}:sts::{_ACCOUNT}:assumed-role/Admin/bob",
    "accountId": _ACCOUNT,
    "accessKeyId": "ASIAEXAMPLE000000001",
    "sessionContext": {
        "sessionIssuer": {
            "type": "Role",
            "principalId": "AROAEXAMPLEADMIN00001",
            "arn": f"{_IAM}:role/Admin",
            "accountId": _ACCOUNT,
            "userName": "Admin",
        },
        "attributes": {"mfaAuthenticated": "false"},
    },
}
_SERVICE = {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}
_CALL = {"eventType": "AwsApiCall", "managementEvent": True, "eventCategory": "Management"}


def build_samples() -> list[bytes]:
    """Build the records, each as a compact JSON object, in the order of their times."""
    calls: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
        (
            "signin",
            "ConsoleLogin",
            _USER,
            {
                "eventType": "AwsConsoleSignIn",
                "additionalEventData": {"MFAUsed": "No", "MobileVersion": "No"},
                "responseElements": {"ConsoleLogin": "Success"},
            },
        ),
        ("signin", "ConsoleLogin", _ROOT, {"eventType": "AwsConsoleSignIn", "additionalEventData": {"MFAUsed": "Yes"}}),
        ("ec2", "DescribeInstances", _ROLE, {"readOnly": True}),
        ("s3", "ListBuckets", _ROLE, {"readOnly": True, "sessionCredentialFromConsole": "true"}),
        ("sts", "AssumeRole", _SERVICE, {"readOnly": True, "sourceIPAddress": "ec2.amazonaws.com"}),
        ("kms", "GenerateDataKey", _SERVICE, {"readOnly": True, "sourceIPAddress": "ec2.amazonaws.com"}),
        ("iam", "CreateUser", _ROLE, {"readOnly": False, "requestParameters": {"userName": "mallory"}}),
        ("iam", "ListUsers", _USER, {"readOnly": True, "errorCode": "AccessDenied", "errorMessage": "not authorized"}),
        ("s3", "PutBucketPolicy", _USER, {"readOnly": False, "requestParameters": {"bucketName": "payroll"}}),
        ("s3", "GetObject", _ROLE, _build_data_event("payroll", "2026/salaries.csv")),
        ("cloudtrail", "StopLogging", _ROLE, {"readOnly": False, "requestParameters": {"name": "organization-trail"}}),
    ]
    return [_build(number, *call) for number, call in enumerate(calls)]


def _build_data_event(bucket: str, key: str) -> dict[str, Any]:
    return {
        "readOnly": True,
        "managementEvent": False,
        "eventCategory": "Data",
        "requestParameters": {"bucketName": bucket, "key": key},
        "resources": [{"type": "AWS::S3::Object", "ARN": build_bucket_arn(_PARTITION, bucket, key)}],
    }


def _build(number: int, service: str, name: str, identity: dict[str, Any], own: dict[str, Any]) -> bytes:
    record = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": f"2026-01-15T09:{number:02}:00Z",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.31.4",
        "requestParameters": None,
        "responseElements": None,
        "requestID": f"00000000-0000-4000-8000-0000000001{number:02}",
        "eventID": f"00000000-0000-4000-8000-0000000000{number:02}",
        "recipientAccountId": _ACCOUNT,
    }
    return json.dumps(record | _CALL | own, separators=(",", ":")).encode()
