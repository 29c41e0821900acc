"""Turns a digest file as it was found, and what its successor says of it, into the answer whether to trust it.

A successor that is trusted names the SHA-256 of the whole content: that proves it without signature or key. Else the
signature must fit, that of the object's metadata or, where a copy has lost them, the one in the successor.
"""

from dataclasses import dataclass
from datetime import datetime

from cloudtrail_collector.core.integrity.digest_file import DigestFile, PreviousDigest
from cloudtrail_collector.core.integrity.digest_key import DigestKey
from cloudtrail_collector.core.integrity.findings import Finding, FindingKind
from cloudtrail_collector.core.integrity.signature import ALGORITHM, PublicKey, is_signed


@dataclass(frozen=True, slots=True)
class Place:
    """What is verified: the bucket that digest files must name (None: whichever), and the prefix of its keys."""

    bucket: str | None
    prefix: str = ""

    def holds(self, bucket: str, key: str) -> bool:
        """Tell whether an object belongs here."""
        return self.bucket in (None, bucket) and key.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A digest file as it was found. Without a `digest`, `problem` says why; `signature`, `algorithm` are its metadata."""

    key: DigestKey
    content_sha256: str = ""
    digest: DigestFile | None = None
    signature: str | None = None
    algorithm: str | None = None
    public_keys: tuple[PublicKey, ...] = ()
    problem: Finding | None = None

    @property
    def ended_at(self) -> datetime:
        """When its hour ended, by its name."""
        return self.key.ended_at


@dataclass(frozen=True, slots=True)
class Naming:
    """What the successor says of a digest file, and whether the successor is trusted."""

    said: PreviousDigest
    is_trusted: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a digest file is trusted, and what is wrong with it."""

    is_trusted: bool
    findings: tuple[Finding, ...] = ()


def judge_digest(evidence: Evidence, naming: Naming | None, place: Place) -> Verdict:
    """Judge a digest file."""
    digest, key = evidence.digest, evidence.key.key
    if digest is None:
        return Verdict(False, (evidence.problem,) if evidence.problem else ())
    is_proven = naming is not None and naming.is_trusted and naming.said.sha256 == evidence.content_sha256
    wrong = _compare_signatures(evidence, naming) if is_proven else _find_fault(digest, evidence, naming)
    moved = _find_move(digest, key, place)
    findings = tuple(finding for finding in (wrong, moved) if finding)
    return Verdict((is_proven or wrong is None) and moved is None, findings)


def _find_move(digest: DigestFile, key: str, place: Place) -> Finding | None:
    if digest.key == key and place.bucket in (None, digest.bucket):
        return None
    return Finding(FindingKind.DIGEST_MOVED, key, f"it was signed for s3://{digest.bucket}/{digest.key}")


def _compare_signatures(evidence: Evidence, naming: Naming | None) -> Finding | None:
    """Compare the signature in the metadata with the one that the successor names, of a content that is proven."""
    if naming is None or evidence.signature is None or evidence.signature.lower() == naming.said.signature.lower():
        return None
    detail = "its content is as named, the signature in its metadata is not"
    return Finding(FindingKind.DIGEST_RESIGNED, evidence.key.key, detail)


def _find_fault(digest: DigestFile, evidence: Evidence, naming: Naming | None) -> Finding | None:
    """Find what is wrong with the signature of a content that no successor proves."""
    fault = _check_signature(digest, evidence, naming)
    if naming is None or not naming.is_trusted or naming.said.sha256 is None:
        return fault
    detail = f"SHA-256 is {evidence.content_sha256}, its successor names {naming.said.sha256}"
    if fault is None or fault.kind in {FindingKind.PUBLIC_KEY_UNKNOWN, FindingKind.ALGORITHM_UNKNOWN}:
        return Finding(FindingKind.DIGEST_RESIGNED, evidence.key.key, detail)
    return Finding(FindingKind.DIGEST_ALTERED, evidence.key.key, detail)


def _check_signature(digest: DigestFile, evidence: Evidence, naming: Naming | None) -> Finding | None:
    key = evidence.key.key
    unknown = next((name for name in (evidence.algorithm, digest.algorithm) if name not in (None, ALGORITHM)), None)
    if unknown is not None:
        return Finding(FindingKind.ALGORITHM_UNKNOWN, key, f"it says {unknown!r}, known is {ALGORITHM}")
    signature = evidence.signature or (naming and naming.said.signature)
    if not signature:
        return Finding(FindingKind.SIGNATURE_MISSING, key, "its metadata have no signature")
    if not evidence.public_keys:
        what = f"fingerprint {digest.fingerprint}, region {evidence.key.region}"
        return Finding(FindingKind.PUBLIC_KEY_UNKNOWN, key, what)
    if is_signed(digest, evidence.content_sha256, signature, evidence.public_keys):
        return None
    if evidence.signature is None:
        return Finding(FindingKind.SIGNATURE_MISSING, key, "the one that its successor names does not fit")
    return Finding(FindingKind.DIGEST_ALTERED, key, f"the signature does not fit, SHA-256 is {evidence.content_sha256}")
