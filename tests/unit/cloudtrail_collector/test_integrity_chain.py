"""A chain of digest files: what is whole is trusted, and what was done to it is named."""

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudtrail_collector.core.integrity.chain import ChainWalk, Judgement, Period
from cloudtrail_collector.core.integrity.digest_verdict import Evidence, Place
from cloudtrail_collector.core.integrity.findings import Finding, FindingKind, Level
from support.digest_chain import BUCKET, HOUR, NOON, DigestChain, make_key

START = NOON - 8 * HOUR
PERIOD = Period(START, NOON, NOON + HOUR)
PLACE = Place(BUCKET)


class Walked:
    """What a walk over a chain found."""

    def __init__(
        self, evidence: list[Evidence], period: Period = PERIOD, place: Place = PLACE, *, backfill: bool = False
    ) -> None:
        walk = ChainWalk(period, place, is_backfill=backfill)
        self.judged: list[Judgement] = [walk.step(one) for one in evidence]
        self.findings: list[Finding] = [finding for one in self.judged for finding in one.findings]
        self.findings += walk.finish()

    @property
    def kinds(self) -> list[str]:
        """The words, in order."""
        return [finding.kind.value for finding in self.findings]

    def find(self, kind: FindingKind) -> Finding:
        """The only finding of a kind."""
        (found,) = [finding for finding in self.findings if finding.kind is kind]
        return found

    @property
    def distrusted(self) -> list[str]:
        """The digest files that are not trusted."""
        return [one.evidence.key.key for one in self.judged if not one.is_trusted]


def build(hours: int = 10) -> DigestChain:
    return DigestChain().add_hours(hours)


def walk(chain: DigestChain, period: Period = PERIOD, place: Place = PLACE) -> Walked:
    return Walked(chain.read_evidence(), period, place)


def test_a_whole_chain_is_trusted_and_nothing_is_found() -> None:
    walked = walk(build())
    assert (walked.kinds, walked.distrusted) == ([], [])
    assert [one.is_wanted for one in walked.judged] == [True] * 8 + [False] * 2


def test_a_deleted_digest_file_is_named_by_its_successor() -> None:
    chain = build()
    chain.delete(chain.digests[5])
    walked = walk(chain)
    assert [(finding.kind, finding.key) for finding in walked.findings] == [
        (FindingKind.DIGEST_MISSING, chain.digests[5])
    ]
    assert walked.distrusted == []


@pytest.mark.parametrize("count", [2, 3])
def test_several_deleted_digest_files_in_a_row_are_found(count: int) -> None:
    """T-46: the chain check finds missing digests in the middle, also two in a row."""
    chain = build()
    chain.delete(*chain.digests[7 - count : 7])
    walked = walk(chain)
    assert walked.kinds == ["digest_missing", "digests_missing"]
    assert walked.findings[0].key == chain.digests[6]
    detail = walked.find(FindingKind.DIGESTS_MISSING).detail
    first, last = (NOON - number * HOUR for number in (2 + count + 1, 4))
    assert detail.startswith(f"from {first:%Y-%m-%dT%H:%M:%SZ} to {last:%Y-%m-%dT%H:%M:%SZ}, {count - 1} hour")


@settings(deadline=None)
@given(st.sets(st.integers(0, 11), min_size=1, max_size=11))
def test_no_deletion_goes_unnoticed(deleted: set[int]) -> None:
    """T-46: whichever digest files are deleted, each of the interval's is named, or its hour is."""
    chain = DigestChain(key=make_key()).add_hours(12, end=NOON + 2 * HOUR)
    chain.delete(*(chain.digests[number] for number in deleted))
    walked = walk(chain, Period(START, NOON, NOON + 10 * HOUR))
    named = {finding.key for finding in walked.findings if finding.kind is FindingKind.DIGEST_MISSING}
    stretches = [read_stretch(one.detail) for one in walked.findings if one.detail.startswith("from ")]
    for number in range(2, 10):
        end = NOON - (9 - number) * HOUR
        is_covered = any(start <= end - HOUR and end <= last for start, last in stretches)
        assert (number in deleted) == (is_covered or chain.digests[number] in named)
    assert all(finding.kind.level is Level.PROBLEM for finding in walked.findings)


def read_stretch(detail: str) -> tuple[datetime, datetime]:
    start, end = (datetime.fromisoformat(text) for text in re.findall(r"[0-9-]+T[0-9:]+Z", detail))
    return start, end


def test_deleted_digest_files_at_the_end_of_the_interval_are_named_by_a_witness() -> None:
    chain = DigestChain().add_hours(12, end=NOON + 2 * HOUR)
    chain.delete(*chain.digests[8:11])  # the last two hours of the interval, and one after it
    walked = walk(chain, Period(START, NOON, NOON + 2 * HOUR))
    assert walked.kinds == ["digests_missing"]
    assert walked.findings[0].detail.endswith("2 hours")


def test_deleted_digest_files_at_the_start_of_the_interval_are_found() -> None:
    chain = build()
    chain.delete(*chain.digests[:5])
    walked = walk(chain)
    assert walked.kinds == ["digest_missing", "digests_missing"]
    assert walked.findings[0].key == chain.digests[4]
    assert walked.findings[1].detail.startswith(f"from {START:%Y-%m-%dT%H:%M:%SZ} ")


def test_deleted_newest_digest_files_are_found_by_the_clock() -> None:
    chain = build()
    chain.delete(*chain.digests[-2:])
    walked = walk(chain)
    assert walked.kinds == ["chain_ended"]
    assert walked.findings[0].key == chain.digests[-3]


def test_the_digest_file_of_the_last_hour_may_still_come() -> None:
    chain = build()
    now = NOON + timedelta(minutes=115)
    assert walk(chain, Period(START, now, now)).kinds == []
    late = NOON + timedelta(minutes=125)
    assert walk(chain, Period(START, late, late)).kinds == ["chain_ended"]


def test_an_altered_digest_file_is_found_with_and_without_a_successor() -> None:
    for number in (-1, -3):
        chain = build()
        chain.alter(chain.digests[number])
        walked = walk(chain)
        assert [(finding.kind, finding.key) for finding in walked.findings] == [
            (FindingKind.DIGEST_ALTERED, chain.digests[number])
        ]
        assert walked.distrusted == [chain.digests[number]]


def test_a_digest_file_that_somebody_signed_again_is_found() -> None:
    """By its successor where there is one, whatever it says of its key; else because its key is not known."""
    mallory = make_key("mallory")
    for changes in ({}, {"digestPublicKeyFingerprint": mallory.fingerprint}):
        chain = build()
        chain.forge(chain.digests[-3], mallory, logFiles=[], **changes)
        walked = walk(chain)
        expected = FindingKind.DIGEST_RESIGNED if changes else FindingKind.DIGEST_ALTERED
        assert [(finding.kind, finding.key) for finding in walked.findings] == [(expected, chain.digests[-3])]
        assert walked.distrusted == [chain.digests[-3]]
    chain = build()
    chain.forge(chain.digests[-1], mallory, logFiles=[], digestPublicKeyFingerprint=mallory.fingerprint)
    assert walk(chain).kinds == ["public_key_unknown"]


def test_a_digest_file_that_is_replaced_by_another_with_a_good_signature_is_found() -> None:
    chain = build()
    chain.forge(chain.digests[-3], chain.key, logFiles=[])
    walked = walk(chain)
    assert walked.kinds == ["digest_resigned"]
    assert walked.distrusted == [chain.digests[-3]]


def test_a_signature_that_was_exchanged_beside_a_whole_content_is_found_and_the_content_is_trusted() -> None:
    chain = build()
    chain.set_metadata(chain.digests[-3], {"signature": "ab" * 256, "signature-algorithm": "SHA256withRSA"})
    walked = walk(chain)
    assert (walked.kinds, walked.distrusted) == (["digest_resigned"], [])


def test_a_wrong_key_makes_nothing_trusted() -> None:
    chain = build()
    other = make_key("other")
    walked = Walked(chain.read_evidence(other.public))
    assert walked.kinds == ["public_key_unknown"] * 8
    assert len(walked.distrusted) == 10


def test_a_key_of_the_right_name_that_did_not_sign_makes_nothing_trusted() -> None:
    chain = build()
    public = make_key("other").public
    given = type(public)(chain.key.fingerprint, public.key)
    assert Walked(chain.read_evidence(given)).kinds == ["digest_altered"] * 8


def test_a_key_that_is_no_longer_known_is_not_needed_where_the_successor_is_trusted() -> None:
    chain = DigestChain(key=make_key("old")).add_hours(5, end=NOON - 5 * HOUR)
    chain.key = make_key()
    chain.add_hours(5)
    walked = walk(chain)
    assert (walked.kinds, walked.distrusted) == ([], [])


def test_a_missing_signature_is_found_where_no_successor_has_it() -> None:
    chain = build()
    for key in chain.digests:
        chain.set_metadata(key, {})
    walked = walk(chain)
    assert [(finding.kind, finding.key) for finding in walked.findings] == [
        (FindingKind.SIGNATURE_MISSING, chain.digests[-1])
    ]
    assert walked.distrusted == [chain.digests[-1]]


def test_a_signature_that_only_an_untrusted_successor_names_is_checked_by_itself() -> None:
    chain = build()
    for key in chain.digests[:-1]:
        chain.set_metadata(key, {})
    chain.alter(chain.digests[-1])
    walked = walk(chain)
    assert (walked.kinds, walked.distrusted) == (["digest_altered"], [chain.digests[-1]])
    chain.forge(chain.digests[-1], make_key("mallory"), previousDigestSignature="ab" * 256)
    assert walk(chain).kinds == ["digest_altered", "signature_missing"]


def test_an_unknown_algorithm_is_said() -> None:
    chain = build()
    metadata = chain.objects[chain.digests[-1]].metadata
    chain.set_metadata(chain.digests[-1], metadata | {"signature-algorithm": "SHA512withRSA"})
    assert walk(chain).kinds == ["algorithm_unknown"]
    chain.set_metadata(chain.digests[-1], metadata)
    chain.forge(chain.digests[-1], chain.key, digestSignatureAlgorithm="Ed25519")
    assert walk(chain).kinds == ["algorithm_unknown"]


def test_a_copied_bucket_is_moved_not_invalid() -> None:
    """AW-14."""
    walked = walk(build(), place=Place("replica"))
    assert walked.kinds == ["digest_moved"] * 8
    assert walked.findings[0].detail.startswith(f"it was signed for s3://{BUCKET}/AWSLogs/")


def test_a_digest_file_in_the_place_of_another_is_moved() -> None:
    chain = build()
    chain.objects[chain.digests[-1]] = chain.objects[chain.digests[-2]]
    walked = walk(chain)
    assert walked.kinds == ["digest_moved"]
    assert walked.distrusted == [chain.digests[-1]]


def test_without_a_bucket_the_key_alone_counts() -> None:
    assert walk(build(), place=Place(None)).kinds == []


def test_a_new_chain_after_a_stop_is_a_notice() -> None:
    chain = DigestChain().add_hours(4, end=NOON - 6 * HOUR)
    chain.restart()
    chain.add_hours(3)
    walked = walk(chain)
    assert (walked.kinds, walked.distrusted) == (["chain_restarted"], [])
    assert walked.findings[0].detail.endswith("3 hours")


def test_the_begin_of_the_first_chain_is_a_notice() -> None:
    walked = walk(DigestChain().add_hours(3))
    assert (walked.kinds, walked.distrusted) == (["chain_started"], [])


def test_time_that_a_whole_chain_leaves_out_is_a_notice() -> None:
    chain = DigestChain().add_hours(5, end=NOON - 4 * HOUR)
    chain.add_hours(2)
    walked = walk(chain)
    assert (walked.kinds, walked.distrusted) == (["time_gap"], [])


def test_a_chain_that_comes_from_another_bucket_is_said() -> None:
    chain = DigestChain().add_hours(1, end=NOON - 4 * HOUR)
    elsewhere = chain.digests[-1]
    chain.continue_from("former-bucket", elsewhere)
    chain.delete(elsewhere)
    chain.add_hours(4)
    walked = walk(chain)
    assert walked.kinds == ["chain_elsewhere"]
    assert walked.findings[0].detail == f"the one before is s3://former-bucket/{elsewhere}"


def test_a_digest_file_beside_the_chain_is_found_and_the_chain_goes_on() -> None:
    chain = build()
    chain.add_hour(NOON - HOUR - timedelta(minutes=20))
    stray = chain.digests.pop()
    walked = walk(chain)
    assert [(finding.kind, finding.key) for finding in walked.findings] == [(FindingKind.DIGEST_UNCHAINED, stray)]


def test_a_digest_file_that_cannot_be_understood_is_no_gap() -> None:
    chain = build()
    evidence = chain.read_evidence()
    problem = Finding(FindingKind.DIGEST_MALFORMED, evidence[3].key.key, "it is not JSON")
    evidence[3] = Evidence(evidence[3].key, problem=problem)
    walked = Walked(evidence)
    assert walked.findings == [problem]
    assert walked.distrusted == [problem.key]


def test_a_gap_behind_a_digest_file_that_is_not_trusted_is_found_by_the_clock() -> None:
    chain = build()
    chain.alter(chain.digests[-2])
    chain.delete(*chain.digests[-4:-2])
    assert walk(chain).kinds == ["digest_altered", "digests_missing"]


def test_what_is_wrong_outside_of_the_interval_is_not_said() -> None:
    chain = DigestChain().add_hours(12, end=NOON + 2 * HOUR)
    chain.alter(chain.digests[-1])
    chain.alter(chain.digests[0])
    assert walk(chain, Period(START, NOON, NOON + 2 * HOUR)).kinds == []


def test_backfill_digest_files_have_a_chain_of_their_own_without_a_clock() -> None:
    chain = DigestChain()
    for hours in (6, 4, 1):
        chain.add_hour(NOON - hours * HOUR, suffix="_backfill")
    assert Walked(chain.read_evidence(), backfill=True).kinds == []
    chain.delete(chain.digests[1])
    walked = Walked(chain.read_evidence(), backfill=True)
    assert [(finding.kind, finding.key) for finding in walked.findings] == [
        (FindingKind.DIGEST_MISSING, chain.digests[1])
    ]
    chain.alter(chain.digests[2])
    assert Walked(chain.read_evidence(), backfill=True).kinds == ["digest_altered"]


def test_a_forged_start_hides_nothing() -> None:
    """What an untrusted digest file says of its own time decides nothing."""
    chain = build()
    far: datetime = NOON + 100 * HOUR
    forged = {"digestStartTime": f"{far:%Y-%m-%dT%H:%M:%SZ}", "digestEndTime": f"{far + HOUR:%Y-%m-%dT%H:%M:%SZ}"}
    chain.forge(chain.digests[-2], make_key("mallory"), **forged)
    assert walk(chain).kinds == ["digest_altered"]
