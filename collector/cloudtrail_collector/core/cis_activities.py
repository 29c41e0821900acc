"""The activities that the CIS AWS Foundations Benchmark wants monitored, as selectors of event records.

Source: CIS AWS Foundations Benchmark v3.0.0, section 4 (monitoring), whose metric filters are written for CloudWatch Logs.
"""

from collections.abc import Mapping, Sequence

from cloudtrail_spec.filters import FieldSelector

Selectors = tuple[FieldSelector, ...]


def _absent(field: str) -> FieldSelector:
    return FieldSelector(field=field, not_starts_with=("",))  # only an absent field does not begin with nothing


def _is(field: str, *values: str) -> FieldSelector:
    return FieldSelector(field=field, equals=values)


def _calls(service: str, *names: str) -> Sequence[Selectors]:
    return [(_is("eventSource", f"{service}.amazonaws.com"), _is("eventName", *names))]


CIS_ACTIVITIES: Mapping[str, Sequence[Selectors]] = {
    "unauthorized-api-calls": [
        (
            FieldSelector(field="errorCode", ends_with=("UnauthorizedOperation",)),
            FieldSelector(field="sourceIPAddress", not_equals=("delivery.logs.amazonaws.com",)),
            FieldSelector(field="eventName", not_equals=("HeadBucket",)),
        ),
        (
            FieldSelector(field="errorCode", starts_with=("AccessDenied",), not_ends_with=("UnauthorizedOperation",)),
            FieldSelector(field="sourceIPAddress", not_equals=("delivery.logs.amazonaws.com",)),
            FieldSelector(field="eventName", not_equals=("HeadBucket",)),
        ),
    ],
    "console-sign-in-without-mfa": [
        (
            _is("eventName", "ConsoleLogin"),
            FieldSelector(field="additionalEventData.MFAUsed", not_equals=("Yes",)),
            _is("userIdentity.type", "IAMUser"),
            _is("responseElements.ConsoleLogin", "Success"),
        )
    ],
    "root-use": [
        (
            _is("userIdentity.type", "Root"),
            _absent("userIdentity.invokedBy"),
            FieldSelector(field="eventType", not_equals=("AwsServiceEvent",)),
        )
    ],
    "iam-policy-changes": _calls(
        "iam",
        *(
            "DeleteGroupPolicy",
            "DeleteRolePolicy",
            "DeleteUserPolicy",
            "PutGroupPolicy",
            "PutRolePolicy",
            "PutUserPolicy",
        ),
        *("CreatePolicy", "DeletePolicy", "CreatePolicyVersion", "DeletePolicyVersion"),
        *("AttachRolePolicy", "DetachRolePolicy", "AttachUserPolicy", "DetachUserPolicy"),
        *("AttachGroupPolicy", "DetachGroupPolicy"),
    ),
    "cloudtrail-changes": _calls(
        "cloudtrail", "CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging"
    ),
    "console-sign-in-failures": [
        (_is("eventName", "ConsoleLogin"), _is("errorMessage", "Failed authentication")),
    ],
    "kms-key-disabling": _calls("kms", "DisableKey", "ScheduleKeyDeletion"),
    "bucket-policy-changes": _calls(
        "s3",
        *("PutBucketAcl", "PutBucketPolicy", "PutBucketCors", "PutBucketLifecycle", "PutBucketReplication"),
        *("DeleteBucketPolicy", "DeleteBucketCors", "DeleteBucketLifecycle", "DeleteBucketReplication"),
    ),
    "config-changes": _calls(
        "config", "StopConfigurationRecorder", "DeleteDeliveryChannel", "PutDeliveryChannel", "PutConfigurationRecorder"
    ),
    "security-group-changes": _calls(
        "ec2",
        *("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress"),
        *("RevokeSecurityGroupEgress", "CreateSecurityGroup", "DeleteSecurityGroup"),
    ),
    "network-acl-changes": _calls(
        "ec2",
        *("CreateNetworkAcl", "CreateNetworkAclEntry", "DeleteNetworkAcl", "DeleteNetworkAclEntry"),
        *("ReplaceNetworkAclEntry", "ReplaceNetworkAclAssociation"),
    ),
    "network-gateway-changes": _calls(
        "ec2",
        *("CreateCustomerGateway", "DeleteCustomerGateway", "AttachInternetGateway", "CreateInternetGateway"),
        *("DeleteInternetGateway", "DetachInternetGateway"),
    ),
    "route-table-changes": _calls(
        "ec2",
        *("CreateRoute", "CreateRouteTable", "ReplaceRoute", "ReplaceRouteTableAssociation", "DeleteRouteTable"),
        *("DeleteRoute", "DisassociateRouteTable"),
    ),
    "vpc-changes": _calls(
        "ec2",
        *("CreateVpc", "DeleteVpc", "ModifyVpcAttribute", "AcceptVpcPeeringConnection", "CreateVpcPeeringConnection"),
        *("DeleteVpcPeeringConnection", "RejectVpcPeeringConnection", "AttachClassicLinkVpc", "DetachClassicLinkVpc"),
        *("DisableVpcClassicLink", "EnableVpcClassicLink"),
    ),
    "organizations-changes": _calls(
        "organizations",
        *("AcceptHandshake", "AttachPolicy", "CreateAccount", "CreateOrganizationalUnit", "CreatePolicy"),
        *("DeclineHandshake", "DeleteOrganization", "DeleteOrganizationalUnit", "DeletePolicy", "DetachPolicy"),
        *("DisablePolicyType", "EnablePolicyType", "InviteAccountToOrganization", "LeaveOrganization", "MoveAccount"),
        *("RemoveAccountFromOrganization", "UpdatePolicy", "UpdateOrganizationalUnit"),
    ),
}
"""Alternatives by activity. No event record matches two alternatives of one activity: it would be counted twice."""
