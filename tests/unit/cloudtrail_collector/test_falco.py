"""Falco's fields: each on a record of our own, and on a real one where there is one; and format Falco."""

import json
from typing import Any

import pytest

from cloudtrail_collector.core.falco import FALCO, extract, extract_all
from cloudtrail_collector.core.formats import FormatError, build_format
from cloudtrail_collector.core.formats.document import decode_record
from cloudtrail_spec.falco_fields import FALCO_FIELDS
from cloudtrail_spec.formats import EventFormat, RawOptions
from support.formats import ALICE, PLACE, SESSION, make_fields, make_record
from support.real_records import read_real_records

REQUEST = {
    "availabilityZone": "eu-central-1a",
    "cluster": "web",
    "functionName": "resize",
    "groupName": "admins",
    "Host": "s3.example",
    "name": "main",
    "policy": "{}",
    "reason": "because",
    "target": "i-1",
    "documentName": "Run",
    "serialNumber": "mfa/alice",
    "serviceName": "front",
    "subnetId": "subnet-1",
    "taskDefinition": "web:7",
    "userName": "bob",
    "bucketName": "photos",
    "key": "a/b.png",
    "repositoryName": "app",
    "imageTag": "v1",
    "roleName": "Deployer",
    "policyName": "Read",
    "tagSpecificationSet": {
        "items": [
            {"resourceType": "volume", "tags": [{"key": "Name", "value": "disk"}]},
            {"resourceType": "instance", "tags": [{"key": "Team", "value": "a"}, {"key": "Name", "value": "web-1"}]},
        ]
    },
}
RESPONSE = {
    "subnetId": "subnet-2",
    "reservationId": "r-1",
    "instancesSet": {"items": [{"imageId": "ami-1"}, {"imageId": "ami-2"}]},
}
ADDENDUM = {"reason": "DELIVERY_DELAY", "updatedFields": ["a", "b"], "originalRequestID": "r", "originalEventID": "e"}
TLS = {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": "ec2.example"}
RICH = make_fields(
    "RunInstances",
    "ec2",
    requestParameters=REQUEST,
    responseElements=RESPONSE,
    addendum=ADDENDUM,
    tlsDetails=TLS,
    errorCode="Failed",
    errorMessage="It failed",
    apiVersion="2016-11-15",
    resources=[{"ARN": "arn:a"}, {"ARN": "arn:b"}],
    serviceEventDetails={"n": 1},
    sharedEventID="shared",
    vpcEndpointId="vpce-1",
    sessionCredentialFromConsole="true",
    edgeDeviceDetails={"type": "snow"},
    additionalEventData={"bytesTransferredIn": "IN", "bytesTransferredOut": 33},
)

OWN = {
    "ct.id": RICH["eventID"],
    "ct.error": "Failed",
    "ct.errormessage": "It failed",
    "ct.time": "2026-01-05T18:46:26Z",
    "ct.src": "ec2.amazonaws.com",
    "ct.shortsrc": "ec2",
    "ct.name": "RunInstances",
    "ct.user": "Deployer",
    "ct.originaluser": "ci",
    "ct.user.accountid": "111122223333",
    "ct.user.identitytype": "AssumedRole",
    "ct.user.principalid": "AROAEXAMPLEEXAMPLE01:ci",
    "ct.user.arn": "arn:aws:sts::111122223333:assumed-role/Deployer/ci",
    "ct.region": "eu-central-1",
    "ct.response.subnetid": "subnet-2",
    "ct.response.reservationid": "r-1",
    "ct.response": json.dumps(RESPONSE, separators=(",", ":")),
    "ct.request.availabilityzone": "eu-central-1a",
    "ct.request.cluster": "web",
    "ct.request.functionname": "resize",
    "ct.request.groupname": "admins",
    "ct.request.host": "s3.example",
    "ct.request.name": "main",
    "ct.request.policy": "{}",
    "ct.request.reason": "because",
    "ct.request.target": "i-1",
    "ct.request.documentname": "Run",
    "ct.request.serialnumber": "mfa/alice",
    "ct.request.servicename": "front",
    "ct.request.subnetid": "subnet-1",
    "ct.request.taskdefinition": "web:7",
    "ct.request.username": "bob",
    "ct.request": json.dumps(REQUEST, separators=(",", ":")),
    "ct.srcip": "198.51.100.7",
    "ct.useragent": "aws-cli/2.31.4",
    "ct.info": "Deployer via 198.51.100.7 !→ RunInstances Size=45 URI=s3://photos/a/b.png",
    "ct.managementevent": "true",
    "ct.readonly": "false",
    "ct.requestid": RICH["requestID"],
    "ct.eventtype": "AwsApiCall",
    "ct.apiversion": "2016-11-15",
    "ct.resources": '{"ARN":"arn:a"},{"ARN":"arn:b"}',
    "ct.recipientaccountid": "111122223333",
    "ct.serviceeventdetails": '{"n":1}',
    "ct.sharedeventid": "shared",
    "ct.vpcendpointid": "vpce-1",
    "ct.eventcategory": "Management",
    "ct.addendum.reason": "DELIVERY_DELAY",
    "ct.addendum.updatedfields": '["a","b"]',
    "ct.addendum.originalrequestid": "r",
    "ct.addendum.originaleventid": "e",
    "ct.sessioncredentialfromconsole": "true",
    "ct.edgedevicedetails": '{"type":"snow"}',
    "ct.tlsdetails.tlsversion": "TLSv1.3",
    "ct.tlsdetails.ciphersuite": "TLS_AES_128_GCM_SHA256",
    "ct.tlsdetails.clientprovidedhostheader": "ec2.example",
    "ct.additionaleventdata": '{"bytesTransferredIn":12.0,"bytesTransferredOut":33}',
    "s3.uri": "s3://photos/a/b.png",
    "s3.bucket": "photos",
    "s3.key": "a/b.png",
    "s3.bytes": 45,
    "s3.bytes.in": 12,
    "s3.bytes.out": 33,
    "s3.cnt.other": 1,
    "ec2.name": "web-1",
    "ec2.imageid": "ami-1",
    "ecr.repository": "app",
    "ecr.imagetag": "v1",
    "iam.role": "Deployer",
    "iam.policy": "Read",
}
RICH_TEXT = json.dumps(RICH, separators=(",", ":")).encode().replace(b'"IN"', b"12.0")


def _read(name: str, service: str = "s3", **changes: Any) -> dict[str, str | int]:
    return extract_all(decode_record(make_record(name, service, **changes)))


def test_the_table_is_that_of_the_spec() -> None:
    assert list(FALCO) == [field.name for field in FALCO_FIELDS]
    assert {field.name for field in FALCO_FIELDS} == OWN.keys() | {"s3.cnt.get", "s3.cnt.put"}


@pytest.mark.parametrize(("field", "value"), OWN.items())
def test_field_of_our_own_record(field: str, value: str | int) -> None:
    assert extract(field)(decode_record(RICH_TEXT)) == value


def test_format_writes_all_fields_that_have_a_value() -> None:
    format_event = build_format(EventFormat.FALCO, RawOptions(), "trail")
    assert format_event is not None
    assert json.loads(format_event(RICH_TEXT, PLACE)) == OWN
    assert b"\n" not in format_event(RICH_TEXT, PLACE)


def test_format_takes_what_the_quick_decoder_refuses_and_nothing_that_is_no_record() -> None:
    format_event = build_format(EventFormat.FALCO, RawOptions(), "trail")
    assert format_event is not None
    assert json.loads(format_event(b'{"eventID":"\\ud800x"}', PLACE))["ct.id"] == "\ufffdx"
    with pytest.raises(FormatError):
        format_event(b"[]", PLACE)


@pytest.mark.parametrize(
    ("identity", "user", "original"),
    [
        (ALICE, "alice", "alice"),
        ({"type": "Root", "userName": "acme"}, "acme", "acme"),
        ({"type": "Root"}, None, None),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, "ec2.amazonaws.com", None),
        ({"type": "AWSAccount", "accountId": "444455556666"}, "AWSAccount", None),
        ({"type": "FederatedUser", "userName": "fay"}, "FederatedUser", "fay"),
        ({"type": "SAMLUser", "userName": "sam"}, None, "sam"),
        ({"type": "AssumedRole", "principalId": "AROA:ci"}, "AssumedRole", "ci"),
        ({"type": "AssumedRole", "arn": "odd", "principalId": "odd"}, "AssumedRole", None),
        (SESSION | {"arn": None}, "Deployer", "ci"),
        ("no object", None, None),
        (None, None, None),
    ],
)
def test_user_by_identity_type(identity: Any, user: str | None, original: str | None) -> None:
    found = _read("GetObject", userIdentity=identity)
    assert (found.get("ct.user"), found.get("ct.originaluser")) == (user, original)


@pytest.mark.parametrize(
    ("changes", "info"),
    [
        ({"userIdentity": {"type": "SAMLUser"}}, "<invalid cloudtrail event: userIdentity field missing>"),
        ({"sourceIPAddress": None}, "<invalid cloudtrail event: sourceIPAddress field missing>"),
        ({"eventName": None}, "<invalid cloudtrail event: eventName field missing>"),
        ({"readOnly": True}, "Deployer via 198.51.100.7 ← PutThing"),
        ({"sourceIPAddress": "Deployer"}, "Deployer → PutThing"),
        ({"requestParameters": {"bucketName": "b"}}, "Deployer via 198.51.100.7 → PutThing Bucket=b"),
        ({"requestParameters": {"key": "k", "Host": "h"}}, "Deployer via 198.51.100.7 → PutThing Key=k"),
        ({"requestParameters": {"Host": "h"}}, "Deployer via 198.51.100.7 → PutThing Host=h"),
        ({"additionalEventData": {"bytesTransferredIn": 7}}, "Deployer via 198.51.100.7 → PutThing Size=7"),
        (
            {
                "eventName": "PutBucketPublicAccessBlock",
                "requestParameters": {"bucketName": "b", "PublicAccessBlockConfiguration": {"BlockPublicAcls": True}},
            },
            (
                "Deployer via 198.51.100.7 → PutBucketPublicAccessBlock"
                " BlockPublicAcls=true BlockPublicPolicy=false IgnorePublicAcls=false RestrictPublicBuckets=false"
            ),
        ),
    ],
)
def test_info(changes: dict[str, Any], info: str) -> None:
    assert _read("PutThing", **changes)["ct.info"] == info


@pytest.mark.parametrize(
    ("name", "said", "read_only"),
    [
        ("RunInstances", None, "false"),
        ("DescribeInstances", None, "true"),
        ("RunInstances", True, "true"),
        ("DescribeInstances", "false", "false"),
        (None, None, None),
    ],
)
def test_read_only_is_told_by_the_name_where_the_record_does_not_say(
    name: str | None, said: Any, read_only: str | None
) -> None:
    assert _read("x", eventName=name, readOnly=said).get("ct.readonly") == read_only


@pytest.mark.parametrize("value", ["7", True, None, -1, 2**64, [], {}])
def test_bytes_that_are_no_count_are_absent(value: Any) -> None:
    found = _read("GetObject", additionalEventData={"bytesTransferredOut": value})
    assert not {"s3.bytes", "s3.bytes.in", "s3.bytes.out"} & found.keys()


def test_calls_are_counted_by_kind() -> None:
    counts = [{k for k in _read(name) if k.startswith("s3.cnt")} for name in ("GetObject", "PutObject", "HeadObject")]
    assert counts == [{"s3.cnt.get"}, {"s3.cnt.put"}, {"s3.cnt.other"}]


@pytest.mark.parametrize(
    ("changes", "image"),
    [
        ({"requestParameters": {"imageId": "ami-r"}}, "ami-r"),
        ({"requestParameters": {"launchSpecification": {"imageId": "ami-l"}}}, "ami-l"),
        ({"requestParameters": {"DescribeFastLaunchImagesRequest": {"ImageId": {"content": "ami-f"}}}}, "ami-f"),
        ({"requestParameters": {"imageId": "r"}, "responseElements": {"instancesSet": {"items": [{}]}}}, None),
        ({"responseElements": {"instancesSet": {"items": []}}}, None),
        ({"responseElements": {"instancesSet": {"items": "odd"}}}, None),
    ],
)
def test_image_of_response_or_request(changes: dict[str, Any], image: str | None) -> None:
    assert _read("RunInstances", "ec2", **changes).get("ec2.imageid") == image


class Parameter(str):
    """The name of the request parameter that holds the value, where that is too much to repeat."""


# Of each field, a real record that has it, by its eventID, and the value there. Those that are not here (the fields of
# addendum, edge devices, ECS and PrivateLink requests, PutObject) no real record has: a record of our own stands in above.
REAL = (
    ("ct.id", "EXAMPLE-9a9d-4da4-9998-EXAMPLE", "EXAMPLE-9a9d-4da4-9998-EXAMPLE"),
    ("ct.error", "e4bad408-6272-4892-bf47-bd41b435ce40", "AccessDenied"),
    ("ct.errormessage", "111f1ab1-d904-4aab-bc84-95b9ad3b3357", "Rate exceeded"),
    ("ct.time", "3fcfb182-98f8-4744-bd45-10a395ab61cb", "2022-11-10T16:24:34Z"),
    ("ct.src", "293ba626-3be5-4a26-ab1b-0f4c54f49959", "s3.amazonaws.com"),
    ("ct.shortsrc", "2633ba8f-4efe-44e0-a03a-33479e371e64", "logs"),
    ("ct.name", "6136b8c9-4628-482b-918c-504829ab1871", "action"),
    ("ct.user", "7dd15a89-ae0f-4340-8e6c-d6981246c71b", "Admin"),
    ("ct.originaluser", "504b492f-7832-406b-a4fd-45a13e48adc4", "alan"),
    ("ct.user.accountid", "66c0fb61-804e-4cee-9f2e-c1d23c406a78", "123123123"),
    ("ct.user.identitytype", "deb1e1f9-c99b-4612-8e9f-21f93b5d79c0", "Root"),
    ("ct.user.principalid", "EXAMPLE-1234-5678-9012-EXAMPLE", "EXAMPLE"),
    ("ct.user.arn", "deb1e1f9-c99b-4612-8e9f-21f93b5d79c0", "arn:aws:iam::111122223333:root"),
    ("ct.region", "3fcfb182-98f8-4744-bd45-10a395ab61cb", "us-east-2"),
    ("ct.response.reservationid", "d8aaa1f6-d2b6-41ba-ae97-f5f843c901ee", "r-0ac0088de73525c3c"),
    ("ct.response", "f8ef8fc5-e3e8-4ee1-9d52-2f412ddf17e3", '{"CheckMfa":"Success"}'),
    ("ct.request.availabilityzone", "078ad2dc-a2bf-46ee-90dc-f524fb5fe1f1", "us-east-1a"),
    ("ct.request.functionname", "20b84ce5-730f-482e-b2b2-e8fcc87ceb22", "basic-node-task"),
    ("ct.request.groupname", "7475937c-a863-44ce-9878-81e8a268e966", "stratus-red-team-open-sg-sg"),
    ("ct.request.host", "44a42357-fa38-4c9c-a58c-709254a857f7", "s3.amazonaws.com"),
    ("ct.request.name", "b7d4398e-b2f0-4faa-9c76-e2d316a8d67f", "myTrail2"),
    (
        "ct.request.policy",
        "757fb805-d788-4467-9b37-c7e8f439d349",
        Parameter("policy"),
    ),
    ("ct.request.target", "c202eb07-c30d-46f2-a098-f65cd97a115e", "integrations/3hcdepi"),
    ("ct.request.documentname", "99b46479-d5c7-4384-b342-006ece8c36a0", "AWS-RunShellScript"),
    (
        "ct.request.serialnumber",
        "EXAMPLEb-7dae-48cb-895f-20e86EXAMPLE",
        "arn:aws:iam::111122223333:mfa/root-account-mfa-device",
    ),
    ("ct.request.subnetid", "16034e79-0235-4886-9566-19d4a4ca1d72", "subnet-0ed352584ab4aa265"),
    ("ct.request.username", "EXAMPLE-9a9d-4da4-9998-EXAMPLE", "Alice"),
    ("ct.request", "cd05c51d-fee2-4003-b9c5-385f28ad5b29", '{"map":{}}'),
    ("ct.srcip", "fd4f1042-c7f6-4107-a6ee-d841d92596e7", "1.2.3.4"),
    ("ct.useragent", "EXAMPLEb-7dae-48cb-895f-20e86EXAMPLE", "Coral/Netty4"),
    (
        "ct.info",
        "12345678-1234-1234-1234-123456789012",
        "AssumedRole via 203.0.113.42 ← CopyObject URI=s3://my-source-bucket/data.csv",
    ),
    ("ct.managementevent", "d8aaa1f6-d2b6-41ba-ae97-f5f843c901ee", "true"),
    ("ct.readonly", "3fcfb182-98f8-4744-bd45-10a395ab61cb", "true"),
    ("ct.requestid", "12345678-1234-1234-1234-222222222222", "ABC123DEF456"),
    ("ct.eventtype", "EXAMPLEb-7dae-48cb-895f-20e86EXAMPLE", "AwsApiCall"),
    ("ct.apiversion", "2633ba8f-4efe-44e0-a03a-33479e371e64", "20140328"),
    (
        "ct.resources",
        "EXAMPLE-1234-5678-9012-EXAMPLE",
        '{"type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::example-bucket"}',
    ),
    ("ct.recipientaccountid", "883efb94-aa58-4512-beb7-10a5fffa33e4", "1231231234"),
    ("ct.serviceeventdetails", "895dc875-cb08-45a5-b8c2-9158838741c0", '{"snapshotId":"snap-0e83092ae538da583"}'),
    ("ct.sharedeventid", "EXAMPLE-1234-5678-9012-EXAMPLE", "EXAMPLE-1234-5678-9012-EXAMPLE"),
    ("ct.vpcendpointid", "3c856bc0-1a07-4c18-89d9-4d9205856714", "vpce-f40dc59d"),
    ("ct.eventcategory", "bb3496d4-5252-4660-9c28-3c6aebdb21c0", "Data"),
    ("ct.sessioncredentialfromconsole", "e51da5f9-14be-4742-af9f-e867abab0c9c", "true"),
    ("ct.tlsdetails.tlsversion", "d8aaa1f6-d2b6-41ba-ae97-f5f843c901ee", "TLSv1.2"),
    ("ct.tlsdetails.ciphersuite", "6136b8c9-4628-482b-918c-504829ab1871", "cipherSuite"),
    ("ct.tlsdetails.clientprovidedhostheader", "44a42357-fa38-4c9c-a58c-709254a857f7", "s3.amazonaws.com"),
    ("ct.additionaleventdata", "f8ef8fc5-e3e8-4ee1-9d52-2f412ddf17e3", '{"MfaType":"U2F MFA"}'),
    ("s3.uri", "12345678-1234-1234-1234-123456789012", "s3://my-source-bucket/data.csv"),
    ("s3.bucket", "ba0bcf69-abc1-403e-ab64-faf08b719b17", "TrailDiscover"),
    ("s3.key", "771299cb-e200-4926-9604-c85358b30499", "ring.txt"),
    ("s3.bytes", "81e8970d-af59-4d11-8541-4d7c91ed8d4a", 72),
    ("s3.bytes.in", "ba0bcf69-abc1-403e-ab64-faf08b719b17", 2),
    ("s3.bytes.out", "81e8970d-af59-4d11-8541-4d7c91ed8d4a", 72),
    ("s3.cnt.get", "771299cb-e200-4926-9604-c85358b30499", 1),
    ("s3.cnt.other", "3fcfb182-98f8-4744-bd45-10a395ab61cb", 1),
    ("ec2.name", "015c585b-cbc2-4f9e-9c52-a2f22f3c09f4", "test2"),
    ("ec2.imageid", "d8aaa1f6-d2b6-41ba-ae97-f5f843c901ee", "ami-029eb80bc237bec6f"),
    ("ecr.repository", "2bfd4ee2-2178-4a82-a27d-b12939923f0f", "testrepo"),
    ("ecr.imagetag", "2bfd4ee2-2178-4a82-a27d-b12939923f0f", "latest"),
    ("iam.role", "95ded5ba-3e3e-412b-ac92-c505851e6fab", "grown"),
    ("iam.policy", "95ded5ba-3e3e-412b-ac92-c505851e6fab", "grown"),
)


@pytest.mark.parametrize(("field", "event_id", "value"), REAL)
@pytest.mark.third_party_data
def test_field_of_a_real_record(field: str, event_id: str, value: str | int) -> None:
    records = [decode_record(line) for line in read_real_records() if event_id.encode() in line]
    found = [(extract(field)(record), record) for record in records if record.get("eventID") == event_id]
    wanted = [record["requestParameters"][value] if isinstance(value, Parameter) else value for _, record in found]
    assert any(text == expected for (text, _), expected in zip(found, wanted, strict=True))


def test_every_field_is_tested_on_a_real_record_or_known_to_be_in_none() -> None:
    missing = FALCO.keys() - {field for field, *_ in REAL}
    assert sorted(missing) == [
        "ct.addendum.originaleventid",
        "ct.addendum.originalrequestid",
        "ct.addendum.reason",
        "ct.addendum.updatedfields",
        "ct.edgedevicedetails",
        "ct.request.cluster",
        "ct.request.reason",
        "ct.request.servicename",
        "ct.request.taskdefinition",
        "ct.response.subnetid",
        "s3.cnt.put",
    ]


@pytest.mark.third_party_data
def test_what_no_real_record_has_is_in_none() -> None:
    found = {name for line in read_real_records() if line.startswith(b"{") for name in extract_all(decode_record(line))}
    assert found == {field for field, *_ in REAL}
