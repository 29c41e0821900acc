"""Findings in the making, and what a set of them amounts to."""

from collections.abc import Sequence
from enum import StrEnum

from cloudtrail_collector.errors import AwsError
from cloudtrail_spec.conditions import ConditionStatus, Reason
from cloudtrail_spec.report import SetupFinding, SetupVerdict

LONGEST_LINE = 1000
"""Of a mend in a condition: every copy of the source carries it, and there may be one for each of 17 buckets."""


class Step(StrEnum):
    """What is looked at, in the order in which one explains the next."""

    IDENTITY = "identity"
    ROLE = "role"
    ARCHIVE_ROLE = "archive role"
    QUEUE = "queue"
    RECEIVE = "receive"
    FINISH = "finish"
    QUEUE_POLICY = "queue policy"
    QUEUE_KEY = "queue key"
    REDRIVE = "redrive"
    DEAD_LETTERS = "dead letters"
    BUCKET = "bucket"
    NOTIFICATION = "notification"
    LOG_FILES = "log files"
    READ = "read"
    LOG_KEY = "log key"


def right(step: Step, about: str, message: str) -> SetupFinding:
    """Find that something is as it should be."""
    return _build(step, SetupVerdict.RIGHT, Reason.SUCCEEDED, about, message)


def wrong(step: Step, about: str, reason: Reason, message: str, mend: str | None) -> SetupFinding:
    """Find that something is wrong, and what mends it."""
    return _build(step, SetupVerdict.WRONG, reason, about, message, mend)


def failed(step: Step, failure: AwsError, mend: str | None) -> SetupFinding:
    """Find that collecting lacks what AWS has just refused."""
    return wrong(step, failure.resource, failure.reason, describe(failure), mend)


def not_seen(step: Step, failure: AwsError, mend: str | None = None) -> SetupFinding:
    """Find that a look failed that collecting does not need: denied, or AWS did not answer."""
    if failure.reason is Reason.ACCESS_DENIED:
        message = f"{failure.action} is not allowed, and collecting does not need it."
        return _build(step, SetupVerdict.NOT_ALLOWED, Reason.NOT_ALLOWED_TO_LOOK, failure.resource, message, mend)
    return failed(step, failure, None)


def not_asked(step: Step, about: str, message: str, mend: str | None = None) -> SetupFinding:
    """Find that there is nothing to ask, or no way to know."""
    return _build(step, SetupVerdict.NOT_ASKED, Reason.NOT_OBSERVED, about, message, mend)


def describe(failure: AwsError) -> str:
    """Say in a sentence what AWS has refused: action, ARN, and AWS's own words."""
    return f"{failure}."


def summarize(findings: Sequence[SetupFinding]) -> tuple[ConditionStatus, Reason, str]:
    """Say status, reason and message of the condition. What the redrive policy is has a condition of its own."""
    found = [finding for finding in findings if finding.step != Step.REDRIVE]
    if not found:
        return ConditionStatus.UNKNOWN, Reason.NOT_OBSERVED, "The set-up in AWS has not been looked at yet."
    mistakes = [finding for finding in found if finding.verdict is SetupVerdict.WRONG]
    if mistakes:
        return ConditionStatus.FALSE, mistakes[0].reason, " ".join(map(_explain, mistakes))
    seen = [finding.step for finding in found if finding.verdict is SetupVerdict.RIGHT]
    hidden = [finding.step for finding in found if finding.verdict is SetupVerdict.NOT_ALLOWED]
    message = f"What was looked at is right: {_list(seen)}."
    if hidden:
        message += f" Not allowed to look at: {_list(hidden)}."
    if not seen:
        return ConditionStatus.UNKNOWN, Reason.NOT_ALLOWED_TO_LOOK, f"Not allowed to look at: {_list(hidden)}."
    return ConditionStatus.TRUE, Reason.SUCCEEDED, message


def _explain(finding: SetupFinding) -> str:
    if not finding.mend:
        return finding.message
    line = (
        finding.mend if len(finding.mend) <= LONGEST_LINE else "run the line that `cloudtrail-collector doctor` prints."
    )
    return f"{finding.message} To mend it: {line}"


def _list(steps: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(steps))


def _build(
    step: Step, verdict: SetupVerdict, reason: Reason, about: str, message: str, mend: str | None = None
) -> SetupFinding:
    return SetupFinding(step=step, verdict=verdict, reason=reason, about=about, message=message, mend=mend)
