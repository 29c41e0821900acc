"""Content of stored objects, sections of a bucket, and which log files nothing covers."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudtrail_collector.core.integrity.content import ContentError, hash_content, iterate_content, read_content
from cloudtrail_collector.core.integrity.coverage import LATENESS, Coverage
from cloudtrail_collector.core.integrity.findings import FindingKind, Level
from cloudtrail_collector.core.integrity.sections import (
    DIGESTS,
    LOGS,
    NoTrailError,
    Section,
    SectionSelection,
    find_sections,
)
from cloudtrail_collector.core.log_prefixes import Folder
from support.digest_chain import ACCOUNT, HOUR, NOON, REGION, DigestChain

OTHER = "444455556666"
LARGE = 8 * 1024 * 1024


def cut(body: bytes, size: int) -> Iterable[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


@settings(deadline=None)
@given(st.binary(max_size=5000), st.integers(1, 700))
def test_hash_is_that_of_the_content_however_it_comes(content: bytes, size: int) -> None:
    expected = hashlib.sha256(content).hexdigest()
    assert hash_content(cut(gzip.compress(content), size)) == expected
    if not content.startswith(b"\x1f\x8b"):
        assert hash_content(cut(content, size)) == expected


@settings(deadline=None)
@given(st.binary(max_size=2000), st.integers(1, 700), st.data())
def test_damaged_or_appended_data_are_never_taken(content: bytes, size: int, data: st.DataObject) -> None:
    body = gzip.compress(content)
    short = body[: data.draw(st.integers(2, len(body) - 1))]
    with pytest.raises(ContentError):
        hash_content(cut(short, size))
    appendix = data.draw(st.sampled_from([b"\0", b"x", gzip.compress(b""), gzip.compress(b"more")]))
    with pytest.raises(ContentError, match="bytes follow the end"):
        hash_content(cut(body + appendix, size))


def test_damaged_data_are_never_taken() -> None:
    body = bytearray(gzip.compress(b"content" * 100))
    body[-5] ^= 1  # the checksum
    with pytest.raises(ContentError, match="damaged"):
        hash_content([bytes(body)])


def test_content_comes_in_bounded_pieces() -> None:
    """A file that grows a thousandfold is never whole in memory."""
    body = gzip.compress(bytes(LARGE), 9)
    sizes = [len(piece) for piece in iterate_content(cut(body, 4096))]
    assert sum(sizes) == LARGE
    assert max(sizes) <= 1024 * 1024
    with pytest.raises(ContentError, match="longer than 1000 bytes"):
        read_content([body], 1000)
    assert zlib.crc32(read_content([gzip.compress(b"abc")], 3)) == zlib.crc32(b"abc")


class Lister:
    """Lists folders as S3 does, and counts the requests."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = sorted(keys)
        self.asked: list[str] = []

    def __call__(self, prefix: str) -> Folder:
        self.asked.append(prefix)
        rests = [key[len(prefix) :] for key in self.keys if key.startswith(prefix)]
        folders = dict.fromkeys(f"{prefix}{rest.split('/')[0]}/" for rest in rests if "/" in rest)
        return Folder(tuple(folders), any("/" not in rest for rest in rests))


KEYS = [
    *DigestChain(prefix="audit/", organization="o-abc/").add_hours(2).objects,
    *DigestChain(prefix="audit/", organization="o-abc/", account=OTHER, region="eu-central-1").add_hours(2).objects,
    *DigestChain().add_hours(2).logs,
    "AWSLogs/readme.txt",
    "readme.txt",
]


def find(prefix: str, **selection: frozenset[str]) -> list[Section]:
    return list(find_sections(prefix, SectionSelection(**selection), Lister(KEYS)))


def test_sections_are_found_wherever_the_tree_stands() -> None:
    plain = Section(f"AWSLogs/{ACCOUNT}/", ACCOUNT, REGION, False)
    one = Section(f"audit/AWSLogs/o-abc/{ACCOUNT}/", ACCOUNT, REGION, True)
    other = Section(f"audit/AWSLogs/o-abc/{OTHER}/", OTHER, "eu-central-1", True)
    assert find("") == [plain, one, other]
    assert find("audit/") == find("audit/AWSLogs/") == find("audit/AWSLogs/o-abc/") == [one, other]
    assert find(f"audit/AWSLogs/o-abc/{OTHER}/") == [other]
    assert find("", accounts=frozenset({OTHER})) == [other]
    assert find("", regions=frozenset({REGION})) == [plain, one]
    assert find("nothing/") == []


def test_region_without_log_files_is_a_section() -> None:
    chain = DigestChain().add_hours(2)
    sections = list(find_sections("", SectionSelection(), Lister(chain.digests)))
    assert sections == [Section(f"AWSLogs/{ACCOUNT}/", ACCOUNT, REGION, True)]


def test_prefix_inside_of_a_section_is_refused() -> None:
    for folder in (LOGS, DIGESTS):
        with pytest.raises(NoTrailError, match="name what stands above"):
            find(f"audit/AWSLogs/o-abc/{OTHER}/{folder}/")


def test_folders_that_are_no_trails_are_not_searched_without_end() -> None:
    lister = Lister([f"data/{number:03}/a/b/c/d/file" for number in range(100)])
    assert list(find_sections("", SectionSelection(), lister)) == []
    assert len(lister.asked) <= 3


def test_days_of_a_section_are_listed() -> None:
    section = Section("x/AWSLogs/1/", "1", "r", True)
    start = NOON - timedelta(hours=13)
    assert section.list_days(LOGS, start, NOON) == (
        "x/AWSLogs/1/CloudTrail/r/2023/07/09/",
        "x/AWSLogs/1/CloudTrail/r/2023/07/10/",
    )


def settle(chain: DigestChain, coverage: Coverage, drop: int | None = None) -> list[str]:
    """Go back over the hours of a chain; the one to `drop` is not noted. Returns what nothing covers."""
    found: list[str] = []
    for number in range(len(chain.digests) - 1, -1, -1):
        ended_at = NOON - (len(chain.digests) - 1 - number) * HOUR
        found += coverage.settle(ended_at)
        if number != drop:
            coverage.note_named((log["s3Object"] for log in chain.read(chain.digests[number])["logFiles"]), ended_at)
    return [*found, *coverage.finish()]


def test_log_files_that_nothing_names_are_found() -> None:
    chain = DigestChain().add_hours(6, logs=3)
    assert settle(chain, Coverage(sorted(chain.logs, reverse=True))) == []
    stray = chain.add_log(NOON - 3 * HOUR)
    assert settle(chain, Coverage(sorted(chain.logs, reverse=True))) == [stray]
    lost = chain.logs[6:9]
    assert settle(chain, Coverage(sorted(chain.logs, reverse=True)), drop=2) == sorted([stray, *lost], reverse=True)


def test_log_file_that_a_later_hour_names_is_covered() -> None:
    chain = DigestChain().add_hours(5)
    late = chain.add_log(NOON - 4 * HOUR - timedelta(minutes=30))
    coverage = Coverage(sorted(chain.logs, reverse=True))
    coverage.note_named([late], NOON)
    assert settle(chain, coverage) == []


def test_names_without_a_file_are_forgotten() -> None:
    coverage = Coverage([])
    hours = 24 * 10
    for number in range(hours):
        ended_at = NOON - number * HOUR
        assert list(coverage.settle(ended_at)) == []
        coverage.note_named((f"{number}-{one}" for one in range(10)), ended_at)
    assert coverage.held <= 10 * (2 * LATENESS / HOUR + 2)
    assert coverage.held < 10 * hours


@pytest.mark.parametrize("kind", list(FindingKind))
def test_every_finding_has_a_sentence(kind: FindingKind) -> None:
    assert kind.sentence.endswith(".")
    assert kind.level in Level
