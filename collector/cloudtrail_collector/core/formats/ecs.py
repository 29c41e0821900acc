"""Turns a CloudTrail record into a document of the Elastic Common Schema, version 8.11.

The fields are those of Elastic's public CloudTrail integration: ECS, and `aws.cloudtrail.*` for what ECS has no place for.
What that has no place for either is under `aws.cloudtrail.flattened.unmapped`. See docs/formats.md.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from cloudtrail_collector.core.formats import Place
from cloudtrail_collector.core.formats.document import (
    Fields,
    encode_text,
    format_record,
    is_address,
    prune,
    read_object,
    read_text,
    take_flag,
    take_text,
    take_time,
)
from cloudtrail_collector.core.formats.ecs_categories import CATEGORIES
from cloudtrail_collector.core.formats.ecs_entities import MOST_ENTITIES, list_entities
from cloudtrail_collector.core.formats.outcome import is_failure

ECS_VERSION = "8.11.0"
# Lucene refuses a document with a longer term, and `flattened` makes a term of each value.
MOST_FLATTENED_BYTES = 32_766

_OPEN_MEMBERS = {
    "requestParameters": "request_parameters",
    "responseElements": "response_elements",
    "additionalEventData": "additional_eventdata",
    "serviceEventDetails": "service_event_details",
    "insightDetails": "insight_details",
}
_TEXT_MEMBERS = {
    "eventVersion": "event_version",
    "eventCategory": "event_category",
    "errorCode": "error_code",
    "errorMessage": "error_message",
    "requestID": "request_id",
    "eventType": "event_type",
    "apiVersion": "api_version",
    "managementEvent": "management_event",
    "recipientAccountId": "recipient_account_id",
    "sharedEventID": "shared_event_id",
    "vpcEndpointId": "vpc_endpoint_id",
}
_ISSUER_MEMBERS = {"type": "type", "principalId": "principal_id", "arn": "arn", "accountId": "account_id"}
_NAMED_BY_DATA = frozenset({"UserAuthentication", "CredentialChallenge", "CredentialVerification"})


def format_ecs(record: bytes, _place: Place) -> bytes:
    """Write a record as ECS. Raises FormatError."""
    is_large = len(record) >= MOST_FLATTENED_BYTES
    return format_record(record, lambda fields: build_ecs(fields, is_large=is_large))


def build_ecs(fields: Fields, *, is_large: bool) -> Fields:
    """Build the document; takes `fields` apart. `is_large`: something in the record may be too much for a term."""
    name, provider = read_text(fields.get("eventName")), read_text(fields.get("eventSource"))
    flattened = {ours: prune(_take_object(fields, theirs)) for theirs, ours in _OPEN_MEMBERS.items()}
    request = read_object(flattened, "request_parameters")
    response = read_object(flattened, "response_elements")
    data = read_object(flattened, "additional_eventdata")
    document: Fields = {
        "@timestamp": _take_time(fields, "eventTime"),
        "ecs": {"version": ECS_VERSION},
        # related and event come first: what the others take is not there any more.
        "related": _build_related(fields, request, response, data),
        "event": _build_event(fields, name, response),
        "source": _build_source(fields),
        "user_agent": {"original": take_text(fields, "userAgent")},
        "tls": _build_tls(fields),
        "user": _build_user(fields, name, request, response, data),
        "group": _build_group(provider, request, response),
        "cloud": _build_cloud(fields),
        "aws": {"cloudtrail": _build_trail(fields, name, data)},
    }
    document = prune(document)
    trail = read_object(read_object(document, "aws"), "cloudtrail")
    flattened["unmapped"] = prune(fields)
    if flattened := {ours: value for ours, value in flattened.items() if value is not None}:
        too_large = _take_too_large(flattened) if is_large else {}
        document["aws"] = {"cloudtrail": trail | too_large | {"flattened": flattened}}
    return document


def _take_object(fields: Fields, name: str) -> Fields | None:
    return fields.pop(name) if isinstance(fields.get(name), dict) else None


def _take_too_large(flattened: Fields) -> Fields:
    """Take out what is too large for a flattened field, as text."""
    texts = {name: encode_text(value) for name, value in flattened.items()}
    too_large = {name: text for name, text in texts.items() if len(text.encode()) >= MOST_FLATTENED_BYTES}
    for name in too_large:
        del flattened[name]
    return too_large


def _take_time(fields: Fields, name: str) -> str | None:
    """Take out a time as Elasticsearch writes it."""
    text, time = fields.get(name), take_time(fields, name)
    if time is None:
        return None
    if isinstance(text, str) and len(text) == 20 and (text[4], text[7], text[10], text[19]) == ("-", "-", "T", "Z"):
        return (
            text[:-1] + ".000Z"
        )  # 2006-01-02T15:04:05Z, AWS's own form: writing it anew takes longer than all else here
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _build_event(fields: Fields, name: str | None, response: Fields) -> Fields:
    has_failed = is_failure(fields, response)
    category = CATEGORIES.get(name or "")
    return {
        "kind": "event",
        "module": "aws",
        "dataset": "aws.cloudtrail",
        "provider": take_text(fields, "eventSource"),
        "action": take_text(fields, "eventName"),
        "id": take_text(fields, "eventID"),
        "outcome": "failure" if has_failed else "success",
        "category": [category.category] if category else None,
        "type": list(category.types) if category else ["info"],
    }


def _build_related(fields: Fields, request: Fields, response: Fields, data: Fields) -> Fields:
    identity = read_object(fields, "userIdentity")
    users = (
        read_text(identity.get("userName")),
        read_text(request.get("userName")),
        read_text(request.get("newUserName")),
    )
    entities = {*_list_callers(identity), *_list_arns(fields.get("resources")), read_text(data.get("MFAIdentifier"))}
    for part in (request, response):
        entities.update(islice(list_entities(part), MOST_ENTITIES))
    return {
        "entity": sorted(entity for entity in entities if entity is not None),
        "user": [user for user in dict.fromkeys(users) if user is not None],
    }


def _list_callers(identity: Fields) -> Iterator[str | None]:
    context = read_object(identity, "sessionContext")
    issuer = read_object(context, "sessionIssuer")
    for name in ("arn", "identityProvider", "principalId", "userName"):
        yield read_text(identity.get(name))
    yield read_text(issuer.get("arn"))
    yield read_text(issuer.get("userName"))
    yield read_text(read_object(context, "webIdFederationData").get("federatedProvider"))


def _list_arns(resources: Any) -> Iterator[str | None]:
    for resource in resources if isinstance(resources, list) else ():
        if isinstance(resource, dict):
            yield read_text(resource.get("ARN"))


def _build_source(fields: Fields) -> Fields:
    address = take_text(fields, "sourceIPAddress")
    return {"address": address, "ip": address if address is not None and is_address(address) else None}


def _build_tls(fields: Fields) -> Fields:
    details = read_object(fields, "tlsDetails")
    protocol, mark, version = (read_text(details.get("tlsVersion")) or "").partition("v")
    if mark:
        del details["tlsVersion"]
    return {
        "version": version if mark else None,
        "version_protocol": protocol.lower() if mark else None,
        "cipher": take_text(details, "cipherSuite"),
        "client": {"server_name": take_text(details, "clientProvidedHostHeader")},
    }


def _build_user(fields: Fields, name: str | None, request: Fields, response: Fields, data: Fields) -> Fields:
    identity = read_object(fields, "userIdentity")
    issuer = read_object(read_object(identity, "sessionContext"), "sessionIssuer")
    user_name = take_text(identity, "userName") or take_text(issuer, "userName")
    if user_name is None and name in _NAMED_BY_DATA:
        user_name = read_text(data.get("UserName"))
    return {
        "id": take_text(identity, "principalId"),
        "name": user_name,
        "target": {
            "id": read_text(read_object(response, "user").get("userId")),
            "name": read_text(request.get("userName")),
        },
        "changes": {"name": read_text(request.get("newUserName"))},
    }


def _build_group(provider: str | None, request: Fields, response: Fields) -> Fields:
    # Elsewhere groupName is a security group, a log group, a placement group.
    if provider is None or not provider.startswith("iam."):
        return {}
    return {
        "id": read_text(read_object(response, "group").get("groupId")),
        "name": read_text(request.get("groupName")),
    }


def _build_cloud(fields: Fields) -> Fields:
    account = take_text(read_object(fields, "userIdentity"), "accountId") or read_text(fields.get("recipientAccountId"))
    return {"provider": "aws", "region": take_text(fields, "awsRegion"), "account": {"id": account}}


def _build_trail(fields: Fields, name: str | None, data: Fields) -> Fields:
    trail: Fields = {ours: take_text(fields, theirs) for theirs, ours in _TEXT_MEMBERS.items()}
    trail["read_only"] = take_flag(fields, "readOnly")
    trail["user_identity"] = _build_identity(read_object(fields, "userIdentity"))
    trail["resources"] = _take_resources(fields)
    if name == "ConsoleLogin":
        trail["console_login"] = {"additional_eventdata": _build_console_login(data)}
    return trail


def _build_identity(identity: Fields) -> Fields:
    context = read_object(identity, "sessionContext")
    attributes = read_object(context, "attributes")
    issuer = read_object(context, "sessionIssuer")
    return {
        "type": take_text(identity, "type"),
        "arn": take_text(identity, "arn"),
        "access_key_id": take_text(identity, "accessKeyId"),
        "invoked_by": take_text(identity, "invokedBy"),
        "session_context": {
            "mfa_authenticated": take_text(attributes, "mfaAuthenticated"),
            "creation_date": _take_time(attributes, "creationDate"),
            "session_issuer": {ours: take_text(issuer, theirs) for theirs, ours in _ISSUER_MEMBERS.items()},
        },
    }


def _take_resources(fields: Fields) -> list[Fields] | None:
    """Take out the resources, each once."""
    resources = fields.get("resources")
    if not isinstance(resources, list) or not all(isinstance(resource, dict) for resource in resources):
        return None
    del fields["resources"]
    names: dict[str, Any] = {"ARN": "arn", "accountId": "account_id"}
    unique: dict[tuple[Any, ...], Fields] = {}
    for resource in resources:
        renamed = {names.get(name, name): value for name, value in resource.items()}
        unique.setdefault(tuple(encode_text(renamed.get(name)) for name in ("arn", "account_id", "type")), renamed)
    return list(unique.values())


def _build_console_login(data: Fields) -> Fields:
    mobile, mfa = read_text(data.get("MobileVersion")), read_text(data.get("MFAUsed"))
    return {
        "login_to": read_text(data.get("LoginTo")),
        "mobile_version": None if mobile is None else mobile != "No",
        "mfa_used": None if mfa is None else mfa != "No",
    }
