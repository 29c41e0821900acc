"""Turns a digest file, its signature and public keys into the answer whether CloudTrail signed it.

Source: CloudTrail user guide, "Custom implementations of CloudTrail log file integrity validation". Signed are four lines:
the end of the hour as written, bucket and key, the SHA-256 of the uncompressed content, and the signature of the digest
file before, or `null`.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from cloudtrail_collector.core.integrity.digest_file import DigestFile

ALGORITHM = "SHA256withRSA"
_PEM = re.compile("-----BEGIN ([A-Z ]+)-----.*?-----END \\1-----", re.DOTALL)


class PublicKeyError(ValueError):
    """What was given holds no RSA public key; the message says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An RSA public key; without a `fingerprint` it may be that of any digest file."""

    fingerprint: str | None
    key: rsa.RSAPublicKey


def build_string_to_sign(digest: DigestFile, content_sha256: str) -> bytes:
    """Build what CloudTrail signs."""
    previous = "null" if digest.previous is None else digest.previous.signature
    return f"{digest.end_text}\n{digest.bucket}/{digest.key}\n{content_sha256}\n{previous}".encode()


def is_signed(digest: DigestFile, content_sha256: str, signature: str, keys: Iterable[PublicKey]) -> bool:
    """Tell whether one of the keys made a signature, which is in hexadecimal digits."""
    try:
        value = bytes.fromhex(signature)
    except ValueError:
        return False
    text = build_string_to_sign(digest, content_sha256)
    return any(_verify(one.key, value, text) for one in keys)


def _verify(key: rsa.RSAPublicKey, signature: bytes, text: bytes) -> bool:
    try:
        key.verify(signature, text, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def load_public_key(value: bytes, fingerprint: str | None = None) -> PublicKey:
    """Load a key from DER, as PKCS#1 (what ListPublicKeys answers) or SubjectPublicKeyInfo. Raises PublicKeyError."""
    try:
        key = load_der_public_key(value)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PublicKeyError("not the DER form of an RSA public key") from error
    return PublicKey(fingerprint and fingerprint.lower(), _need_rsa(key))


def parse_public_keys(text: str) -> tuple[PublicKey, ...]:
    """Parse the answer of ListPublicKeys as JSON, or keys as PEM, or as base64, one a line. Raises PublicKeyError."""
    if text.lstrip().startswith("{"):
        return _parse_answer(text)
    if "-----BEGIN" in text:
        return tuple(_load_pem(match[0]) for match in _PEM.finditer(text)) or _refuse("the PEM block has no end")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(load_public_key(_decode(line, f"line {number}")) for number, line in enumerate(lines, 1)) or _refuse(
        "there is no key in it"
    )


def _parse_answer(text: str) -> tuple[PublicKey, ...]:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PublicKeyError(f"not JSON: {error}") from error
    entries = document.get("PublicKeyList")
    if not isinstance(entries, list) or not entries:
        return _refuse("there is no PublicKeyList in it")
    return tuple(_load_entry(entry, f"PublicKeyList[{number}]") for number, entry in enumerate(entries))


def _load_entry(entry: object, path: str) -> PublicKey:
    value = entry.get("Value") if isinstance(entry, dict) else None
    fingerprint = entry.get("Fingerprint") if isinstance(entry, dict) else None
    if not isinstance(value, str) or not isinstance(fingerprint, str):
        raise PublicKeyError(f"{path}: needs a Value and a Fingerprint")
    try:
        return load_public_key(_decode(value, f"{path}.Value"), fingerprint)
    except PublicKeyError as error:
        raise PublicKeyError(f"{path}: {error}") from error


def _load_pem(block: str) -> PublicKey:
    try:
        key = load_pem_public_key(block.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PublicKeyError("not the PEM form of an RSA public key") from error
    return PublicKey(None, _need_rsa(key))


def _need_rsa(key: object) -> rsa.RSAPublicKey:
    if not isinstance(key, rsa.RSAPublicKey):
        raise PublicKeyError("not an RSA key")
    return key


def _decode(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PublicKeyError(f"{where}: not base64") from error


def _refuse(message: str) -> tuple[PublicKey, ...]:
    raise PublicKeyError(message)


def choose_keys(fingerprint: str, keys: Sequence[PublicKey]) -> tuple[PublicKey, ...]:
    """Choose the keys that a digest file may have been signed with: the one it names, else those without a name."""
    named = tuple(key for key in keys if key.fingerprint == fingerprint)
    return named or tuple(key for key in keys if key.fingerprint is None)
