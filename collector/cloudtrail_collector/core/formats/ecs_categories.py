"""Which event.category and event.type an eventName gets in ECS.

The rule is that of Elastic's public CloudTrail integration (ingest pipeline of aws/cloudtrail), so that what is built for
its documents works on these; what it does not categorise has type `info` and no category here as well.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Category(NamedTuple):
    """The values of event.category and event.type."""

    category: str
    types: tuple[str, ...]


_NAMES: Mapping[Category, str] = {
    Category("authentication", ("info",)): "AssumeRole ConsoleLogin",
    Category("file", ("creation",)): "CreateBucket",
    Category("file", ("deletion",)): "DeleteBucket",
    Category("iam", ("admin", "change")): (
        "SetDefaultPolicyVersion SetSecurityTokenServicePreferences UpdateAccountPasswordPolicy UpdateRole"
    ),
    Category("iam", ("admin", "creation")): "CreateKeyPair",
    Category("iam", ("group", "change")): (
        "AddUserToGroup AttachGroupPolicy DeleteGroupPolicy DetachGroupPolicy PutGroupPolicy RemoveUserFromGroup UpdateGroup"
    ),
    Category("iam", ("group", "creation")): "CreateGroup",
    Category("iam", ("group", "deletion")): "DeleteGroup",
    Category("iam", ("group", "info")): (
        "GetGroup GetGroupPolicy ListAttachedGroupPolicies ListGroupPolicies ListGroups ListGroupsForUser"
    ),
    Category("iam", ("user", "change")): (
        "AttachUserPolicy ChangePassword CreateAccessKey CreateVirtualMFADevice DeactivateMFADevice DeleteAccessKey"
        " DeleteSSHPublicKey DeleteUserPermissionsBoundary DeleteUserPolicy DeleteVirtualMFADevice DetachUserPolicy"
        " EnableMFADevice PutUserPermissionsBoundary PutUserPolicy TagUser UntagUser UpdateAccessKey UpdateLoginProfile"
        " UpdateSSHPublicKey UpdateUser"
    ),
    Category("iam", ("user", "creation")): "CreateUser",
    Category("iam", ("user", "deletion")): "DeleteUser",
    Category("iam", ("user", "info")): (
        "GetUser GetUserPolicy ListAttachedUserPolicies ListUserPolicies ListUserTags ListUsers"
    ),
}
CATEGORIES: Mapping[str, Category] = {name: category for category, names in _NAMES.items() for name in names.split()}
