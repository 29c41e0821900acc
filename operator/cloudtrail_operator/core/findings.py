"""What the evaluation says: a condition without its time, and the verdict that a set of them makes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cloudtrail_operator.core.merge import Figures
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.pipeline import Mode
from cloudtrail_spec.status import Condition

MESSAGE_LIMIT = 4096  # the API allows 32768; a person reads less, and every copy of the source carries it


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition as it is found now."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that an evaluation says about a source. None: as before."""

    findings: tuple[Finding, ...]
    figures: Figures
    replicas: int | None = None
    ready_replicas: int | None = None
    mode: Mode | None = None
    config_hash: str | None = None

    def is_ready(self) -> bool:
        """Say whether the source is ready."""
        return any(item.type is ConditionType.READY and item.status is ConditionStatus.TRUE for item in self.findings)

    def essence(self) -> tuple[object, ...]:
        """Return all but figures and wording, which change all the time."""
        judged = tuple((item.type, item.status, item.reason) for item in self.findings)
        return judged, self.replicas, self.ready_replicas, self.mode, self.config_hash


def date_findings(
    findings: Iterable[Finding], previous: Iterable[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Turn findings into conditions, each with the time of its last flip."""
    before = {condition.type: condition for condition in previous}

    def date(finding: Finding) -> datetime:
        known = before.get(finding.type)
        return known.last_transition_time if known and known.status is finding.status else now

    return tuple(
        Condition(
            type=finding.type,
            status=finding.status,
            reason=finding.reason,
            message=finding.message,
            observed_generation=generation,
            last_transition_time=date(finding),
        )
        for finding in findings
    )


def find_true(kind: ConditionType, reason: Reason, message: str) -> Finding:
    """Make a finding that holds."""
    return Finding(kind, ConditionStatus.TRUE, reason, message[:MESSAGE_LIMIT])


def find_false(kind: ConditionType, reason: Reason, message: str) -> Finding:
    """Make a finding that does not hold."""
    return Finding(kind, ConditionStatus.FALSE, reason, message[:MESSAGE_LIMIT])


def find_unknown(kind: ConditionType, reason: Reason, message: str) -> Finding:
    """Make a finding about something that nobody has looked at yet."""
    return Finding(kind, ConditionStatus.UNKNOWN, reason, message[:MESSAGE_LIMIT])
