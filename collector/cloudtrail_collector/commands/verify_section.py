"""Verifies one section, an account's region: reads its digest files, newest first, and what they name, and reports.

Digest files and log files are read ahead by threads; what is decided is decided in one, in the order of the digest files.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from cloudtrail_collector.commands.verify_report import VerifyReport
from cloudtrail_collector.core.integrity.chain import DUE, HOUR, ChainWalk, Judgement, Period
from cloudtrail_collector.core.integrity.coverage import SLACK, Coverage
from cloudtrail_collector.core.integrity.digest_file import NamedLogFile
from cloudtrail_collector.core.integrity.digest_key import DigestKey, parse_digest_key, parse_log_time
from cloudtrail_collector.core.integrity.digest_verdict import Evidence, Place
from cloudtrail_collector.core.integrity.findings import Finding, FindingKind
from cloudtrail_collector.core.integrity.sections import DIGESTS, LOGS, Section
from cloudtrail_collector.pipeline.digest_reading import examine_digest, read_digest, verify_log_file
from cloudtrail_collector.ports import EvidenceStore, KeySource

# Digest files that end so long after the interval are witnesses of those in it.
WITNESSES = timedelta(hours=3)
DIGESTS_AHEAD = 4
LOGS_AHEAD = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Means:
    """What a verification works with."""

    store: EvidenceStore
    keys: KeySource
    place: Place
    period: Period
    pool: Executor
    report: VerifyReport


def verify_section(section: Section, means: Means) -> None:
    """Verify a section. Raises AwsError or OSError when it cannot be listed, or keys cannot be had."""
    means.report.begin(section)
    digests = _list_digests(section, means)
    logs = _list_logs(section, means)
    if digests or means.period.now - means.period.start <= DUE:
        # What belongs to the section's chains lies in its own folder: a former prefix is another place.
        place = replace(means.place, prefix=f"{section.root}{DIGESTS}/{section.region}/")
        _Walk(replace(means, place=place), Coverage(logs), digests).run()
    elif (count := sum(1 for _ in logs)) or section.has_digests:
        detail = (
            f"{count} log file{'' if count == 1 else 's'} of the interval {'is' if count == 1 else 'are'} not covered"
        )
        means.report.note(Finding(FindingKind.NO_DIGESTS, f"{section.root}{DIGESTS}/{section.region}/", detail))
        means.report.tally.logs_not_covered += count


def _list_digests(section: Section, means: Means) -> tuple[DigestKey, ...]:
    """List the digest files of the interval and their witnesses, newest first."""
    start, end = means.period.start, means.period.end + WITNESSES
    found = [
        digest
        for prefix in section.list_days(DIGESTS, start, end)
        for key in means.store.iterate_keys(prefix)
        if (digest := parse_digest_key(key)) and start < digest.ended_at <= end
    ]
    return tuple(sorted(found, key=lambda digest: (digest.ended_at, digest.key), reverse=True))


def _list_logs(section: Section, means: Means) -> Iterator[str]:
    """List the log files of the interval, newest first; a day of them is held."""
    start, end = means.period.start, means.period.end
    for prefix in reversed(section.list_days(LOGS, start, end)):
        timed = [(time, key) for key in means.store.iterate_keys(prefix) if (time := parse_log_time(key))]
        yield from (key for time, key in sorted(timed, reverse=True) if start <= time <= end)


class _Walk:
    """The digest files of a section and their log files."""

    def __init__(self, means: Means, coverage: Coverage, digests: tuple[DigestKey, ...]) -> None:
        self._means = means
        self._report = means.report
        self._coverage = coverage
        self._digests = digests
        self._chains: dict[tuple[str, str, bool], ChainWalk] = {}
        self._log_files: deque[Future[Finding | None]] = deque()
        self._unreadable: list[datetime] = []

    def run(self) -> None:
        """Verify all of it."""
        for evidence in self._read_digests():
            for key in self._coverage.settle(evidence.ended_at):
                self._report_uncovered(key)
            self._take(evidence)
        for chain in self._chains.values():
            self._report.note(*chain.finish())
        for key in self._coverage.finish():
            self._report_uncovered(key)
        self._settle_log_files(0)
        self._report.note_held(self._coverage.held)

    def _read_digests(self) -> Iterator[Evidence]:
        pool, store, bucket = self._means.pool, self._means.store, self._means.place.bucket or ""
        tasks = ((key, pool.submit(read_digest, store, bucket, key)) for key in self._digests)
        for key, found in _read_ahead(tasks, DIGESTS_AHEAD):
            yield examine_digest(key, found.result(), self._means.keys)

    def _take(self, evidence: Evidence) -> None:
        """Judge a digest file, and have the log files read that it names if it is trusted."""
        kind = evidence.key.chain
        if kind not in self._chains:
            self._chains[kind] = ChainWalk(self._means.period, self._means.place, is_backfill=evidence.key.is_backfill)
        judged = self._chains[kind].step(evidence)
        self._report.note(*judged.findings)
        if evidence.problem and evidence.problem.kind.is_of_access:
            self._unreadable.append(evidence.ended_at)
        log_files = evidence.digest.log_files if evidence.digest else ()
        self._coverage.note_named((log_file.key for log_file in log_files), evidence.ended_at)
        if judged.is_wanted:
            self._take_wanted(judged, log_files)

    def _take_wanted(self, judged: Judgement, log_files: tuple[NamedLogFile, ...]) -> None:
        self._report.note_digest(is_verified=judged.is_trusted, log_files=len(log_files))
        if judged.is_trusted:
            for log_file in log_files:
                self._log_files.append(self._verify(log_file))
                self._settle_log_files(LOGS_AHEAD)
        elif log_files:
            detail = f"it names {len(log_files)} log file{'' if len(log_files) == 1 else 's'}"
            self._report.note(Finding(FindingKind.LOG_UNVERIFIABLE, judged.evidence.key.key, detail))
            self._report.tally.logs_unverifiable += len(log_files)

    def _settle_log_files(self, limit: int) -> None:
        """Report what became of log files, until no more than `limit` are under way."""
        while len(self._log_files) > limit:
            self._report.note_log_file(self._log_files.popleft().result())

    def _verify(self, log_file: NamedLogFile) -> Future[Finding | None]:
        return self._means.pool.submit(verify_log_file, self._means.store, self._means.place.bucket, log_file)

    def _report_uncovered(self, key: str) -> None:
        """Report a log file that no digest file names: as still to come, if it is newer than the last of them.

        One whose digest file could not be read may well be named there: that was reported, and says nothing of this one.
        """
        time, now = parse_log_time(key) or self._means.period.start, self._means.period.now
        is_newest = not self._digests or time > self._digests[0].ended_at - HOUR
        if is_newest and now - time <= DUE:
            self._report.note_not_yet_covered(key)
        elif any(ended_at - HOUR - SLACK < time <= ended_at + SLACK for ended_at in self._unreadable):
            self._report.tally.logs_unverifiable += 1
        else:
            self._report.note(Finding(FindingKind.LOG_NOT_COVERED, key))
            self._report.tally.logs_not_covered += 1


def _read_ahead(tasks: Iterable[tuple[DigestKey, "Future[T]"]], limit: int) -> Iterator[tuple[DigestKey, "Future[T]"]]:
    """Give started tasks in order, with so many of them under way."""
    waiting: deque[tuple[DigestKey, Future[T]]] = deque()
    for task in tasks:
        waiting.append(task)
        if len(waiting) >= limit:
            yield waiting.popleft()
    yield from waiting
