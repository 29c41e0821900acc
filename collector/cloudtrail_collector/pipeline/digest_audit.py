"""One digest file that was announced: is it signed, does it follow the one before, and are its log files what it names?

Each digest file answers for itself and for what lies between it and the one before, so that each link of a chain is looked
at once, by whichever collector gets the message. Nothing need be remembered: after a restart, and in another replica, the
next digest file is judged the same way.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cloudtrail_collector.core.integrity.chain import ChainWalk, Judgement, Period
from cloudtrail_collector.core.integrity.digest_file import NamedLogFile
from cloudtrail_collector.core.integrity.digest_key import DigestKey, parse_digest_key
from cloudtrail_collector.core.integrity.digest_verdict import Evidence, Place
from cloudtrail_collector.core.integrity.findings import Finding, FindingKind
from cloudtrail_collector.core.integrity.health import AuditResult
from cloudtrail_collector.core.integrity.sections import DIGESTS, Section
from cloudtrail_collector.core.object_key import KeySelection
from cloudtrail_collector.pipeline.digest_reading import examine_digest, read_digest, verify_log_file
from cloudtrail_collector.pipeline.read_hashes import ReadHashes
from cloudtrail_collector.ports import EvidenceStore, KeySource
from cloudtrail_collector.telemetry import Telemetry

# How far back the digest file before is looked for where the named one is gone.
HORIZON = timedelta(days=1)
# Finds that are not told again, when a message comes again or the next digest file says the same.
MAX_TOLD = 10_000


@dataclass(frozen=True, slots=True)
class Archive:
    """Where digest files and log files are, by bucket, and CloudTrail's public keys."""

    stores: Mapping[str, EvidenceStore]
    keys: KeySource

    def read(self, bucket: str, key: DigestKey) -> Evidence:
        """Read a digest file. Raises AwsError when its public key cannot be had."""
        return examine_digest(key, read_digest(self.stores[bucket], bucket, key), self.keys)


def find_section(key: DigestKey) -> Section:
    """Find the section that a digest file belongs to."""
    root = key.key[: key.key.rindex(f"{DIGESTS}/{key.region}/")]
    return Section(root, key.account_id, key.region, has_digests=True)


def build_place(bucket: str, section: Section) -> Place:
    """Build the place where all digest files of a section's chains are."""
    return Place(bucket, f"{section.root}{DIGESTS}/{section.region}/")


class DigestAudit:
    """Checks digest files; used by several threads."""

    def __init__(self, archive: Archive, selection: KeySelection, hashes: ReadHashes, telemetry: Telemetry) -> None:
        self._archive = archive
        self._selection = selection
        self._hashes = hashes
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._told: OrderedDict[tuple[FindingKind, str], None] = OrderedDict()

    def run(self, bucket: str, key: DigestKey) -> Finding | None:
        """Check a digest file and tell what was found; returns why it must be tried again. Raises AwsError."""
        evidence = self._archive.read(bucket, key)
        if evidence.problem and evidence.problem.kind is FindingKind.DIGEST_UNREADABLE:
            return evidence.problem
        now = max(datetime.now(UTC), key.ended_at)
        place = build_place(bucket, find_section(key))
        walk = ChainWalk(Period(key.ended_at - HORIZON, key.ended_at, now), place, is_backfill=key.is_backfill)
        judged = walk.step(evidence)
        self._tell(bucket, judged.findings)
        self._tell(bucket, self._check_link(bucket, judged, walk))
        result = self._check_log_files(bucket, judged)
        self._telemetry.digest_checked(bucket, key.key, result, is_trusted=judged.is_trusted)
        return None

    def _check_link(self, bucket: str, judged: Judgement, walk: ChainWalk) -> tuple[Finding, ...]:
        """Judge the digest file before, or what lies between it and this one. One that is gone links to nothing."""
        problem = judged.evidence.problem
        if problem and problem.kind is FindingKind.DIGEST_MISSING:
            return ()
        before = self._read_named(bucket, judged) or self._read_nearest(bucket, judged.evidence.key)
        if before is not None:
            return walk.step(before).findings
        # What is not trusted says nothing of what was before it.
        return walk.finish() if judged.is_trusted else ()

    def _read_named(self, bucket: str, judged: Judgement) -> Evidence | None:
        """Read the digest file that this one names; None where it is not there."""
        previous = judged.previous if judged.is_trusted else None
        named = previous and parse_digest_key(previous.key)
        if not previous or not named or previous.bucket not in self._archive.stores:
            return None
        if not build_place(bucket, find_section(judged.evidence.key)).holds(previous.bucket, previous.key):
            return None
        found = self._archive.read(bucket, named)
        return None if found.problem and found.problem.kind is FindingKind.DIGEST_MISSING else found

    def _read_nearest(self, bucket: str, key: DigestKey) -> Evidence | None:
        """Read the newest digest file before this one, of the same chain."""
        start = key.ended_at - HORIZON
        found = [
            other
            for prefix in find_section(key).list_days(DIGESTS, start, key.ended_at)
            for text in self._archive.stores[bucket].iterate_keys(prefix)
            if (other := parse_digest_key(text)) and other.chain == key.chain and start < other.ended_at < key.ended_at
        ]
        nearest = max(found, key=lambda other: other.ended_at, default=None)
        return self._archive.read(bucket, nearest) if nearest else None

    def _check_log_files(self, bucket: str, judged: Judgement) -> AuditResult:
        wanted = [*self._list_wanted(judged.evidence)]
        if not judged.is_trusted:
            if wanted:
                detail = f"it names {len(wanted)} log file{'' if len(wanted) == 1 else 's'}"
                self._tell(bucket, [Finding(FindingKind.LOG_UNVERIFIABLE, judged.evidence.key.key, detail)])
            return AuditResult(unverifiable=len(wanted))
        found = [finding for log_file in wanted if (finding := self._check_log_file(bucket, log_file))]
        self._tell(bucket, found)
        altered = sum(finding.kind is FindingKind.LOG_ALTERED for finding in found)
        missing = sum(finding.kind is FindingKind.LOG_MISSING for finding in found)
        return AuditResult(len(wanted) - len(found), altered, missing, len(found) - altered - missing)

    def _list_wanted(self, evidence: Evidence) -> Iterator[NamedLogFile]:
        """List the log files that are this source's business."""
        for log_file in evidence.digest.log_files if evidence.digest else ():
            if self._selection.find_skip_reason(log_file.key) is None:
                yield log_file

    def _check_log_file(self, bucket: str, log_file: NamedLogFile) -> Finding | None:
        """Compare what was read of a log file, by this process or else now, with what the digest file names."""
        read = self._hashes.find(log_file.bucket, log_file.key)
        if log_file.sha256 is None or not read:
            store = self._archive.stores.get(log_file.bucket)
            if store is None:
                detail = f"it is in bucket {log_file.bucket}, which this source does not read"
                return Finding(FindingKind.LOG_UNREADABLE, log_file.key, detail)
            return verify_log_file(store, bucket, log_file)
        wrong = sorted(read - {log_file.sha256})
        if not wrong:
            return None
        detail = f"what was read has SHA-256 {wrong[0] or 'of no whole gzip file'}, was {log_file.sha256}"
        return Finding(FindingKind.LOG_ALTERED, log_file.key, detail)

    def _tell(self, bucket: str, findings: list[Finding] | tuple[Finding, ...]) -> None:
        for finding in findings:
            place = (finding.kind, f"{bucket}/{finding.key}")
            with self._lock:
                is_new = place not in self._told
                self._told[place] = None
                self._told.move_to_end(place)
                if len(self._told) > MAX_TOLD:
                    self._told.popitem(last=False)
            if is_new:
                self._telemetry.integrity_found(bucket, finding)
