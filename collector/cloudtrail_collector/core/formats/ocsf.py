"""Turns a CloudTrail record into an event of the Open Cybersecurity Schema Framework, version 1.8.0, profile cloud.

What the schema has no attribute for is under `unmapped`, with dotted names and as text. See docs/formats.md.
"""

from typing import Any

from cloudtrail_collector.core.formats import Place
from cloudtrail_collector.core.formats.document import (
    Fields,
    encode_text,
    format_record,
    is_address,
    list_leaves,
    prune,
    read_object,
    read_text,
    take_flag,
    take_text,
    take_time,
)
from cloudtrail_collector.core.formats.ocsf_classes import (
    CATEGORY_NAMES,
    OTHER_ACTIVITY,
    Activity,
    OcsfClass,
    classify,
    classify_api_call,
)
from cloudtrail_collector.core.formats.ocsf_subjects import Call, build_subject
from cloudtrail_collector.core.formats.outcome import is_failure

OCSF_VERSION = "1.8.0"
UNKNOWN = "Unknown"  # OCSF's word for a text that the schema requires and the record does not have

_AWS_ACCOUNT_TYPE = 10
_INFORMATIONAL = 1
_IP_OBSERVABLE, _USER_NAME_OBSERVABLE = 2, 4
_USER_TYPES = {"IAMUser": 1, "IdentityCenterUser": 1, "SAMLUser": 1, "WebIdentityUser": 1, "Root": 2, "AWSService": 4}
_SERVICES = (".amazonaws.com", ".amazonaws.com.cn", "AWS Internal")
_WITH_RESOURCES = frozenset({OcsfClass.API_ACTIVITY, OcsfClass.USER_ACCESS})
_WITH_DESTINATION = frozenset({OcsfClass.API_ACTIVITY, OcsfClass.AUTHENTICATION, OcsfClass.AUTHORIZE_SESSION})


def format_ocsf(record: bytes, _place: Place) -> bytes:
    """Write a record as an OCSF event. Raises FormatError."""
    return format_record(record, build_ocsf)


def build_ocsf(fields: Fields) -> Fields:
    """Build the event; takes `fields` apart."""
    source, name = read_text(fields.get("eventSource")), read_text(fields.get("eventName"))
    response = read_object(fields, "responseElements")
    event: Fields = _build_status(fields, response)
    event["actor"] = _build_actor(fields, source)
    call = Call(
        read_object(fields, "requestParameters"),
        response,
        read_object(fields, "additionalEventData"),
        event["actor"].get("user"),
    )
    activity, subject = _find_activity(fields, call)
    event |= _build_head(activity, name) | subject
    event |= {
        "metadata": _build_metadata(fields),
        "time": _take_milliseconds(fields, "eventTime"),
        "cloud": _build_cloud(fields, event["actor"]),
        "api": _build_api(fields),
        "src_endpoint": _build_source(fields),
        "http_request": {"user_agent": take_text(fields, "userAgent")},
    }
    # What is left of it is a time that nobody can read.
    event["metadata"]["original_time"] = take_text(fields, "eventTime")
    _add_places(event, activity.ocsf_class, fields, source)
    event["observables"] = _list_observables(event)
    event["unmapped"] = dict(list_leaves(fields))
    pruned: Fields = prune(event)
    return pruned


def _find_activity(fields: Fields, call: Call) -> tuple[Activity, Fields]:
    """Find the class and what it asks for; a call that lacks what an IAM class requires is API Activity."""
    name, is_read = read_text(fields.get("eventName")), read_text(fields.get("readOnly")) == "true"
    activity = classify(read_text(fields.get("eventSource")), name, is_read=is_read)
    subject = build_subject(activity, call)
    return (activity, subject) if subject is not None else (classify_api_call(name, is_read=is_read), {})


def _build_head(activity: Activity, name: str | None) -> Fields:
    ocsf_class = activity.ocsf_class
    return {
        "class_uid": int(ocsf_class),
        "class_name": ocsf_class.caption,
        "category_uid": ocsf_class.category,
        "category_name": CATEGORY_NAMES[ocsf_class.category],
        "activity_id": activity.number,
        # Of an activity that OCSF has no number for the name is the source's own.
        "activity_name": name if activity.number == OTHER_ACTIVITY else activity.caption,
        "type_uid": activity.type_uid,
        "type_name": f"{ocsf_class.caption}: {activity.caption}",
        "severity_id": _INFORMATIONAL,
        "severity": "Informational",
    }


def _build_status(fields: Fields, response: Fields) -> Fields:
    has_failed = is_failure(fields, response)
    return {
        "status_id": 2 if has_failed else 1,
        "status": "Failure" if has_failed else "Success",
        "status_code": read_text(fields.get("errorCode")),
        "status_detail": read_text(fields.get("errorMessage")),
    }


def _build_actor(fields: Fields, source: str | None) -> Fields:
    identity = read_object(fields, "userIdentity")
    context = read_object(identity, "sessionContext")
    issuer, attributes = read_object(context, "sessionIssuer"), read_object(context, "attributes")
    federation = read_object(context, "webIdFederationData")
    user = _build_user(identity)
    session = {
        "issuer": take_text(issuer, "arn"),
        "created_time": _take_milliseconds(attributes, "creationDate"),
        "is_mfa": take_flag(attributes, "mfaAuthenticated"),
        "credential_uid": take_text(identity, "accessKeyId"),
    }
    idp = {"name": take_text(identity, "identityProvider") or take_text(federation, "federatedProvider")}
    app = take_text(identity, "invokedBy")
    actor: Fields | None = prune({"user": user, "session": session, "idp": idp, "app_name": app})
    # Without an identity it was a service that acted.
    return actor if actor and actor.keys() != {"idp"} else {**(actor or {}), "app_name": source or UNKNOWN}


def _build_user(identity: Fields) -> Fields | None:
    if all(read_text(identity.get(name)) is None for name in ("userName", "arn", "principalId", "accountId")):
        return None
    kind = take_text(identity, "type")
    arn, principal = take_text(identity, "arn"), take_text(identity, "principalId")
    user: Fields = prune(
        {
            "name": take_text(identity, "userName"),
            "uid": arn or principal,
            "uid_alt": principal if arn else None,
            "type": kind,
            "type_id": kind and _USER_TYPES.get(kind, OTHER_ACTIVITY),
            "account": {"uid": take_text(identity, "accountId")},
        }
    )
    return user


def _build_metadata(fields: Fields) -> Fields:
    return {
        "version": OCSF_VERSION,
        "profiles": ["cloud"],
        "uid": take_text(fields, "eventID"),
        "correlation_uid": take_text(fields, "sharedEventID"),
        "event_code": take_text(fields, "eventType"),
        "product": {
            "name": "CloudTrail",
            "vendor_name": "AWS",
            "version": take_text(fields, "eventVersion"),
            "feature": {"name": take_text(fields, "eventCategory")},
        },
    }


def _take_milliseconds(fields: Fields, name: str) -> int | None:
    time = take_time(fields, name)
    return None if time is None else int(time.timestamp() * 1000)


def _build_cloud(fields: Fields, actor: Fields) -> Fields:
    caller = read_object(read_object(actor, "user"), "account").get("uid")
    account = take_text(fields, "recipientAccountId") or caller
    return {"provider": "AWS", "region": take_text(fields, "awsRegion"), "account": {"uid": account}}


def _build_api(fields: Fields) -> Fields:
    uid, request = take_text(fields, "requestID"), _take_json(fields, "requestParameters")
    return {
        "operation": take_text(fields, "eventName") or UNKNOWN,
        "service": {"name": take_text(fields, "eventSource")},
        "version": take_text(fields, "apiVersion"),
        "request": {"uid": uid or UNKNOWN, "data": request} if uid or request else None,
        "response": {
            "data": _take_json(fields, "responseElements"),
            "error": take_text(fields, "errorCode"),
            "error_message": take_text(fields, "errorMessage"),
        },
    }


def _take_json(fields: Fields, name: str) -> str | None:
    """Take out a value as its JSON text, which needs no mapping in the store and keeps the digits of numbers."""
    value = fields.pop(name, None)
    return None if value is None else encode_text(value)


def _build_source(fields: Fields) -> Fields:
    address = take_text(fields, "sourceIPAddress")
    if address is None:
        return {"name": UNKNOWN}
    if is_address(address):
        return {"ip": address}
    return {"svc_name" if address.endswith(_SERVICES) else "name": address}


def _add_places(event: Fields, ocsf_class: OcsfClass, fields: Fields, source: str | None) -> None:
    """Add where the call went and what it touched, to the classes that have attributes for it."""
    if ocsf_class in _WITH_DESTINATION:
        host = take_text(read_object(fields, "tlsDetails"), "clientProvidedHostHeader")
        event["dst_endpoint"] = {**read_object(event, "dst_endpoint"), "hostname": host}
    if ocsf_class is OcsfClass.AUTHENTICATION:
        event["service"] = {"name": source}
    if ocsf_class in _WITH_RESOURCES:
        event["resources"] = _take_resources(fields)


def _take_resources(fields: Fields) -> list[Fields] | None:
    resources = fields.get("resources")
    if not isinstance(resources, list) or not all(_is_resource(resource) for resource in resources):
        return None
    del fields["resources"]
    return [
        {
            "uid": resource["ARN"],
            "type": resource.get("type"),
            "owner": {"account": {"uid": resource["accountId"]}} if resource.get("accountId") else None,
        }
        for resource in resources
    ]


def _is_resource(resource: Any) -> bool:
    """Say whether there is a place for all that a resource says."""
    return (
        isinstance(resource, dict)
        and bool(resource.get("ARN"))
        and resource.keys() <= {"ARN", "accountId", "type"}
        and all(isinstance(value, str) for value in resource.values())
    )


def _list_observables(event: Fields) -> list[Fields]:
    user = read_object(event, "user")
    caller = read_object(event["actor"], "user")
    found = (
        ("src_endpoint.ip", "IP Address", _IP_OBSERVABLE, event["src_endpoint"].get("ip")),
        ("actor.user.name", "User Name", _USER_NAME_OBSERVABLE, caller.get("name")),
        ("user.name", "User Name", _USER_NAME_OBSERVABLE, None if user is caller else user.get("name")),
    )
    return [{"name": path, "type": kind, "type_id": uid, "value": value} for path, kind, uid, value in found if value]
