"""What checks of digest files remember: bounded, whatever comes; and which of it decides."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from cloudtrail_collector.core.integrity.findings import Finding, FindingKind, Level
from cloudtrail_collector.core.integrity.health import MEMORY, AuditResult, IntegrityHealth
from cloudtrail_collector.core.integrity.log_place import find_log_place
from cloudtrail_collector.core.log_prefixes import Folder
from cloudtrail_collector.core.notification import ObjectRef
from cloudtrail_collector.errors import EvidenceMissingError
from cloudtrail_collector.pipeline.digest_audit import Archive
from cloudtrail_collector.pipeline.proofs import ProofStore
from cloudtrail_collector.pipeline.read_hashes import ReadHashes
from cloudtrail_collector.ports import Consume
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.integrity import IntegrityMode
from support.digest_chain import ACCOUNT, HOUR, NOON, REGION, DigestChain, make_key

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
T = TypeVar("T")
FOLDER = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/11/21/"


class ChainStore:
    """What a chain wrote, and how often something was read."""

    def __init__(self, chain: DigestChain) -> None:
        self.chain = chain
        self.reads = 0

    def list_folder(self, prefix: str) -> Folder:
        return Folder((), has_objects=False)

    def iterate_keys(self, prefix: str) -> Iterator[str]:
        return iter(sorted(key for key in self.chain.objects if key.startswith(prefix)))

    def read(self, bucket: str, key: str, consume: Consume[T]) -> T:
        self.reads += 1
        if key not in self.chain.objects:
            raise EvidenceMissingError(key)
        stored = self.chain.objects[key]
        return consume(iter([stored.body]), stored.metadata)

    def describe(self, key: str) -> str:
        return key


class OneKey:
    def find(self, fingerprint: str, regions: tuple[str, ...], signed_at: datetime | None) -> tuple[object, ...]:
        return (make_key().public,)


def test_only_so_many_files_that_were_read_are_remembered() -> None:
    hashes = ReadHashes(limit=100)
    for number in range(1000):
        hashes.note("trail", f"file-{number}", f"hash-{number}")
    assert len(hashes) == 100
    assert hashes.find("trail", "file-899") == frozenset()
    assert hashes.find("trail", "file-900") == {"hash-900"}
    assert hashes.find("other", "file-999") == frozenset()


def test_both_hashes_of_a_file_that_was_read_twice_are_remembered_and_no_more() -> None:
    hashes = ReadHashes()
    for number in (1, 1, 2, 3):
        hashes.note("trail", "file", f"hash-{number}")
    assert hashes.find("trail", "file") == {"hash-1", "hash-2"}


def build_proofs(chain: DigestChain, limit: int) -> tuple[ProofStore, ChainStore]:
    store = ChainStore(chain)
    return ProofStore(Archive({chain.bucket: store}, OneKey()), limit), store  # type: ignore[arg-type]


def find(proofs: ProofStore, chain: DigestChain, key: str) -> str | None:
    place = find_log_place(key)
    assert place is not None
    return proofs.find(ObjectRef(chain.bucket, key), place)


def look(proofs: ProofStore, chain: DigestChain) -> int:
    place = find_log_place(chain.logs[0])
    assert place is not None
    return sum(1 for _ in proofs.look((chain.bucket, place.section), NOON - 24 * HOUR, NOON + HOUR))


def test_proofs_are_what_signed_digest_files_name() -> None:
    chain = DigestChain().add_hours(3)
    chain.forge(chain.digests[1], make_key("thief"))
    chain.alter(chain.logs[0])
    proofs, store = build_proofs(chain, 1000)
    assert find(proofs, chain, chain.logs[0]) is None
    assert look(proofs, chain) == 2
    named = [find(proofs, chain, key) for key in chain.logs]
    hashes = [hashlib.sha256(chain.objects[key].content).hexdigest() for key in chain.logs]
    assert named[0] is not None
    assert named[0] != hashes[0]
    assert named[1:] == [hashes[1], None, None, *hashes[4:]]
    store.reads = 0
    assert look(proofs, chain) == 0
    assert store.reads == 1, "only what is not trusted yet is read again"


def test_only_so_many_proofs_are_remembered_and_forgotten_ones_are_read_again() -> None:
    chain = DigestChain().add_hours(20, logs=5)
    proofs, store = build_proofs(chain, 30)
    found = set()
    place = find_log_place(chain.logs[0])
    assert place is not None
    for _ in proofs.look((chain.bucket, place.section), NOON - 24 * HOUR, NOON + HOUR):
        found |= {key for key in chain.logs if find(proofs, chain, key)}
        assert len(proofs) <= 30
    assert found == set(chain.logs), "each was known when its digest file had just been read"
    assert find(proofs, chain, chain.logs[0]) is None
    before = store.reads
    assert look(proofs, chain) == 20
    assert store.reads - before == 20


@pytest.mark.parametrize(
    ("name", "delivered"),
    [
        (f"{ACCOUNT}_CloudTrail_{REGION}_20261121T1105Z_abc.json.gz", datetime(2026, 11, 21, 11, 5, tzinfo=UTC)),
        (f"{ACCOUNT}_CloudTrail-Insight_{REGION}_20261121T1105Z_a.json.gz", datetime(2026, 11, 21, 11, 5, tzinfo=UTC)),
        ("of-another-name.json.gz", datetime(2026, 11, 21, tzinfo=UTC)),
    ],
)
def test_a_log_file_is_expected_in_digest_files_of_its_time(name: str, delivered: datetime) -> None:
    place = find_log_place(FOLDER + name)
    assert place is not None
    assert (place.section.root, place.section.region) == (f"AWSLogs/{ACCOUNT}/", REGION)
    assert place.delivered_at == delivered
    assert place.since < delivered < place.until


@pytest.mark.parametrize(
    "key", ["x.json.gz", FOLDER.replace("/11/21", "/13/41") + "x.json.gz", "AWSLogs/1/CloudTrail/x"]
)
def test_a_key_without_a_day_has_no_place(key: str) -> None:
    assert find_log_place(key) is None


def build_health() -> IntegrityHealth:
    return IntegrityHealth(IntegrityMode.ENFORCE)


def test_tampering_is_told_of_before_what_is_left_open_and_for_a_day() -> None:
    health = build_health()
    health.note_finding(Finding(FindingKind.LOG_ALTERED, "a"), "trail", NOW)
    health.note_finding(Finding(FindingKind.LOG_UNREADABLE, "b"), "trail", NOW + timedelta(hours=1))
    health.note_finding(Finding(FindingKind.CHAIN_STARTED, "c"), "trail", NOW + timedelta(hours=2))
    problem = health.describe(NOW + timedelta(hours=3)).problem
    assert problem is not None
    assert problem.reason is Reason.INTEGRITY_BROKEN
    assert "log_altered: s3://trail/a" in problem.message
    later = health.describe(NOW + MEMORY).problem
    assert later is not None
    assert later.reason is Reason.UNVERIFIABLE
    assert health.describe(NOW + MEMORY + timedelta(hours=1)).problem is None


def test_log_files_wait_to_be_confirmed_from_the_first_after_a_digest_file_on() -> None:
    health = build_health()
    assert health.describe(NOW).unconfirmed_since is None
    for minutes in (1, 2):
        health.note_log_file(NOW + timedelta(minutes=minutes))
    assert health.describe(NOW).unconfirmed_since == NOW + timedelta(minutes=1)
    health.note_failure(Reason.ACCESS_DENIED, "denied", NOW)
    health.note_audit(AuditResult(verified=2, missing=1), NOW + timedelta(minutes=3))
    health.note_audit(AuditResult(verified=1), NOW + timedelta(minutes=3))
    figures = health.describe(NOW)
    assert (figures.unconfirmed_since, figures.failure) == (None, None)
    assert (figures.verified, figures.missing, figures.last_digest_at) == (3, 1, NOW + timedelta(minutes=3))
    health.note_waiting(2, NOW + timedelta(minutes=9))
    health.note_waiting(1, NOW + timedelta(minutes=10))
    figures = health.describe(NOW)
    assert (figures.waiting, figures.unconfirmed_since) == (1, NOW + timedelta(minutes=9))


def test_only_problems_leave_things_open() -> None:
    assert all(kind.level is Level.PROBLEM for kind in FindingKind if kind.leaves_open)
