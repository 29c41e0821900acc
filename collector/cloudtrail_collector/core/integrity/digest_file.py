"""Turns the content of a digest file into its statements, or into the list of everything that is wrong with it.

Source: CloudTrail user guide, "CloudTrail digest file structure". Fields that are not read may come and go.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

SHA256 = "SHA-256"
_HEX_SHA256 = re.compile("[0-9a-fA-F]{64}")
_HEX = re.compile("(?:[0-9a-fA-F]{2})+")
_PREVIOUS = {
    "previousDigestS3Bucket": "[^/]+",
    "previousDigestS3Object": ".+",
    "previousDigestHashValue": _HEX_SHA256.pattern,
    "previousDigestHashAlgorithm": ".+",
    "previousDigestSignature": _HEX.pattern,
}


class DigestFormatError(ValueError):
    """The content is no digest file; `mistakes` has one text for each thing that is wrong."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class NamedLogFile:
    """A log file as a digest file names it; `sha256`, in lower case, is None when it is hashed in another way."""

    bucket: str
    key: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class PreviousDigest:
    """The digest file before, as this one names it; `sha256` as for log files, `signature` as it stands there."""

    bucket: str
    key: str
    sha256: str | None
    signature: str


@dataclass(frozen=True, slots=True)
class DigestFile:
    """What a digest file says. `end_text` is the end of its hour as it is written; without `previous` a chain begins."""

    account_id: str
    start: datetime
    end: datetime
    end_text: str
    bucket: str
    key: str
    fingerprint: str
    algorithm: str
    previous: PreviousDigest | None
    log_files: tuple[NamedLogFile, ...]


def parse_digest(content: bytes) -> DigestFile:
    """Parse the uncompressed content. Raises DigestFormatError with every mistake."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise DigestFormatError([f"it is not JSON: {error}"]) from error
    if not isinstance(document, dict):
        raise DigestFormatError(["it is not a JSON object"])
    reader = _Reader(document, "")
    start, end = reader.read_time("digestStartTime"), reader.read_time("digestEndTime")
    if start and end and start > end:
        reader.mistakes.append("digestStartTime: is after digestEndTime")
    fields = {
        "account_id": reader.read("awsAccountId", "[0-9]{12,13}"),
        "end_text": reader.read("digestEndTime", ".+"),
        "bucket": reader.read("digestS3Bucket", "[^/]+"),
        "key": reader.read("digestS3Object", ".+"),
        "fingerprint": reader.read("digestPublicKeyFingerprint", ".+").lower(),
        "algorithm": reader.read("digestSignatureAlgorithm", ".+"),
    }
    previous = _read_previous(reader)
    log_files = _read_log_files(reader)
    if reader.mistakes or start is None or end is None:
        raise DigestFormatError(tuple(dict.fromkeys(reader.mistakes)))
    return DigestFile(**fields, start=start, end=end, previous=previous, log_files=log_files)


def _read_previous(reader: "_Reader") -> PreviousDigest | None:
    """Read the five fields that name the digest file before: all are null where a chain begins."""
    document = reader.document
    if all(name in document and document[name] is None for name in _PREVIOUS):
        return None
    bucket, key, value, algorithm, signature = (reader.read(name, form) for name, form in _PREVIOUS.items())
    return PreviousDigest(bucket, key, value.lower() if algorithm == SHA256 else None, signature)


def _read_log_files(reader: "_Reader") -> tuple[NamedLogFile, ...]:
    entries = reader.document.get("logFiles")
    if not isinstance(entries, list):
        reader.mistakes.append("logFiles: must be a list" if "logFiles" in reader.document else "logFiles: is missing")
        return ()
    return tuple(_read_log_file(reader, entry, f"logFiles[{number}]") for number, entry in enumerate(entries))


def _read_log_file(reader: "_Reader", entry: object, path: str) -> NamedLogFile:
    if not isinstance(entry, dict):
        reader.mistakes.append(f"{path}: must be an object")
        return NamedLogFile("", "", None)
    inner = _Reader(entry, f"{path}.", reader.mistakes)
    bucket, key = inner.read("s3Bucket", "[^/]+"), inner.read("s3Object", ".+")
    if inner.read("hashAlgorithm", ".+") != SHA256:
        return NamedLogFile(bucket, key, None)
    return NamedLogFile(bucket, key, inner.read("hashValue", _HEX_SHA256.pattern).lower())


class _Reader:
    """Reads fields of an object and collects what is wrong with them."""

    def __init__(self, document: Mapping[str, Any], path: str, mistakes: list[str] | None = None) -> None:
        self.document = document
        self.mistakes: list[str] = [] if mistakes is None else mistakes
        self._path = path

    def read(self, name: str, form: str) -> str:
        """Read a text; the empty one stands for a mistake."""
        value = self.document.get(name)
        if isinstance(value, str) and re.fullmatch(form, value, re.DOTALL):
            return value
        self.mistakes.append(f"{self._path}{name}: {_describe(self.document, name)}")
        return ""

    def read_time(self, name: str) -> datetime | None:
        """Read an instant in UTC."""
        text = self.read(name, "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
        try:
            return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z") if text else None
        except ValueError:
            self.mistakes.append(f"{self._path}{name}: there is no such instant as {text}")
            return None


def _describe(document: Mapping[str, Any], name: str) -> str:
    if name not in document:
        return "is missing"
    value = document[name]
    if not isinstance(value, str):
        return f"must be a text, is {'null' if value is None else type(value).__name__}"
    return f"has not the form that it must have: {value[:80]!r}"
