"""Alerts on activities in AWS: those that the CIS AWS Foundations Benchmark (3.0.0, section 4) wants monitored.

They need `metrics: [{name: cis, preset: cis-aws-foundations}]`, under any name, in a source. Events reach a collector
some minutes after they happen and count at once, so that a window of a quarter of an hour misses none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from observability.rule_file import Alert, Group, Severity

CHAPTER = "CIS activities"


@dataclass(frozen=True, slots=True)
class _Activity:
    suffix: str
    what: str
    severity: Severity = Severity.WARNING
    limit: str = "0"


ACTIVITIES: Mapping[str, _Activity] = {
    "unauthorized-api-calls": _Activity("UnauthorizedApiCalls", "Many calls were refused", limit="20 # refusedCalls"),
    "console-sign-in-without-mfa": _Activity("SignInWithoutMfa", "Somebody signed in to the console without MFA"),
    "root-use": _Activity("RootUse", "The root user acted", Severity.CRITICAL),
    "iam-policy-changes": _Activity("IamPolicyChanges", "IAM policies, or who has them, were changed"),
    "cloudtrail-changes": _Activity(
        "TrailChanges", "Trails were changed, deleted, started or stopped", Severity.CRITICAL
    ),
    "console-sign-in-failures": _Activity(
        "SignInFailures", "Many sign-ins to the console failed", limit="5 # failedSignIns"
    ),
    "kms-key-disabling": _Activity("KmsKeyDisabling", "KMS keys were disabled or are to be deleted", Severity.CRITICAL),
    "bucket-policy-changes": _Activity("BucketPolicyChanges", "Policies of buckets were changed"),
    "config-changes": _Activity("ConfigChanges", "AWS Config's recording was changed"),
    "security-group-changes": _Activity("SecurityGroupChanges", "Security groups were changed"),
    "network-acl-changes": _Activity("NetworkAclChanges", "Network ACLs were changed"),
    "network-gateway-changes": _Activity("NetworkGatewayChanges", "Network gateways were changed"),
    "route-table-changes": _Activity("RouteTableChanges", "Route tables were changed"),
    "vpc-changes": _Activity("VpcChanges", "VPCs or their peerings were changed"),
    "organizations-changes": _Activity("OrganizationsChanges", "The organization was changed"),
}


def build_groups() -> list[Group]:
    """Build the group: one alert for each activity."""
    return [Group("cloudtrail-activities", [_build_alert(name, activity) for name, activity in ACTIVITIES.items()])]


def _build_alert(name: str, activity: _Activity) -> Alert:
    return Alert(
        name=f"CloudTrailCis{activity.suffix}",
        severity=activity.severity,
        summary=f"{activity.what}.",
        description=f"{activity.what} within a quarter of an hour, by the events of source"
        f" {{{{ $labels.namespace }}}}/{{{{ $labels.source }}}} (activity {name}).",
        expr=f"""
            sum by (namespace, source) (
              increase(cloudtrail_collector_event_matches_total{{rule=~"[^/]+/{name}"}}[15m])
            ) > {activity.limit}
        """,
        chapter=CHAPTER,
    )
