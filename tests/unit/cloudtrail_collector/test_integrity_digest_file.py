"""Digest files: every mistake is named, and what is signed is put together as AWS says."""

import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudtrail_collector.core.integrity.digest_file import DigestFile, DigestFormatError, PreviousDigest, parse_digest
from cloudtrail_collector.core.integrity.digest_key import parse_digest_key, parse_log_time
from cloudtrail_collector.core.integrity.signature import (
    PublicKeyError,
    build_string_to_sign,
    is_signed,
    load_public_key,
    parse_public_keys,
)
from support.digest_chain import BUCKET, HOUR, NOON, DigestChain, make_key
from support.real_records import TEST_DATA

SIGNED = DigestChain().add_hours(2)
KEY = SIGNED.digests[-1]
DOCUMENT = SIGNED.read(KEY)
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
LINE = TEXT.filter(lambda text: "\n" not in text)
HASH = st.binary(min_size=32, max_size=32).map(bytes.hex)


def parse(**changes: Any) -> DigestFile:
    return parse_digest(json.dumps(DOCUMENT | changes).encode())


def find_mistakes(change: Callable[[dict[str, Any]], object]) -> tuple[str, ...]:
    document = json.loads(json.dumps(DOCUMENT))
    change(document)
    with pytest.raises(DigestFormatError) as caught:
        parse_digest(json.dumps(document).encode())
    return caught.value.mistakes


def test_digest_file_is_parsed() -> None:
    digest = parse()
    assert (digest.bucket, digest.key, digest.start, digest.end) == (BUCKET, KEY, NOON - HOUR, NOON)
    assert digest.fingerprint == make_key().fingerprint
    assert digest.previous is not None
    assert digest.previous.key == SIGNED.digests[0]
    assert [log.key for log in digest.log_files] == SIGNED.logs[2:]
    assert parse(somethingNew={"a": 1}, logFiles=[]).log_files == ()


def test_first_digest_file_of_a_chain_has_no_previous() -> None:
    assert parse_digest(SIGNED.objects[SIGNED.digests[0]].content).previous is None


@pytest.mark.parametrize(
    ("change", "mistakes"),
    [
        (lambda one: one.pop("digestS3Bucket"), ["digestS3Bucket: is missing"]),
        (lambda one: one.update(awsAccountId=5), ["awsAccountId: must be a text, is int"]),
        (
            lambda one: one.update(digestPublicKeyFingerprint=None),
            ["digestPublicKeyFingerprint: must be a text, is null"],
        ),
        (lambda one: one.update(digestEndTime="12:00"), ["digestEndTime: has not the form that it must have: '12:00'"]),
        (
            lambda one: one.update(digestStartTime="2023-02-30T00:00:00Z"),
            ["digestStartTime: there is no such instant as 2023-02-30T00:00:00Z"],
        ),
        (lambda one: one.update(digestStartTime="2024-01-01T00:00:00Z"), ["digestStartTime: is after digestEndTime"]),
        (
            lambda one: one.update(previousDigestSignature=None, previousDigestHashValue="xyz"),
            [
                "previousDigestHashValue: has not the form that it must have: 'xyz'",
                "previousDigestSignature: must be a text, is null",
            ],
        ),
        (lambda one: one.pop("previousDigestS3Object"), ["previousDigestS3Object: is missing"]),
        (lambda one: one.pop("logFiles"), ["logFiles: is missing"]),
        (lambda one: one.update(logFiles={}), ["logFiles: must be a list"]),
        (lambda one: one["logFiles"].append("x"), ["logFiles[2]: must be an object"]),
        (
            lambda one: (one["logFiles"][1].update(hashValue="00"), one["logFiles"][0].pop("s3Object")),
            ["logFiles[0].s3Object: is missing", "logFiles[1].hashValue: has not the form that it must have: '00'"],
        ),
    ],
)
def test_every_mistake_is_named(change: Callable[[dict[str, Any]], object], mistakes: list[str]) -> None:
    assert list(find_mistakes(change)) == mistakes


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a": "\xff"}'])
def test_what_is_no_digest_file_is_refused(content: bytes) -> None:
    with pytest.raises(DigestFormatError):
        parse_digest(content)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(DOCUMENT)), st.none() | st.integers() | st.text() | st.lists(st.none())))
def test_any_other_json_is_refused_with_a_reason(document: Any) -> None:
    with pytest.raises(DigestFormatError) as caught:
        parse_digest(json.dumps(document).encode())
    assert all(caught.value.mistakes)


def test_hashes_of_other_algorithms_are_kept_apart() -> None:
    entry = DOCUMENT["logFiles"][0] | {"hashAlgorithm": "SHA3-256", "hashValue": "whatever"}
    assert parse(logFiles=[entry]).log_files[0].sha256 is None
    previous = parse(previousDigestHashAlgorithm="SHA3-256").previous
    assert previous is not None
    assert previous.sha256 is None


@settings(deadline=None)
@given(end=LINE, bucket=LINE, key=LINE, sha256=HASH, signature=HASH | st.none())
def test_four_lines_are_signed(end: str, bucket: str, key: str, sha256: str, signature: str | None) -> None:
    """AW-11: written down once more, from AWS's words."""
    previous = None if signature is None else PreviousDigest("b", "k", None, signature)
    digest = replace(parse(), end_text=end, bucket=bucket, key=key, previous=previous)
    lines = build_string_to_sign(digest, sha256).decode().split("\n")
    assert lines == [end, bucket + "/" + key, sha256, signature or "null"]


@settings(deadline=None)
@given(st.data())
def test_a_signature_holds_for_exactly_what_was_signed(data: st.DataObject) -> None:
    digest = parse_digest(SIGNED.objects[KEY].content)
    assert digest.previous is not None
    sha256 = find_sha256(SIGNED.objects[KEY].content)
    signature = SIGNED.objects[KEY].metadata["signature"]
    keys = [make_key("other").public, make_key().public]
    assert is_signed(digest, sha256, signature, keys)
    assert not is_signed(digest, sha256, signature, keys[:1])
    changed = data.draw(TEXT.filter(lambda text: text not in (digest.end_text, digest.bucket, digest.key)))
    other = data.draw(HASH.filter(lambda text: text != sha256))
    assert not is_signed(digest, other, signature, keys)
    previous = replace(digest.previous, signature=other)
    for variant in (
        replace(digest, end_text=changed),
        replace(digest, bucket=changed),
        replace(digest, key=changed),
        replace(digest, previous=previous),
        replace(digest, previous=None),
    ):
        assert not is_signed(variant, sha256, signature, keys)
    position = data.draw(st.integers(0, len(signature) - 1))
    flipped = "0" if signature[position] != "0" else "1"
    assert not is_signed(digest, sha256, signature[:position] + flipped + signature[position + 1 :], keys)


def find_sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("signature", ["", "zz", "abc", "ab" * 255])
def test_what_is_no_signature_holds_for_nothing(signature: str) -> None:
    assert not is_signed(parse(), "0" * 64, signature, [make_key().public])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no key in it"),
        ("{}", "there is no PublicKeyList in it"),
        ("{", "not JSON"),
        ('{"PublicKeyList": [{"Value": "AAAA"}]}', "PublicKeyList[0]: needs a Value and a Fingerprint"),
        ('{"PublicKeyList": [{"Value": "AAAA", "Fingerprint": "a"}]}', "PublicKeyList[0]: not the DER form"),
        ('{"PublicKeyList": [{"Value": "?", "Fingerprint": "a"}]}', "PublicKeyList[0].Value: not base64"),
        ("?", "line 1: not base64"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA", "the PEM block has no end"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "not the PEM form of an RSA public key"),
    ],
)
def test_what_is_no_public_key_is_refused(text: str, said: str) -> None:
    with pytest.raises(PublicKeyError, match=said.replace("[", r"\[").replace("]", r"\]").replace("?", r"\?")):
        parse_public_keys(text)


def test_keys_of_other_kinds_are_refused() -> None:
    der = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(PublicKeyError, match="not an RSA key"):
        load_public_key(der)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("AWSLogs/111122223333/", ("my_trail-1", "us-west-2", False)),
        ("some/prefix/AWSLogs/o-ab12cd/111122223333/", ("a.b", "eu-west-1", True)),
    ],
)
def test_keys_of_digest_files_are_told(key: str, expected: tuple[str, str, bool]) -> None:
    """AW-10."""
    trail, home, is_backfill = expected
    name = (
        f"111122223333_CloudTrail-Digest_us-east-1_{trail}_{home}_20230710T120031Z{'_backfill' if is_backfill else ''}"
    )
    parsed = parse_digest_key(f"{key}CloudTrail-Digest/us-east-1/2023/07/10/{name}.json.gz")
    assert parsed is not None
    assert (parsed.account_id, parsed.region, parsed.ended_at, parsed.chain) == (
        "111122223333",
        "us-east-1",
        NOON,
        expected,
    )


@pytest.mark.parametrize(
    "key",
    [
        SIGNED.logs[0],
        KEY.replace(".json.gz", ".json"),
        KEY.replace("20230710T", "20239910T"),
        KEY.replace("AWSLogs/", "Logs/"),
        KEY.replace("/111122223333_", "/999922223333_"),
        f"{KEY}.bak",
    ],
)
def test_other_keys_are_none_of_digest_files(key: str) -> None:
    assert parse_digest_key(key) is None


def test_times_of_log_files_are_read_from_their_names() -> None:
    assert parse_log_time(SIGNED.logs[-1]) == NOON.replace(hour=11, minute=40, second=0)
    assert parse_log_time(KEY) is None
    assert parse_log_time(SIGNED.logs[0].replace("20230710T", "20239910T")) is None


@pytest.mark.third_party_data
def test_sample_of_the_user_guide_is_parsed() -> None:
    (path,) = (TEST_DATA / "files").rglob("*_CloudTrail-Digest_*.json.gz")
    content = gzip.decompress(path.read_bytes())
    digest = parse_digest(content)
    parsed = parse_digest_key(digest.key)
    assert parsed is not None
    assert (parsed.ended_at, path.as_posix().endswith(digest.key)) == (digest.end, True)
    assert digest.previous is not None
    before = parse_digest_key(digest.previous.key)
    assert before is not None
    assert before.ended_at == digest.start
    assert len(digest.log_files) == len(json.loads(content)["logFiles"]) > 0
    lines = build_string_to_sign(digest, find_sha256(content)).decode().split("\n")
    assert lines[0] == "2015-08-17T15:01:31Z"
    assert lines[1] == f"{digest.bucket}/{digest.key}"
    assert lines[3] == json.loads(content)["previousDigestSignature"]
    # Whoever holds no key of 2015 cannot say that it is signed; nobody else's key says so either.
    assert not is_signed(digest, find_sha256(content), lines[3], [make_key().public])
