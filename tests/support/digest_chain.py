"""Makes trails that are signed: log files, and hourly digest files in a chain, with an RSA key of our own.

What is signed is put together here once more, from AWS's description and not by the code under test.
"""

import base64
import functools
import gzip
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloudtrail_collector.core.integrity.digest_file import parse_digest
from cloudtrail_collector.core.integrity.digest_key import parse_digest_key
from cloudtrail_collector.core.integrity.digest_verdict import Evidence
from cloudtrail_collector.core.integrity.signature import PublicKey, choose_keys, load_public_key

BUCKET, ACCOUNT, REGION, HOME, TRAIL = "trail", "111122223333", "us-east-1", "us-east-1", "main_trail"
HOUR = timedelta(hours=1)
NOON = datetime(2023, 7, 10, 12, 0, 31, tzinfo=UTC)
_PREVIOUS = ("S3Bucket", "S3Object", "HashValue", "HashAlgorithm", "Signature")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An RSA key and its public half as ListPublicKeys answers it: DER, PKCS#1."""

    private: rsa.RSAPrivateKey
    der: bytes

    @property
    def fingerprint(self) -> str:
        """Its name in digest files."""
        return hashlib.md5(self.der, usedforsecurity=False).hexdigest()

    @property
    def public(self) -> PublicKey:
        """The public half, as the code under test loads it."""
        return load_public_key(self.der, self.fingerprint)

    def sign(self, text: str) -> str:
        """Sign as SHA256withRSA."""
        return self.private.sign(text.encode(), padding.PKCS1v15(), SHA256()).hex()

    def describe(self) -> dict[str, Any]:
        """The entry in the answer of ListPublicKeys."""
        value = base64.b64encode(self.der).decode()
        return {"Value": value, "Fingerprint": self.fingerprint, "ValidityStartTime": 1.6e9, "ValidityEndTime": 1.9e9}

    def encode(self, encoding: Encoding, form: PublicFormat) -> bytes:
        """The public half in another form."""
        return self.private.public_key().public_bytes(encoding, form)


@functools.cache
def make_key(name: str = "aws") -> SigningKey:
    """Make a key; the same name gives the same one."""
    del name
    private = rsa.generate_private_key(65537, 2048)
    return SigningKey(private, private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1))


def build_integrity(mode: str, *keys: SigningKey) -> dict[str, Any]:
    """Build a source's `integrity` that knows these public keys, or the usual one."""
    given = [
        {"fingerprint": key.fingerprint, "value": base64.b64encode(key.der).decode()} for key in keys or (make_key(),)
    ]
    return {"mode": mode, "publicKeys": given}


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the bucket."""

    body: bytes
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """What it holds, uncompressed."""
        return gzip.decompress(self.body)


class DigestChain:
    """A trail in one region of an account; what it wrote is in `objects`, to be spoiled by a test."""

    def __init__(
        self,
        *,
        bucket: str = BUCKET,
        prefix: str = "",
        organization: str = "",
        account: str = ACCOUNT,
        region: str = REGION,
        trail: str = TRAIL,
        key: SigningKey | None = None,
        first_log: int = 1,
    ) -> None:
        self.bucket = bucket
        self.root = f"{prefix}AWSLogs/{organization}{account}/"
        self.account = account
        self.region = region
        self.trail = trail
        self.key = key or make_key()
        self.objects: dict[str, Stored] = {}
        self.digests: list[str] = []
        self.logs: list[str] = []
        self._previous: dict[str, str] | None = None
        self._count = first_log - 1

    def add_log(self, delivered: datetime) -> str:
        """Write a log file, which no digest file names yet."""
        self._count += 1
        name = f"{self.account}_CloudTrail_{self.region}_{delivered:%Y%m%dT%H%MZ}_{self._count:016}.json.gz"
        key = f"{self.root}CloudTrail/{self.region}/{delivered:%Y/%m/%d}/{name}"
        record = {"eventVersion": "1.11", "eventID": f"{self.region}-{self._count}"}
        self.objects[key] = Stored(gzip.compress(json.dumps({"Records": [record]}).encode(), 1, mtime=0))
        self.logs.append(key)
        return key

    def add_hours(self, count: int, *, end: datetime = NOON, logs: int = 2) -> "DigestChain":
        """Write the digest files of so many hours, and their log files."""
        for number in range(count - 1, -1, -1):
            self.add_hour(end - number * HOUR, logs=logs)
        return self

    def add_hour(
        self, end: datetime, *, logs: int = 2, named: Iterable[str] = (), suffix: str = "", signed_at: str | None = None
    ) -> str:
        """Write the digest file of an hour with its log files, and those that are `named`."""
        start = end - HOUR
        mine = [self.add_log(start + (number + 1) * HOUR / (logs + 1)) for number in range(logs)]
        key = self.name_digest(end, suffix)
        document = {
            "awsAccountId": self.account,
            "digestStartTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "digestEndTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "digestS3Bucket": self.bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": self.key.fingerprint,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": None,
            "oldestEventTime": None,
            **{f"previousDigest{name}": self._previous and self._previous[name] for name in _PREVIOUS},
            "logFiles": [self._name_log(log) for log in [*mine, *named]],
        }
        self.write(key, document, signed_at=signed_at)
        self.digests.append(key)
        return key

    def name_digest(self, end: datetime, suffix: str = "") -> str:
        """Name the digest file of an hour."""
        name = (
            f"{self.account}_CloudTrail-Digest_{self.region}_{self.trail}_{HOME}_{end:%Y%m%dT%H%M%SZ}{suffix}.json.gz"
        )
        return f"{self.root}CloudTrail-Digest/{self.region}/{end:%Y/%m/%d}/{name}"

    def restart(self) -> None:
        """Begin a new chain, as CloudTrail does when it was stopped."""
        self._previous = None

    def continue_from(self, bucket: str, key: str) -> None:
        """Have the chain come from another place."""
        assert self._previous is not None
        self._previous = self._previous | {"S3Bucket": bucket, "S3Object": key}

    def write(
        self, key: str, document: dict[str, Any], signer: SigningKey | None = None, signed_at: str | None = None
    ) -> None:
        """Write a digest file, signed."""
        content = json.dumps(document, separators=(",", ":")).encode()
        sha256 = hashlib.sha256(content).hexdigest()
        previous = document["previousDigestSignature"]
        place = "/".join((document["digestS3Bucket"], document["digestS3Object"]))
        parts = [document["digestEndTime"], place, sha256, "null" if previous is None else previous]
        signature = (signer or self.key).sign("\n".join(parts))
        metadata = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
        if signed_at is not None:
            metadata["backfill-generation-timestamp"] = signed_at
        self.objects[key] = Stored(gzip.compress(content, mtime=0), metadata)
        self._previous = dict(zip(_PREVIOUS, (self.bucket, key, sha256, "SHA-256", signature), strict=True))

    def read(self, key: str) -> Any:
        """Read a digest file as JSON."""
        return json.loads(self.objects[key].content)

    def upload(self, s3: Any, *keys: str) -> None:
        """Put what was written, or these objects, into the bucket, in the order in which CloudTrail does."""
        for key in keys or self.objects:
            stored = self.objects[key]
            s3.put_object(Bucket=self.bucket, Key=key, Body=stored.body, Metadata=stored.metadata)

    def delete(self, *keys: str) -> None:
        """Delete objects, as somebody might."""
        for key in keys:
            del self.objects[key]

    def alter(self, key: str, content: bytes | None = None) -> None:
        """Change what an object holds, and leave its metadata."""
        found = self.objects[key]
        changed = found.content + b" " if content is None else content
        self.objects[key] = replace(found, body=gzip.compress(changed, mtime=0))

    def forge(self, key: str, signer: SigningKey, **changes: Any) -> None:
        """Change a digest file and sign it with another key."""
        held = self._previous
        self.write(key, self.read(key) | changes, signer)
        self._previous = held

    def set_metadata(self, key: str, metadata: dict[str, str]) -> None:
        """Change the metadata of an object."""
        self.objects[key] = replace(self.objects[key], metadata=metadata)

    def read_evidence(self, *keys: PublicKey) -> list[Evidence]:
        """Read all digest files that are there, newest first, as the command does."""
        names = [name for key in self.objects if (name := parse_digest_key(key))]
        names.sort(key=lambda name: (name.ended_at, name.key), reverse=True)
        known = keys or (make_key().public,)
        found = []
        for one in names:
            stored = self.objects[one.key]
            digest = parse_digest(stored.content)
            found.append(
                Evidence(
                    key=one,
                    content_sha256=hashlib.sha256(stored.content).hexdigest(),
                    digest=digest,
                    signature=stored.metadata.get("signature"),
                    algorithm=stored.metadata.get("signature-algorithm"),
                    public_keys=choose_keys(digest.fingerprint, known),
                )
            )
        return found

    def _name_log(self, key: str) -> dict[str, Any]:
        sha256 = hashlib.sha256(self.objects[key].content).hexdigest()
        return {
            "s3Bucket": self.bucket,
            "s3Object": key,
            "hashValue": sha256,
            "hashAlgorithm": "SHA-256",
            "newestEventTime": None,
            "oldestEventTime": None,
        }
