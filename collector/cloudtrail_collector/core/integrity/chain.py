"""Turns the digest files of one chain, newest first, into verdicts and into what is missing between them.

Each digest file names the one before it, so that a chain is walked backwards: the successor is judged already. A file that
is named and not there was deleted. That two in a row were deleted is told by the clock: what is named ends an hour before
its successor at most, and what lies still further back is covered by nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudtrail_collector.core.integrity.digest_file import PreviousDigest
from cloudtrail_collector.core.integrity.digest_key import parse_digest_key
from cloudtrail_collector.core.integrity.digest_verdict import Evidence, Naming, Place, Verdict, judge_digest
from cloudtrail_collector.core.integrity.findings import Finding, FindingKind

# A digest file covers an hour.
HOUR = timedelta(hours=1)
# Ends and beginnings that are closer than this meet: no whole digest file fits between them.
TOLERANCE = timedelta(minutes=15)
# An hour is over, its digest file is written within the next: after that it is overdue.
DUE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Period:
    """The time that is verified, and the present."""

    start: datetime
    end: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """A digest file, whether it is trusted, whether its hour is asked for, and what was found with it."""

    evidence: Evidence
    is_trusted: bool
    is_wanted: bool
    findings: tuple[Finding, ...]

    @property
    def start(self) -> datetime:
        """When its hour began; by its name where what it says cannot be trusted."""
        digest = self.evidence.digest
        return digest.start if digest and self.is_trusted else self.evidence.ended_at - HOUR

    @property
    def previous(self) -> PreviousDigest | None:
        """The digest file before, as this one names it."""
        return self.evidence.digest.previous if self.evidence.digest else None


class ChainWalk:
    """Goes back along the digest files of one trail in one region: `step` for each, then `finish`.

    Those that end after the period are witnesses: what they say of others counts, what is wrong with them does not.
    Backfill digests repeat hours that have others, and are due at no time.
    """

    def __init__(self, period: Period, place: Place, *, is_backfill: bool = False) -> None:
        self._period = period
        self._place = place
        self._is_backfill = is_backfill
        self._after: Judgement | None = None

    def step(self, evidence: Evidence) -> Judgement:
        """Judge the next digest file, which ended no later than the one before."""
        previous = self._after.previous if self._after else None
        is_named = previous is not None and previous.key == evidence.key.key
        naming = Naming(previous, self._after.is_trusted) if previous and self._after and is_named else None
        verdict = judge_digest(evidence, naming, self._place)
        links = self._find_links(evidence, verdict)
        judged = Judgement(evidence, verdict.is_trusted, False, ())
        is_wanted = evidence.ended_at > self._period.start and judged.start < self._period.end
        findings = (*links, *(verdict.findings if is_wanted else ()))
        judged = Judgement(evidence, verdict.is_trusted, is_wanted, findings)
        if not any(finding.kind is FindingKind.DIGEST_UNCHAINED for finding in links):
            self._after = judged
        return judged

    def finish(self) -> tuple[Finding, ...]:
        """Say what is missing before the oldest digest file."""
        oldest = self._after
        if oldest is None:
            return ()
        if not oldest.is_trusted:
            return self._measure(FindingKind.DIGESTS_MISSING, self._period.start, oldest.start, oldest)
        if oldest.previous is None:
            return self._measure(FindingKind.CHAIN_STARTED, self._period.start, oldest.start, oldest)
        return self._report_missing(oldest, oldest.previous, self._period.start)

    def _find_links(self, evidence: Evidence, verdict: Verdict) -> tuple[Finding, ...]:
        """Find what is wrong between a digest file and its successor."""
        after = self._after
        if after is None:
            return self._check_end(evidence)
        if not after.is_trusted:
            return self._measure(FindingKind.DIGESTS_MISSING, evidence.ended_at, after.start, after)
        if after.previous is None:
            return self._measure(FindingKind.CHAIN_RESTARTED, evidence.ended_at, after.start, after)
        if after.previous.key == evidence.key.key:
            kind = FindingKind.TIME_GAP if verdict.is_trusted else FindingKind.DIGESTS_MISSING
            return self._measure(kind, evidence.ended_at, after.start, after)
        named = parse_digest_key(after.previous.key)
        if named and named.ended_at <= evidence.ended_at and not self._is_backfill:
            return self._report_unchained(evidence, after)
        return self._report_missing(after, after.previous, evidence.ended_at)

    def _check_end(self, newest: Evidence) -> tuple[Finding, ...]:
        period = self._period
        if self._is_backfill or newest.ended_at >= period.end or period.now - newest.ended_at <= DUE:
            return ()
        until = min(period.end, period.now)
        return (Finding(FindingKind.CHAIN_ENDED, newest.key.key, describe_stretch(newest.ended_at, until)),)

    def _report_unchained(self, evidence: Evidence, after: Judgement) -> tuple[Finding, ...]:
        if after.previous is None or evidence.ended_at <= self._period.start:
            return ()
        detail = f"{after.evidence.key.key} names {after.previous.key}"
        return (Finding(FindingKind.DIGEST_UNCHAINED, evidence.key.key, detail),)

    def _report_missing(self, after: Judgement, previous: PreviousDigest, known: datetime) -> tuple[Finding, ...]:
        """Report what a digest file names and is not there, and what must have been between that and `known`."""
        if after.start <= self._period.start:
            return ()
        named = parse_digest_key(previous.key)
        if self._is_backfill and (named is None or not named.is_backfill):
            return ()
        if not self._place.holds(previous.bucket, previous.key):
            detail = f"the one before is s3://{previous.bucket}/{previous.key}"
            return (Finding(FindingKind.CHAIN_ELSEWHERE, after.evidence.key.key, detail),)
        end = named.ended_at if named else after.start
        rest = self._measure(FindingKind.DIGESTS_MISSING, known, end - HOUR, after)
        if end <= self._period.start or end - HOUR >= self._period.end:
            return rest
        missing = Finding(FindingKind.DIGEST_MISSING, previous.key, f"named by {after.evidence.key.key}")
        return (missing, *rest)

    def _measure(self, kind: FindingKind, start: datetime, end: datetime, after: Judgement) -> tuple[Finding, ...]:
        """Report a stretch before a digest file, as far as it is in the period and long enough to matter."""
        start, end = max(start, self._period.start), min(end, self._period.end, self._period.now)
        if self._is_backfill or (end - start <= TOLERANCE and kind is not FindingKind.CHAIN_RESTARTED) or end < start:
            return ()
        return (Finding(kind, after.evidence.key.key, describe_stretch(start, end)),)


def describe_stretch(start: datetime, end: datetime) -> str:
    """Say from when to when, and how many hours that are."""
    hours = max(round((end - start) / HOUR), 1)
    return f"from {start:%Y-%m-%dT%H:%M:%SZ} to {end:%Y-%m-%dT%H:%M:%SZ}, {hours} hour{'' if hours == 1 else 's'}"
