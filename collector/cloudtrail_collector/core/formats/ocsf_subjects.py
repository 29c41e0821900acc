"""Builds what an Identity & Access Management class of OCSF says in addition: whom or what was acted on.

Each builder turns a call's parameters and answer into attributes of its class, or returns None when they lack what the
class requires: such a record is API Activity.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from cloudtrail_collector.core.formats.document import Fields, read_object, read_text, take_text, take_time
from cloudtrail_collector.core.formats.ocsf_classes import OTHER_ACTIVITY, Activity, OcsfClass

_PASSWORD_CHANGE = 3
_POLICY_TYPE = 5


class Call(NamedTuple):
    """What a record says of the call, and who made it (`actor.user`)."""

    request: Fields
    response: Fields
    data: Fields
    caller: Fields | None


def build_subject(activity: Activity, call: Call) -> Fields | None:
    """Build the attributes of the class; None when the record lacks them."""
    return _BUILDERS[activity.ocsf_class](activity, call)


def _build_account_change(activity: Activity, call: Call) -> Fields | None:
    name = read_text(call.request.get("userName"))
    made = read_object(call.response, "user")
    user: Fields | None = {
        "name": name,
        "uid": read_text(made.get("arn")),
        "uid_alt": read_text(made.get("userId")),
    }
    if name is None:
        # These calls mean the caller when they name nobody.
        user = call.caller if activity.number in {_PASSWORD_CHANGE, OTHER_ACTIVITY} else None
    policies = [policy for policy in (_build_policy(call.request), _build_boundary(call.request)) if policy]
    return user and {"user": user, "policies": policies}


def _build_policy(request: Fields) -> Fields | None:
    uid, name = read_text(request.get("policyArn")), read_text(request.get("policyName"))
    return {"uid": uid, "name": name} if uid or name else None


def _build_boundary(request: Fields) -> Fields | None:
    uid = read_text(request.get("permissionsBoundary"))
    return {"uid": uid, "type": "Permissions boundary"} if uid else None


def _build_authentication(_activity: Activity, call: Call) -> Fields | None:
    if call.caller is None:
        return None
    mfa = {"Yes": True, "No": False}.get(read_text(call.data.get("MFAUsed")) or "")
    if mfa is not None:
        del call.data["MFAUsed"]
    return {"user": call.caller, "is_mfa": mfa, "dst_endpoint": {"svc_name": take_text(call.data, "LoginTo")}}


def _build_authorize_session(_activity: Activity, call: Call) -> Fields | None:
    role = read_text(call.request.get("roleArn"))
    if role is None:
        return None
    made = read_object(call.response, "assumedRoleUser")
    credentials = dict(read_object(call.response, "credentials"))
    expiration = take_time(credentials, "expiration")
    return {
        "user": {
            "name": read_text(call.request.get("roleSessionName")),
            "uid": read_text(made.get("arn")) or role,
            "uid_alt": read_text(made.get("assumedRoleId")),
            "type": "AssumedRole",
            "type_id": OTHER_ACTIVITY,
        },
        "privileges": [role],
        "session": {
            "credential_uid": read_text(credentials.get("accessKeyId")),
            "expiration_time": expiration and int(expiration.timestamp() * 1000),
        },
    }


def _build_entity_management(_activity: Activity, call: Call) -> Fields | None:
    for kind in ("role", "instanceProfile", "policy"):
        made = read_object(call.response, kind)
        name = read_text(call.request.get(f"{kind}Name")) or read_text(made.get(f"{kind}Name"))
        uid = read_text(call.request.get(f"{kind}Arn")) or read_text(made.get("arn"))
        if name or uid:
            caption = {"role": "Role", "instanceProfile": "Instance Profile", "policy": "Policy"}[kind]
            type_id = _POLICY_TYPE if kind == "policy" else OTHER_ACTIVITY
            return {"entity": {"name": name, "uid": uid, "type": caption, "type_id": type_id}}
    return None


def _build_user_access(_activity: Activity, call: Call) -> Fields | None:
    role, privileges = read_text(call.request.get("roleName")), _list_privileges(call.request)
    if role is None or not privileges:
        return None
    return {"user": {"name": role, "type": "Role", "type_id": OTHER_ACTIVITY}, "privileges": privileges}


def _build_group_management(_activity: Activity, call: Call) -> Fields | None:
    made, name = read_object(call.response, "group"), read_text(call.request.get("groupName"))
    if name is None:
        return None
    user = read_text(call.request.get("userName"))
    return {
        "group": {"name": name, "uid": read_text(made.get("arn")), "uid_alt": read_text(made.get("groupId"))},
        "user": {"name": user} if user else None,
        "privileges": _list_privileges(call.request),
    }


def _list_privileges(request: Fields) -> list[str]:
    policy = read_text(request.get("policyArn")) or read_text(request.get("policyName"))
    return [policy] if policy else []


def _build_nothing(_activity: Activity, _call: Call) -> Fields | None:
    return {}


_BUILDERS: Mapping[OcsfClass, Callable[[Activity, Call], Fields | None]] = {
    OcsfClass.ACCOUNT_CHANGE: _build_account_change,
    OcsfClass.AUTHENTICATION: _build_authentication,
    OcsfClass.AUTHORIZE_SESSION: _build_authorize_session,
    OcsfClass.ENTITY_MANAGEMENT: _build_entity_management,
    OcsfClass.USER_ACCESS: _build_user_access,
    OcsfClass.GROUP_MANAGEMENT: _build_group_management,
    OcsfClass.API_ACTIVITY: _build_nothing,
}
