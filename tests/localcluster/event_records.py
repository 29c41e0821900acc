"""Makes up CloudTrail event records: shape, size and repetition of real ones, invented content.

An account has a small cast of principals with stable ids and long-lived sessions, and a stock of resources: that
repetition is what makes real log files compress ten to twelve times. Only eventID and requestID never repeat.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

Record = dict[str, Any]

USERS = ("alice", "bob", "carol", "deploy-bot")
ROLES = ("ReadOnly", "PlatformAdmin", "ci-runner", "karpenter-node")
INTERNAL = "AWS Internal"
AGENTS = (
    "aws-cli/2.31.4 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0-1015-aws md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython",
    "Boto3/1.44.0 md/Botocore#1.44.0 ua/2.1 os/linux#5.10.240 md/arch#aarch64 lang/python#3.12.3 Botocore/1.44.0",
    (
        "APN/1.0 HashiCorp/1.0 Terraform/1.13.3 (+https://www.terraform.io) terraform-provider-aws/6.15.0"
        " (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.24.6"
        " md/GOOS#linux md/GOARCH#amd64 api/iam#1.47.7"
    ),
    INTERNAL,
)
# Principals act in bursts: how often the next record is of the same one as the record before.
SAME_ACTOR = 0.8
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
STOCK = 40


@dataclass(frozen=True, slots=True)
class Call:
    """An API call: `fill` makes what is the call's own (requestParameters, responseElements, resources ...).

    `weight` is how often it is made, beside the others.
    """

    service: str
    name: str
    read_only: bool
    fill: Callable[["Account"], Record]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class _Actor:
    identity: Record
    address: str
    agent: str


class Account:
    """Who acts in an account, and on what; makes its event records, the same ones for the same random source."""

    def __init__(self, source: random.Random, account: str, region: str, now: datetime) -> None:
        self.random = source
        self.id = account
        self.region = region
        self.instances = self._stock("i-0", 16)
        self.volumes = self._stock("vol-0", 16)
        self.groups = self._stock("sg-0", 16)
        self.keys = [str(self.uuid()) for _ in range(STOCK // 4)]
        self.buckets = [f"acme-{name}-{region}" for name in ("data", "logs", "artifacts", "backup")]
        self._identities = [self._make_user(user, now) for user in USERS]
        self._identities += [self._make_session(role, now) for role in ROLES for _ in range(3)]
        self._addresses = [f"203.0.113.{source.randint(1, 254)}" for _ in range(12)]
        self._actor = self._choose_actor()

    def pick(self, stock: list[str]) -> str:
        """Choose one of a stock, the first ones more often."""
        return stock[int(len(stock) * self.random.random() ** 2)]

    def text(self, alphabet: str, length: int) -> str:
        """Make random text."""
        return "".join(self.random.choices(alphabet, k=length))

    def uuid(self) -> UUID:
        """Make a random UUID."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def make_record(self, when: datetime) -> Record:
        """Make an event record; fields in the order in which AWS writes them."""
        if self.random.random() > SAME_ACTOR:
            self._actor = self._choose_actor()
        (call,) = self.random.choices(CALLS, _WEIGHTS)
        own: Record = {"requestParameters": None, "responseElements": None} | call.fill(self)
        if self.random.random() < 0.05:
            own = _make_denial(call, own)
        resources = {"resources": own.pop("resources")} if "resources" in own else {}
        head = {
            "eventVersion": "1.11",
            "userIdentity": self._actor.identity,
            "eventTime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
            "eventSource": f"{call.service}.amazonaws.com",
            "eventName": call.name,
            "awsRegion": self.region,
            "sourceIPAddress": self._actor.address,
            "userAgent": self._actor.agent,
        }
        tail = {
            "requestID": str(self.uuid()),
            "eventID": str(self.uuid()),
            "readOnly": call.read_only,
            **resources,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": self.id,
            **({"vpcEndpointId": "vpce-0a1b2c3d4e5f60718"} if self.random.random() < 0.05 else {}),
            "eventCategory": "Management",
        }
        return head | own | tail | self._make_tls(call.service)

    def _choose_actor(self) -> _Actor:
        agent = self.random.choice(AGENTS)
        address = "cloudformation.amazonaws.com" if agent == INTERNAL else self.pick(self._addresses)
        return _Actor(self.random.choice(self._identities), address, agent)

    def _make_tls(self, service: str) -> Record:
        if self._actor.agent == INTERNAL:
            return {"sessionCredentialFromConsole": "true"}
        return {
            "tlsDetails": {
                "tlsVersion": "TLSv1.3",
                "cipherSuite": "TLS_AES_128_GCM_SHA256",
                "clientProvidedHostHeader": f"{service}.{self.region}.amazonaws.com",
            }
        }

    def _stock(self, prefix: str, digits: int) -> list[str]:
        return [f"{prefix}{self.random.getrandbits(4 * digits):0{digits}x}" for _ in range(STOCK)]

    def _make_user(self, user: str, now: datetime) -> Record:
        return {
            "type": "IAMUser",
            "principalId": "AIDA" + self.text(BASE32, 17),
            "arn": f"arn:aws:iam::{self.id}:user/{user}",
            "accountId": self.id,
            "accessKeyId": "AKIA" + self.text(BASE32, 16),
            "userName": user,
            "sessionContext": {
                "attributes": {"creationDate": self._make_start(now), "mfaAuthenticated": "true"},
            },
        }

    def _make_session(self, role: str, now: datetime) -> Record:
        principal = "AROA" + self.text(BASE32, 17)
        session = f"aws-go-sdk-{self.random.getrandbits(60)}"
        return {
            "type": "AssumedRole",
            "principalId": f"{principal}:{session}",
            "arn": f"arn:aws:sts::{self.id}:assumed-role/{role}/{session}",
            "accountId": self.id,
            "accessKeyId": "ASIA" + self.text(BASE32, 16),
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": principal,
                    "arn": f"arn:aws:iam::{self.id}:role/{role}",
                    "accountId": self.id,
                    "userName": role,
                },
                "webIdFederationData": {},
                "attributes": {"creationDate": self._make_start(now), "mfaAuthenticated": "false"},
            },
        }

    def _make_start(self, now: datetime) -> str:
        return f"{now - timedelta(seconds=self.random.randint(600, 3600)):%Y-%m-%dT%H:%M:%SZ}"


def _make_denial(call: Call, own: Record) -> Record:
    action = f"{call.service}:{call.name}"
    message = (
        f"User: arn:aws:iam::111122223333:role/ReadOnly is not authorized to perform: {action} on resource: *"
        f" because no identity-based policy allows the {action} action"
    )
    return {"errorCode": "AccessDenied", "errorMessage": message} | own | {"responseElements": None}


def _describe_instances(account: Account) -> Record:
    items = [{"instanceId": account.pick(account.instances)} for _ in range(account.random.randint(1, 4))]
    return {"requestParameters": {"instancesSet": {"items": items}, "filterSet": {}, "includeManagedResources": False}}


def _describe_volumes(account: Account) -> Record:
    values = [{"value": account.pick(account.instances)}]
    filters = [{"name": "attachment.instance-id", "valueSet": {"items": values}}]
    return {"requestParameters": {"maxResults": 1000, "volumeSet": {}, "filterSet": {"items": filters}}}


def _run_instances(account: Account) -> Record:
    instance, group = account.pick(account.instances), account.pick(account.groups)
    placement = {"availabilityZone": f"{account.region}a", "tenancy": "default"}
    tags = [{"key": "Name", "value": "worker"}, {"key": "karpenter.sh/nodepool", "value": "default"}]
    return {
        "requestParameters": {
            "instancesSet": {"items": [{"imageId": "ami-0c1f44f890950b53c", "minCount": 1, "maxCount": 1}]},
            "instanceType": "m7i.large",
            "blockDeviceMapping": {
                "items": [
                    {"deviceName": "/dev/xvda", "ebs": {"volumeSize": 80, "volumeType": "gp3", "encrypted": True}}
                ]
            },
            "monitoring": {"enabled": False},
            "tagSpecificationSet": {"items": [{"resourceType": "instance", "tags": tags}]},
        },
        "responseElements": {
            "requestId": str(account.uuid()),
            "reservationId": f"r-0{account.random.getrandbits(64):016x}",
            "ownerId": account.id,
            "groupSet": {},
            "instancesSet": {
                "items": [
                    {
                        "instanceId": instance,
                        "imageId": "ami-0c1f44f890950b53c",
                        "currentState": {"code": 0, "name": "pending"},
                        "privateDnsName": f"ip-10-0-3-17.{account.region}.compute.internal",
                        "instanceType": "m7i.large",
                        "placement": placement,
                        "networkInterfaceSet": {
                            "items": [{"groupSet": {"items": [{"groupId": group}]}, "status": "in-use"}]
                        },
                        "architecture": "x86_64",
                        "virtualizationType": "hvm",
                        "metadataOptions": {"state": "pending", "httpTokens": "required", "httpPutResponseHopLimit": 1},
                    }
                ]
            },
        },
    }


def _authorize_ingress(account: Account) -> Record:
    group = account.pick(account.groups)
    permission = {
        "ipProtocol": "tcp",
        "fromPort": 443,
        "toPort": 443,
        "ipRanges": {"items": [{"cidrIp": "198.51.100.0/24"}]},
    }
    rule = {"groupId": group, "securityGroupRuleId": f"sgr-0{account.random.getrandbits(64):016x}", "isEgress": False}
    return {
        "requestParameters": {"groupId": group, "ipPermissions": {"items": [permission]}},
        "responseElements": {
            "requestId": str(account.uuid()),
            "_return": True,
            "securityGroupRuleSet": {"items": [rule | {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443}]},
        },
    }


def _use_bucket(account: Account, **more: Any) -> Record:
    bucket = account.pick(account.buckets)
    host = f"s3.{account.region}.amazonaws.com"
    return {
        "requestParameters": {"bucketName": bucket, "Host": f"{bucket}.{host}", **more},
        "additionalEventData": {
            "SignatureVersion": "SigV4",
            "CipherSuite": "TLS_AES_128_GCM_SHA256",
            "bytesTransferredIn": 0,
            "AuthenticationMethod": "AuthHeader",
            "x-amz-id-2": account.text(BASE64, 75) + "=",
            "bytesTransferredOut": account.random.randint(200, 4000),
        },
        "resources": [{"accountId": account.id, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}],
    }


def _put_bucket_policy(account: Account) -> Record:
    statement = {
        "Sid": "DenyInsecure",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::acme-data", "arn:aws:s3:::acme-data/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return _use_bucket(account, bucketPolicy={"Version": "2012-10-17", "Statement": [statement]}, policy="")


def _create_access_key(account: Account) -> Record:
    user = account.random.choice(USERS)
    key = {"userName": user, "accessKeyId": "AKIA" + account.text(BASE32, 16), "status": "Active"}
    return {
        "requestParameters": {"userName": user},
        "responseElements": {"accessKey": key | {"createDate": "Nov 21, 2026 7:43:00 AM"}},
    }


def _assume_role(account: Account) -> Record:
    role = account.random.choice(ROLES)
    arn, session = f"arn:aws:iam::{account.id}:role/{role}", f"session-{account.random.getrandbits(32)}"
    credentials = {
        "accessKeyId": "ASIA" + account.text(BASE32, 16),
        "sessionToken": "IQoJb3JpZ2luX2Vj" + account.text(BASE64, 380),
        "expiration": "Nov 21, 2026, 8:43:00 AM",
    }
    user = {
        "assumedRoleId": f"AROA{account.text(BASE32, 17)}:{session}",
        "arn": f"arn:aws:sts::{account.id}:assumed-role/{role}/{session}",
    }
    return {
        "requestParameters": {"roleArn": arn, "roleSessionName": session, "durationSeconds": 3600},
        "responseElements": {"credentials": credentials, "assumedRoleUser": user},
        "resources": [{"accountId": account.id, "type": "AWS::IAM::Role", "ARN": arn}],
    }


def _decrypt(account: Account) -> Record:
    key = f"arn:aws:kms:{account.region}:{account.id}:key/{account.pick(account.keys)}"
    context = {"aws:s3:arn": f"arn:aws:s3:::{account.pick(account.buckets)}"}
    return {
        "requestParameters": {"encryptionContext": context, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
        "additionalEventData": {"keyMaterialId": f"{int(account.keys[0][:8], 16):064x}"},
        "resources": [{"accountId": account.id, "type": "AWS::KMS::Key", "ARN": key}],
    }


def _asking(**parameters: Any) -> Callable[[Account], Record]:
    return lambda _: {"requestParameters": parameters}


def _put_role_policy(account: Account) -> Record:
    # A document inside a string, as IAM's calls carry them.
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
    return {"requestParameters": {"roleName": account.random.choice(ROLES), "policyDocument": json.dumps(document)}}


# Describe, List and Get that only read are what a noise filter drops: six fourteenths of all records.
CALLS = (
    Call("ec2", "DescribeInstances", True, _describe_instances),
    Call("ec2", "DescribeVolumes", True, _describe_volumes),
    Call("ec2", "RunInstances", False, _run_instances, 0.6),
    Call("ec2", "AuthorizeSecurityGroupIngress", False, _authorize_ingress),
    Call("s3", "ListBuckets", True, _use_bucket),
    Call("s3", "GetBucketPolicy", True, lambda account: _use_bucket(account, policy="")),
    Call("s3", "PutBucketPolicy", False, _put_bucket_policy),
    Call("iam", "ListRoles", True, _asking(maxItems=100, pathPrefix="/")),
    Call("iam", "CreateAccessKey", False, _create_access_key, 0.4),
    Call("iam", "PutRolePolicy", False, _put_role_policy),
    Call("sts", "AssumeRole", True, _assume_role, 0.4),
    Call("kms", "Decrypt", True, _decrypt, 2.6),
    Call("secretsmanager", "GetSecretValue", True, _asking(secretId="prod/db", versionStage="AWSCURRENT")),
    Call("cloudtrail", "StopLogging", False, _asking(name="acme-org")),
)
_WEIGHTS = [call.weight for call in CALLS]
