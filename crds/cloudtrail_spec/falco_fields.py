"""The fields of Falco's CloudTrail plugin, by their names there: usable in field selectors, written by format Falco.

Source: README of the plugin `cloudtrail` of falcosecurity/plugins.
"""

from difflib import get_close_matches
from typing import NamedTuple


class FalcoField(NamedTuple):
    """A name, its type in Falco (string or uint64), and what it says about an event record."""

    name: str
    type: str
    description: str


def _text(name: str, description: str) -> FalcoField:
    return FalcoField(name, "string", description)


def _number(name: str, description: str) -> FalcoField:
    return FalcoField(name, "uint64", description)


PREFIXES = ("ct.", "s3.", "ec2.", "ecr.", "iam.")
"""How the names begin; no field of an event record does."""

FALCO_FIELDS = (
    _text("ct.id", "eventID."),
    _text("ct.error", "errorCode; absent when the call succeeded."),
    _text("ct.errormessage", "errorMessage; absent when there is none."),
    _text("ct.time", "eventTime."),
    _text("ct.src", "eventSource, such as s3.amazonaws.com."),
    _text("ct.shortsrc", "eventSource without .amazonaws.com."),
    _text("ct.name", "eventName."),
    _text(
        "ct.user",
        "Who called: the user name of Root and IAMUser, the role name of AssumedRole, the service of AWSService, and the"
        " identity type itself for AWSAccount and FederatedUser.",
    ),
    _text("ct.originaluser", "The session name of AssumedRole, the user name of everybody else."),
    _text("ct.user.accountid", "The caller's account, else the account that received the event."),
    _text("ct.user.identitytype", "userIdentity.type."),
    _text("ct.user.principalid", "userIdentity.principalId."),
    _text("ct.user.arn", "userIdentity.arn."),
    _text("ct.region", "awsRegion."),
    _text("ct.response.subnetid", "responseElements.subnetId."),
    _text("ct.response.reservationid", "responseElements.reservationId."),
    _text("ct.response", "responseElements as JSON."),
    _text("ct.request.availabilityzone", "requestParameters.availabilityZone."),
    _text("ct.request.cluster", "requestParameters.cluster."),
    _text("ct.request.functionname", "requestParameters.functionName."),
    _text("ct.request.groupname", "requestParameters.groupName."),
    _text("ct.request.host", "requestParameters.Host."),
    _text("ct.request.name", "requestParameters.name."),
    _text("ct.request.policy", "requestParameters.policy."),
    _text("ct.request.reason", "requestParameters.reason."),
    _text("ct.request.target", "requestParameters.target."),
    _text("ct.request.documentname", "requestParameters.documentName."),
    _text("ct.request.serialnumber", "requestParameters.serialNumber."),
    _text("ct.request.servicename", "requestParameters.serviceName."),
    _text("ct.request.subnetid", "requestParameters.subnetId."),
    _text("ct.request.taskdefinition", "requestParameters.taskDefinition."),
    _text("ct.request.username", "requestParameters.userName."),
    _text("ct.request", "requestParameters as JSON."),
    _text("ct.srcip", "sourceIPAddress: an address, or the name of an AWS service."),
    _text("ct.useragent", "userAgent."),
    _text(
        "ct.info", "One line for people: who, from where, whether it failed, read or wrote, what, and on which object."
    ),
    _text("ct.managementevent", "managementEvent: true or false."),
    _text(
        "ct.readonly", "readOnly: true or false; where the record does not say, told by the first word of eventName."
    ),
    _text("ct.requestid", "requestID."),
    _text("ct.eventtype", "eventType."),
    _text("ct.apiversion", "apiVersion."),
    _text("ct.resources", "The elements of resources as JSON, with commas between them."),
    _text("ct.recipientaccountid", "recipientAccountId."),
    _text("ct.serviceeventdetails", "serviceEventDetails as JSON."),
    _text("ct.sharedeventid", "sharedEventID."),
    _text("ct.vpcendpointid", "vpcEndpointId."),
    _text("ct.eventcategory", "eventCategory."),
    _text("ct.addendum.reason", "addendum.reason."),
    _text("ct.addendum.updatedfields", "addendum.updatedFields; a list as JSON."),
    _text("ct.addendum.originalrequestid", "addendum.originalRequestID."),
    _text("ct.addendum.originaleventid", "addendum.originalEventID."),
    _text("ct.sessioncredentialfromconsole", "sessionCredentialFromConsole: true or false."),
    _text("ct.edgedevicedetails", "edgeDeviceDetails as JSON."),
    _text("ct.tlsdetails.tlsversion", "tlsDetails.tlsVersion."),
    _text("ct.tlsdetails.ciphersuite", "tlsDetails.cipherSuite."),
    _text("ct.tlsdetails.clientprovidedhostheader", "tlsDetails.clientProvidedHostHeader."),
    _text("ct.additionaleventdata", "additionalEventData as JSON."),
    _text("s3.uri", "s3://bucket/key of the request."),
    _text("s3.bucket", "requestParameters.bucketName."),
    _text("s3.key", "requestParameters.key."),
    _number("s3.bytes", "Bytes transferred in both directions."),
    _number("s3.bytes.in", "Bytes uploaded."),
    _number("s3.bytes.out", "Bytes downloaded."),
    _number("s3.cnt.get", "1 for GetObject, absent otherwise."),
    _number("s3.cnt.put", "1 for PutObject, absent otherwise."),
    _number("s3.cnt.other", "1 for everything but GetObject and PutObject, absent for these."),
    _text("ec2.name", "The tag Name that the request gives to an instance."),
    _text("ec2.imageid", "The image of the first instance in the response, else the image in the request."),
    _text("ecr.repository", "requestParameters.repositoryName."),
    _text("ecr.imagetag", "requestParameters.imageTag."),
    _text("iam.role", "requestParameters.roleName."),
    _text("iam.policy", "requestParameters.policyName."),
)

_NAMES = frozenset(field.name for field in FALCO_FIELDS)


def is_falco_field(field: str) -> bool:
    """Say whether a selector's field is a name of the table; otherwise it is a path. Raises ValueError for unknown names."""
    if field in _NAMES:
        return True
    if field.startswith(PREFIXES):
        near = get_close_matches(field, _NAMES, n=1)
        raise ValueError(f"no such field {field}{f', did you mean {near[0]}?' if near else ''}")
    return False
