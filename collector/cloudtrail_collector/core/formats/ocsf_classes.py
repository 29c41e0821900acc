"""Which OCSF class and activity an event record is, by eventSource and eventName.

The identifiers and captions are those of OCSF 1.8.0. Calls that change accounts, groups, roles, policies and sign-ins go
to the Identity & Access Management classes; every other call is API Activity, by the verb that its name begins with.
"""

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

IAM_CATEGORY, APPLICATION_CATEGORY = 3, 6
CATEGORY_NAMES: Mapping[int, str] = {
    IAM_CATEGORY: "Identity & Access Management",
    APPLICATION_CATEGORY: "Application Activity",
}
OTHER_ACTIVITY = 99


class OcsfClass(IntEnum):
    """The classes that are written."""

    ACCOUNT_CHANGE = 3001
    AUTHENTICATION = 3002
    AUTHORIZE_SESSION = 3003
    ENTITY_MANAGEMENT = 3004
    USER_ACCESS = 3005
    GROUP_MANAGEMENT = 3006
    API_ACTIVITY = 6003

    @property
    def category(self) -> int:
        """The category that the class is in."""
        return self // 1000

    @property
    def caption(self) -> str:
        """The name of the class."""
        return "API Activity" if self is OcsfClass.API_ACTIVITY else _CAPTIONS[self]


_CAPTIONS: Mapping[int, str] = {
    3001: "Account Change",
    3002: "Authentication",
    3003: "Authorize Session",
    3004: "Entity Management",
    3005: "User Access Management",
    3006: "Group Management",
}
_ACTIVITY_NAMES: Mapping[OcsfClass, Mapping[int, str]] = {
    OcsfClass.ACCOUNT_CHANGE: {
        1: "Create",
        2: "Enable",
        3: "Password Change",
        4: "Password Reset",
        5: "Disable",
        6: "Delete",
        7: "Attach Policy",
        8: "Detach Policy",
        10: "MFA Factor Enable",
        11: "MFA Factor Disable",
    },
    OcsfClass.AUTHENTICATION: {1: "Logon", 2: "Logoff", 6: "Preauth", 7: "Account Switch"},
    OcsfClass.AUTHORIZE_SESSION: {1: "Assign Privileges"},
    OcsfClass.ENTITY_MANAGEMENT: {1: "Create", 3: "Update", 4: "Delete"},
    OcsfClass.USER_ACCESS: {1: "Assign Privileges", 2: "Revoke Privileges"},
    OcsfClass.GROUP_MANAGEMENT: {
        1: "Assign Privileges",
        2: "Revoke Privileges",
        3: "Add User",
        4: "Remove User",
        5: "Delete",
        6: "Create",
    },
    OcsfClass.API_ACTIVITY: {1: "Create", 2: "Read", 3: "Update", 4: "Delete"},
}


class Activity(NamedTuple):
    """A class, and what was done in its terms."""

    ocsf_class: OcsfClass
    number: int

    @property
    def type_uid(self) -> int:
        """The number of the pair."""
        return self.ocsf_class * 100 + self.number

    @property
    def caption(self) -> str:
        """The name of the activity."""
        return _ACTIVITY_NAMES[self.ocsf_class].get(self.number, "Other" if self.number else "Unknown")


_IAM_CALLS: Mapping[Activity, str] = {
    Activity(OcsfClass.ACCOUNT_CHANGE, 1): "CreateUser",
    Activity(OcsfClass.ACCOUNT_CHANGE, 2): "CreateLoginProfile",
    Activity(OcsfClass.ACCOUNT_CHANGE, 3): "ChangePassword",
    Activity(OcsfClass.ACCOUNT_CHANGE, 4): "UpdateLoginProfile",
    Activity(OcsfClass.ACCOUNT_CHANGE, 5): "DeleteLoginProfile",
    Activity(OcsfClass.ACCOUNT_CHANGE, 6): "DeleteUser",
    Activity(OcsfClass.ACCOUNT_CHANGE, 7): "AttachUserPolicy PutUserPermissionsBoundary PutUserPolicy",
    Activity(OcsfClass.ACCOUNT_CHANGE, 8): "DeleteUserPermissionsBoundary DeleteUserPolicy DetachUserPolicy",
    Activity(OcsfClass.ACCOUNT_CHANGE, 10): "EnableMFADevice",
    Activity(OcsfClass.ACCOUNT_CHANGE, 11): "DeactivateMFADevice",
    Activity(OcsfClass.ACCOUNT_CHANGE, 99): (
        "CreateAccessKey DeleteAccessKey DeleteSSHPublicKey TagUser UntagUser UpdateAccessKey UpdateSSHPublicKey"
        " UpdateUser UploadSSHPublicKey"
    ),
    Activity(OcsfClass.ENTITY_MANAGEMENT, 1): "CreateInstanceProfile CreatePolicy CreateRole CreateServiceLinkedRole",
    Activity(OcsfClass.ENTITY_MANAGEMENT, 3): (
        "CreatePolicyVersion DeletePolicyVersion SetDefaultPolicyVersion UpdateAssumeRolePolicy UpdateRole"
        " UpdateRoleDescription"
    ),
    Activity(OcsfClass.ENTITY_MANAGEMENT, 4): "DeleteInstanceProfile DeletePolicy DeleteRole DeleteServiceLinkedRole",
    Activity(OcsfClass.USER_ACCESS, 1): "AttachRolePolicy PutRolePolicy",
    Activity(OcsfClass.USER_ACCESS, 2): "DeleteRolePolicy DetachRolePolicy",
    Activity(OcsfClass.GROUP_MANAGEMENT, 1): "AttachGroupPolicy PutGroupPolicy",
    Activity(OcsfClass.GROUP_MANAGEMENT, 2): "DeleteGroupPolicy DetachGroupPolicy",
    Activity(OcsfClass.GROUP_MANAGEMENT, 3): "AddUserToGroup",
    Activity(OcsfClass.GROUP_MANAGEMENT, 4): "RemoveUserFromGroup",
    Activity(OcsfClass.GROUP_MANAGEMENT, 5): "DeleteGroup",
    Activity(OcsfClass.GROUP_MANAGEMENT, 6): "CreateGroup",
    Activity(OcsfClass.GROUP_MANAGEMENT, 99): "UpdateGroup",
}
_SIGN_INS: Mapping[Activity, str] = {
    Activity(OcsfClass.AUTHENTICATION, 1): "ConsoleLogin UserAuthentication",
    Activity(OcsfClass.AUTHENTICATION, 2): "Logout",
    Activity(OcsfClass.AUTHENTICATION, 6): "CheckMfa CredentialChallenge CredentialVerification",
    Activity(OcsfClass.AUTHENTICATION, 7): "ExitRole SwitchRole",
}
_SESSIONS: Mapping[Activity, str] = {
    Activity(OcsfClass.AUTHORIZE_SESSION, 1): "AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity",
}
_BY_CALL: Mapping[tuple[str, str], Activity] = {
    (service, name): activity
    for service, calls in (("iam", _IAM_CALLS), ("signin", _SIGN_INS), ("sso", _SIGN_INS), ("sts", _SESSIONS))
    for activity, names in calls.items()
    for name in names.split()
}
_BY_VERB: Mapping[str, int] = {
    verb: number
    for number, verbs in {
        1: "Allocate Copy Create Import Issue Launch Provision Publish Register Request Run Upload",
        2: (
            "Check Count Describe Discover Download Estimate Filter Get Head List Lookup Preview Query Read Scan Search"
            " Select Simulate Test Validate Verify View"
        ),
        3: (
            "Accept Activate Add Apply Associate Attach Authorize Change Configure Deactivate Detach Disable Disassociate"
            " Enable Modify Move Promote Put Reboot Rename Replace Reset Resize Restore Resume Revoke Rotate Schedule Set"
            " Start Stop Suspend Tag Untag Update"
        ),
        4: "Delete Deprovision Deregister Destroy Purge Release Remove Terminate",
    }.items()
    for verb in verbs.split()
}
_WORDS = re.compile(r"[A-Z]?[a-z]+")


def classify(source: str | None, name: str | None, *, is_read: bool) -> Activity:
    """Say which class and activity a call is."""
    service = (source or "").partition(".")[0]  # the rest depends on the partition
    known = _BY_CALL.get((service, name or ""))
    return known or classify_api_call(name, is_read=is_read)


def classify_api_call(name: str | None, *, is_read: bool) -> Activity:
    """Say which activity a call is as API Activity."""
    if is_read:
        return Activity(OcsfClass.API_ACTIVITY, 2)
    if name is None:
        return Activity(OcsfClass.API_ACTIVITY, 0)
    words = _WORDS.findall(name)
    if words[:1] == ["Batch"]:  # BatchGetItem, BatchDeleteImage
        words = words[1:]
    verb = words[0] if words else ""
    return Activity(OcsfClass.API_ACTIVITY, _BY_VERB.get(verb, OTHER_ACTIVITY))
