"""Turns what digest files said into what a collector reports of integrity."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudtrail_collector.core.integrity.findings import Finding, Level
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.integrity import IntegrityMode
from cloudtrail_spec.report import IntegrityFigures, IntegrityProblem

# How long a find is told of. Long enough to be seen by whoever looks once a day.
MEMORY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AuditResult:
    """How many of the log files that a digest file names are proven, and how many are not."""

    verified: int = 0
    altered: int = 0
    missing: int = 0
    unverifiable: int = 0


class IntegrityHealth:
    """What was found since the start; its size does not grow with what is noted."""

    def __init__(self, mode: IntegrityMode) -> None:
        self._mode = mode
        self._total = AuditResult()
        self._waiting = 0
        self._digest_at: datetime | None = None
        self._unconfirmed_since: datetime | None = None
        self._problems: dict[Reason, IntegrityProblem] = {}
        self._failure: IntegrityProblem | None = None

    def note_log_file(self, now: datetime) -> None:
        """Take in that a log file came."""
        self._unconfirmed_since = self._unconfirmed_since or now

    def note_waiting(self, count: int, now: datetime) -> None:
        """Take in how many messages wait for proof; a log file has come with each."""
        if count > self._waiting:
            self.note_log_file(now)
        self._waiting = count

    def note_audit(self, result: AuditResult, now: datetime) -> None:
        """Take in that a digest file was checked."""
        before = self._total
        self._total = AuditResult(
            before.verified + result.verified,
            before.altered + result.altered,
            before.missing + result.missing,
            before.unverifiable + result.unverifiable,
        )
        self._digest_at, self._unconfirmed_since, self._failure = now, None, None

    def note_failure(self, reason: Reason, message: str, now: datetime) -> None:
        """Take in that a digest file could not be checked; it will be tried again."""
        self._failure = IntegrityProblem(time=now, reason=reason, message=message)

    def note_finding(self, finding: Finding, bucket: str, now: datetime) -> None:
        """Take in a find; notices are no problems."""
        if finding.kind.level is Level.NOTICE:
            return
        reason = Reason.UNVERIFIABLE if finding.kind.leaves_open else Reason.INTEGRITY_BROKEN
        message = f"{finding.kind.value}: s3://{bucket}/{finding.key}: {finding.kind.sentence}"
        self._problems[reason] = IntegrityProblem(time=now, reason=reason, message=message)

    def describe(self, now: datetime) -> IntegrityFigures:
        """Build the part of the report."""
        recent = {reason: problem for reason, problem in self._problems.items() if now - problem.time < MEMORY}
        return IntegrityFigures(
            mode=self._mode,
            verified=self._total.verified,
            altered=self._total.altered,
            missing=self._total.missing,
            unverifiable=self._total.unverifiable,
            waiting=self._waiting,
            last_digest_at=self._digest_at,
            unconfirmed_since=self._unconfirmed_since,
            problem=recent.get(Reason.INTEGRITY_BROKEN) or recent.get(Reason.UNVERIFIABLE),
            failure=self._failure,
        )
