"""Who asks AWS: the credentials as they are found, and the role that is assumed with them."""

import re

from cloudtrail_collector.core.doctor.facts import Answer, Seen
from cloudtrail_collector.core.doctor.findings import Step, describe, failed, not_asked, right, wrong
from cloudtrail_collector.core.doctor.mends import allow_assuming
from cloudtrail_collector.errors import AwsError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import AssumedRole
from cloudtrail_spec.report import SetupFinding

NO_CREDENTIALS = "NoCredentials"
_LOG_IN = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --profile"
_SESSION = re.compile(r"arn:([a-z-]+):sts::([0-9]+):assumed-role/(.+)/[^/]+")


def judge_identity(answer: Answer[str], expected: str | None) -> SetupFinding:
    """Judge the credentials as they are found. `expected` is the role that the collectors' pods have, if it is known."""
    if isinstance(answer, AwsError):
        return _judge_refusal(answer, expected)
    asker = answer.value
    message = f"AWS knows you as {asker}."
    if expected and not _is_role(asker, expected):
        message += f" The collectors are {expected}: what follows about rights is about you, not about them."
    return right(Step.IDENTITY, asker, message)


def judge_role(role: AssumedRole, base: Answer[str], answer: Answer[str], *, sink: str | None = None) -> SetupFinding:
    """Judge a role that is assumed with these credentials: to read, or by an s3 sink."""
    step = Step.ROLE if sink is None else Step.ARCHIVE_ROLE
    if isinstance(base, AwsError):
        return not_asked(step, role.role_arn, "Nobody can assume it without credentials.")
    if isinstance(answer, Seen):
        return right(step, role.role_arn, f"It can be assumed: {answer.value}.")
    option = "--assumed" if sink is None else f"--sink {sink}"
    mend = (
        f"cloudtrail-operator aws trust -f source.yaml {option} prints whom the role must trust;"
        f" and allow it: {allow_assuming(role.role_arn, base.value)}"
    )
    return failed(step, answer, mend)


def _judge_refusal(failure: AwsError, expected: str | None) -> SetupFinding:
    if failure.code == NO_CREDENTIALS:
        message = "No AWS credentials are found."
        return wrong(Step.IDENTITY, failure.resource, Reason.CREDENTIALS_REJECTED, message, _LOG_IN)
    mend = None
    if failure.action == "sts:AssumeRoleWithWebIdentity":
        name = (expected or failure.resource).rpartition("/")[2]
        mend = (
            'cloudtrail-operator aws trust -f source.yaml --issuer "$ISSUER" | aws iam update-assume-role-policy'
            f" --role-name {name} --policy-document file:///dev/stdin"
        )
    return wrong(Step.IDENTITY, failure.resource, failure.reason, describe(failure), mend)


def _is_role(asker: str, role_arn: str) -> bool:
    """Say whether an identity is a session of a role; the session's ARN leaves out the role's path."""
    session = _SESSION.fullmatch(asker)
    if session is None:
        return False
    head, _, name = role_arn.partition(":role/")
    return (f"arn:{session[1]}:iam::{session[2]}", session[3]) == (head, name.rpartition("/")[2])
