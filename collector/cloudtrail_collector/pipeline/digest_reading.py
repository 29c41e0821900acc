"""Reads digest files, with the public keys that they name, and the log files that they name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cloudtrail_collector.core.integrity.content import ContentError, hash_content, read_content
from cloudtrail_collector.core.integrity.digest_file import DigestFormatError, NamedLogFile, parse_digest
from cloudtrail_collector.core.integrity.digest_key import DigestKey
from cloudtrail_collector.core.integrity.digest_verdict import Evidence
from cloudtrail_collector.core.integrity.findings import Finding, FindingKind
from cloudtrail_collector.errors import EvidenceMissingError, EvidenceUnreadableError
from cloudtrail_collector.ports import EvidenceStore, KeySource

# One of 64 MiB names 150,000 log files; this ends what never ends.
MAX_DIGEST_BYTES = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class FoundDigest:
    """A digest file that was read; `content` is None where it could not be."""

    content: bytes | None
    metadata: Mapping[str, str]
    problem: Finding | None = None


def read_digest(store: EvidenceStore, bucket: str, key: DigestKey) -> FoundDigest:
    """Read a digest file where it was found, whatever bucket it was signed for."""

    def consume(pieces: Iterator[bytes], metadata: Mapping[str, str]) -> FoundDigest:
        return FoundDigest(read_content(pieces, MAX_DIGEST_BYTES), dict(metadata))

    try:
        return store.read(bucket, key.key, consume)
    except EvidenceMissingError as error:
        return FoundDigest(None, {}, Finding(FindingKind.DIGEST_MISSING, key.key, str(error)))
    except EvidenceUnreadableError as error:
        return FoundDigest(None, {}, Finding(FindingKind.DIGEST_UNREADABLE, key.key, str(error)))
    except ContentError as error:
        return FoundDigest(None, {}, Finding(FindingKind.DIGEST_MALFORMED, key.key, str(error)))


def examine_digest(key: DigestKey, found: FoundDigest, keys: KeySource) -> Evidence:
    """Parse a digest file and find its public key. Raises AwsError."""
    if found.content is None:
        return Evidence(key, problem=found.problem)
    try:
        digest = parse_digest(found.content)
    except DigestFormatError as error:
        return Evidence(key, problem=Finding(FindingKind.DIGEST_MALFORMED, key.key, str(error)))
    signed_at = _read_time(found.metadata.get("backfill-generation-timestamp", "")) if key.is_backfill else None
    return Evidence(
        key=key,
        content_sha256=hash_content([found.content]),
        digest=digest,
        signature=found.metadata.get("signature"),
        algorithm=found.metadata.get("signature-algorithm"),
        public_keys=keys.find(digest.fingerprint, (key.region, key.home_region), signed_at),
    )


def verify_log_file(store: EvidenceStore, home: str | None, log_file: NamedLogFile) -> Finding | None:
    """Read a log file and compare its content with what a digest file says; `home` is the digest file's bucket."""
    where = "" if home in (None, log_file.bucket) else f"in bucket {log_file.bucket}: "
    if log_file.sha256 is None:
        return Finding(FindingKind.LOG_UNVERIFIABLE, log_file.key, f"{where}its hash is not SHA-256")
    try:
        found = store.read(log_file.bucket, log_file.key, lambda pieces, _: hash_content(pieces))
    except EvidenceMissingError:
        return Finding(FindingKind.LOG_MISSING, log_file.key, f"{where}SHA-256 was {log_file.sha256}")
    except EvidenceUnreadableError as error:
        return Finding(FindingKind.LOG_UNREADABLE, log_file.key, f"{where}{error}")
    except ContentError as error:
        return Finding(FindingKind.LOG_ALTERED, log_file.key, f"{where}{error}")
    if found != log_file.sha256:
        return Finding(FindingKind.LOG_ALTERED, log_file.key, f"{where}SHA-256 is {found}, was {log_file.sha256}")
    return None


def _read_time(text: str) -> datetime | None:
    """Read an instant; None where it is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
