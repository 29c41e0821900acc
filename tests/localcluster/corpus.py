"""CloudTrail log files made up for the demo, the tests and the benchmarks: realistic in shape, invented in content.

The same seed gives the same files. Every event record has a unique eventID, so that deliveries can be counted.
"""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

Record = dict[str, Any]

REGIONS = ("us-east-1", "eu-central-1")
USERS = ("alice", "bob", "carol", "deploy-bot")
ROLES = ("ReadOnly", "PlatformAdmin", "ci-runner", "karpenter-node")
AGENTS = (
    "aws-cli/2.31.4 md/Botocore#1.40.45 ua/2.1 os/linux#6.8 lang/python#3.13.7",
    "Boto3/1.44.0 md/Botocore#1.44.0 ua/2.1 os/linux lang/python#3.12.3",
    "APN/1.0 HashiCorp/1.0 Terraform/1.13.3 (+https://www.terraform.io) terraform-provider-aws/6.15.0",
    "AWS Internal",
)
# (eventSource, eventName, readOnly, requestParameters); the read-only ones are what a noise filter drops.
CALLS: tuple[tuple[str, str, bool, Record], ...] = (
    ("ec2", "DescribeInstances", True, {"instancesSet": {}, "filterSet": {}, "maxResults": 1000}),
    ("ec2", "DescribeVolumes", True, {"volumeSet": {}, "filterSet": {"items": [{"name": "status"}]}}),
    ("ec2", "RunInstances", False, {"instanceType": "m7i.large", "minCount": 1, "maxCount": 1, "ebsOptimized": True}),
    ("ec2", "AuthorizeSecurityGroupIngress", False, {"groupId": "sg-0a1b2c3d4e5f60718", "cidrIp": "198.51.100.0/24"}),
    ("s3", "ListBuckets", True, {"Host": "s3.amazonaws.com"}),
    ("s3", "GetBucketPolicy", True, {"bucketName": "acme-data", "Host": "acme-data.s3.amazonaws.com", "policy": ""}),
    ("s3", "PutBucketPolicy", False, {"bucketName": "acme-data", "bucketPolicy": {"Version": "2012-10-17"}}),
    ("iam", "ListRoles", True, {"maxItems": 100}),
    ("iam", "CreateAccessKey", False, {"userName": "deploy-bot"}),
    (
        "iam",
        "AttachRolePolicy",
        False,
        {"roleName": "ci-runner", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    ),
    ("sts", "AssumeRole", True, {"roleSessionName": "session", "durationSeconds": 3600}),
    ("kms", "Decrypt", True, {"encryptionContext": {"aws:s3:arn": "arn:aws:s3:::acme-data"}}),
    ("secretsmanager", "GetSecretValue", True, {"secretId": "prod/db", "versionStage": "AWSCURRENT"}),
    ("cloudtrail", "StopLogging", False, {"name": "acme-org"}),
)


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log file: its key in the bucket, its gzip bytes, and the eventIDs inside, in order."""

    key: str
    body: bytes
    event_ids: tuple[str, ...]


def generate_log_files(
    count: int,
    *,
    seed: int = 1,
    events_per_file: int = 20,
    prefix: str = "",
    account: str = "111122223333",
    end: datetime | None = None,
) -> Iterator[LogFile]:
    """Make `count` log files whose events happened in the ten minutes before `end` (default: now)."""
    source = random.Random(seed)
    delivered = end or datetime.now(UTC)
    for _ in range(count):
        region = source.choice(REGIONS)
        records = [
            _make_record(source, account, region, delivered - timedelta(seconds=source.randint(60, 600)))
            for _ in range(max(1, round(source.gauss(events_per_file, events_per_file / 4))))
        ]
        body = gzip.compress(json.dumps({"Records": records}, separators=(",", ":")).encode(), 6)
        yield LogFile(_make_key(source, prefix, account, region, delivered), body, tuple(r["eventID"] for r in records))


def _make_key(source: random.Random, prefix: str, account: str, region: str, delivered: datetime) -> str:
    unique = "".join(source.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", k=16))
    folder = f"{prefix}AWSLogs/{account}/CloudTrail/{region}/{delivered:%Y/%m/%d}"
    return f"{folder}/{account}_CloudTrail_{region}_{delivered:%Y%m%dT%H%MZ}_{unique}.json.gz"


def _make_record(source: random.Random, account: str, region: str, when: datetime) -> Record:
    service, name, read_only, parameters = source.choice(CALLS)
    denied = source.random() < 0.05
    error = (
        {"errorCode": "AccessDenied", "errorMessage": f"not authorized to perform: {service}:{name}"} if denied else {}
    )
    return {
        "eventVersion": "1.11",
        "userIdentity": _make_identity(source, account, when),
        "eventTime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": f"203.0.113.{source.randint(1, 254)}",
        "userAgent": source.choice(AGENTS),
        **error,
        "requestParameters": parameters,
        "responseElements": None if read_only or denied else {"requestId": _make_uuid(source), "_return": True},
        "requestID": _make_uuid(source),
        "eventID": _make_uuid(source),
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": f"{service}.{region}.amazonaws.com",
        },
    }


def _make_identity(source: random.Random, account: str, when: datetime) -> Record:
    if source.random() < 0.3:
        user = source.choice(USERS)
        return {
            "type": "IAMUser",
            "principalId": "AIDA" + "".join(source.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=17)),
            "arn": f"arn:aws:iam::{account}:user/{user}",
            "accountId": account,
            "accessKeyId": "AKIA" + "".join(source.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16)),
            "userName": user,
        }
    role = source.choice(ROLES)
    principal = "AROA" + "".join(source.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=17))
    return {
        "type": "AssumedRole",
        "principalId": f"{principal}:session",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/session",
        "accountId": account,
        "accessKeyId": "ASIA" + "".join(source.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16)),
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": principal,
                "arn": f"arn:aws:iam::{account}:role/{role}",
                "accountId": account,
                "userName": role,
            },
            "attributes": {"creationDate": f"{when:%Y-%m-%dT%H:%M:%SZ}", "mfaAuthenticated": "false"},
        },
    }


def _make_uuid(source: random.Random) -> str:
    return str(UUID(int=source.getrandbits(128), version=4))
