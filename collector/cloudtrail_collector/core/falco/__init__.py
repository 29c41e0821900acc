"""The fields of Falco's CloudTrail plugin: a parsed event record → the value of a field.

Semantics are those of the plugin (falcosecurity/plugins, plugins/cloudtrail), except where it is at odds with its own
documentation or loses what the record says:

- null counts as absent; there it is an empty text, or the text null for ct.request and ct.response.
- ct.serviceeventdetails, ct.edgedevicedetails and ct.addendum.updatedfields are JSON when they are objects or lists; there
  they are empty, as every number and boolean in a text field is.
- ct.sessioncredentialfromconsole, ct.managementevent and ct.readonly are true also when the record says "true" as a text,
  as CloudTrail does for the first.
- ct.readonly is told by eventName where readOnly is absent, as the plugin means to (its code is never reached).
- ct.request.documentname has its value (there the name is spelled otherwise in one place, so that it never has).
- ct.info takes the settings of PutBucketPublicAccessBlock from the request (there they are always false), and says
  sourceIPAddress where that is what is missing.
- s3.bytes, s3.bytes.in and s3.bytes.out are absent when they are no numbers of 64 bits; there they are 0.
- ec2.imageids, the list that Falco has besides ec2.imageid, is left out.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from cloudtrail_collector.core.falco.documents import extract_json, extract_resources
from cloudtrail_collector.core.falco.info import extract_info, extract_read_only
from cloudtrail_collector.core.falco.resources import (
    build_byte_count,
    build_call_count,
    extract_image_id,
    extract_instance_name,
    extract_uri,
)
from cloudtrail_collector.core.falco.user import extract_account_id, extract_original_user, extract_user
from cloudtrail_collector.core.falco.values import Record, read_path, read_text

FalcoValue: TypeAlias = str | int | None
FalcoExtract: TypeAlias = Callable[[Record], FalcoValue]
_AWS = ".amazonaws.com"


class FalcoRule(NamedTuple):
    """How a field is read: `path` where it is that of the record, `inputs` where a few scalars are enough."""

    extract: FalcoExtract
    path: str | None = None
    inputs: tuple[str, ...] = ()


def _read(path: str) -> FalcoRule:
    return FalcoRule(lambda record: read_text(read_path(record, path)), path)


def _whole(path: str) -> FalcoRule:
    return FalcoRule(lambda record: extract_json(record, path))


def _extract_short_source(record: Record) -> str | None:
    source = read_text(record.get("eventSource"))
    return source if source in (None, _AWS) else source.removesuffix(_AWS)


_IDENTITY = tuple(f"userIdentity.{name}" for name in ("type", "userName", "invokedBy", "arn", "principalId"))
_ISSUER = "userIdentity.sessionContext.sessionIssuer.userName"
_BUCKET, _KEY = "requestParameters.bucketName", "requestParameters.key"
_IN, _OUT = "bytesTransferredIn", "bytesTransferredOut"

FALCO: Mapping[str, FalcoRule] = {
    "ct.id": _read("eventID"),
    "ct.error": _read("errorCode"),
    "ct.errormessage": _read("errorMessage"),
    "ct.time": _read("eventTime"),
    "ct.src": _read("eventSource"),
    "ct.shortsrc": FalcoRule(_extract_short_source, inputs=("eventSource",)),
    "ct.name": _read("eventName"),
    "ct.user": FalcoRule(extract_user, inputs=(*_IDENTITY, _ISSUER)),
    "ct.originaluser": FalcoRule(extract_original_user, inputs=_IDENTITY),
    "ct.user.accountid": FalcoRule(extract_account_id, inputs=("userIdentity.accountId", "recipientAccountId")),
    "ct.user.identitytype": _read("userIdentity.type"),
    "ct.user.principalid": _read("userIdentity.principalId"),
    "ct.user.arn": _read("userIdentity.arn"),
    "ct.region": _read("awsRegion"),
    "ct.response.subnetid": _read("responseElements.subnetId"),
    "ct.response.reservationid": _read("responseElements.reservationId"),
    "ct.response": _whole("responseElements"),
    "ct.request.availabilityzone": _read("requestParameters.availabilityZone"),
    "ct.request.cluster": _read("requestParameters.cluster"),
    "ct.request.functionname": _read("requestParameters.functionName"),
    "ct.request.groupname": _read("requestParameters.groupName"),
    "ct.request.host": _read("requestParameters.Host"),
    "ct.request.name": _read("requestParameters.name"),
    "ct.request.policy": _read("requestParameters.policy"),
    "ct.request.reason": _read("requestParameters.reason"),
    "ct.request.target": _read("requestParameters.target"),
    "ct.request.documentname": _read("requestParameters.documentName"),
    "ct.request.serialnumber": _read("requestParameters.serialNumber"),
    "ct.request.servicename": _read("requestParameters.serviceName"),
    "ct.request.subnetid": _read("requestParameters.subnetId"),
    "ct.request.taskdefinition": _read("requestParameters.taskDefinition"),
    "ct.request.username": _read("requestParameters.userName"),
    "ct.request": _whole("requestParameters"),
    "ct.srcip": _read("sourceIPAddress"),
    "ct.useragent": _read("userAgent"),
    "ct.info": FalcoRule(extract_info),
    "ct.managementevent": _read("managementEvent"),
    "ct.readonly": FalcoRule(extract_read_only, inputs=("readOnly", "eventName")),
    "ct.requestid": _read("requestID"),
    "ct.eventtype": _read("eventType"),
    "ct.apiversion": _read("apiVersion"),
    "ct.resources": FalcoRule(extract_resources),
    "ct.recipientaccountid": _read("recipientAccountId"),
    "ct.serviceeventdetails": _whole("serviceEventDetails"),
    "ct.sharedeventid": _read("sharedEventID"),
    "ct.vpcendpointid": _read("vpcEndpointId"),
    "ct.eventcategory": _read("eventCategory"),
    "ct.addendum.reason": _read("addendum.reason"),
    "ct.addendum.updatedfields": _whole("addendum.updatedFields"),
    "ct.addendum.originalrequestid": _read("addendum.originalRequestID"),
    "ct.addendum.originaleventid": _read("addendum.originalEventID"),
    "ct.sessioncredentialfromconsole": _read("sessionCredentialFromConsole"),
    "ct.edgedevicedetails": _whole("edgeDeviceDetails"),
    "ct.tlsdetails.tlsversion": _read("tlsDetails.tlsVersion"),
    "ct.tlsdetails.ciphersuite": _read("tlsDetails.cipherSuite"),
    "ct.tlsdetails.clientprovidedhostheader": _read("tlsDetails.clientProvidedHostHeader"),
    "ct.additionaleventdata": _whole("additionalEventData"),
    "s3.uri": FalcoRule(extract_uri, inputs=(_BUCKET, _KEY)),
    "s3.bucket": _read(_BUCKET),
    "s3.key": _read(_KEY),
    "s3.bytes": FalcoRule(build_byte_count(_IN, _OUT)),
    "s3.bytes.in": FalcoRule(build_byte_count(_IN)),
    "s3.bytes.out": FalcoRule(build_byte_count(_OUT)),
    "s3.cnt.get": FalcoRule(build_call_count("GetObject"), inputs=("eventName",)),
    "s3.cnt.put": FalcoRule(build_call_count("PutObject"), inputs=("eventName",)),
    "s3.cnt.other": FalcoRule(build_call_count("GetObject", "PutObject", others=True), inputs=("eventName",)),
    "ec2.name": FalcoRule(extract_instance_name),
    "ec2.imageid": FalcoRule(extract_image_id),
    "ecr.repository": _read("requestParameters.repositoryName"),
    "ecr.imagetag": _read("requestParameters.imageTag"),
    "iam.role": _read("requestParameters.roleName"),
    "iam.policy": _read("requestParameters.policyName"),
}


def extract(field: str) -> FalcoExtract:
    """Return what reads a field of the table out of a parsed record."""
    return FALCO[field].extract


def extract_all(record: Mapping[str, Any]) -> dict[str, str | int]:
    """Read every field that the record has a value for."""
    return {name: value for name, rule in FALCO.items() if (value := rule.extract(record)) is not None}
