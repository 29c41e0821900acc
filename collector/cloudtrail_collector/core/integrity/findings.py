"""What a verification can find: a closed set of words, each with a sentence. The words are API, like the exit codes."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding says: a problem means that something is not proven, a notice is worth knowing."""

    PROBLEM = "problem"
    NOTICE = "notice"


class FindingKind(StrEnum):
    """What was found."""

    DIGEST_ALTERED = "digest_altered"
    DIGEST_RESIGNED = "digest_resigned"
    DIGEST_MISSING = "digest_missing"
    DIGESTS_MISSING = "digests_missing"
    DIGEST_MOVED = "digest_moved"
    DIGEST_UNCHAINED = "digest_unchained"
    DIGEST_MALFORMED = "digest_malformed"
    DIGEST_UNREADABLE = "digest_unreadable"
    SIGNATURE_MISSING = "signature_missing"
    ALGORITHM_UNKNOWN = "algorithm_unknown"
    PUBLIC_KEY_UNKNOWN = "public_key_unknown"
    NO_DIGESTS = "no_digests"
    CHAIN_ENDED = "chain_ended"
    CHAIN_STARTED = "chain_started"
    CHAIN_RESTARTED = "chain_restarted"
    CHAIN_ELSEWHERE = "chain_elsewhere"
    TIME_GAP = "time_gap"
    LOG_ALTERED = "log_altered"
    LOG_MISSING = "log_missing"
    LOG_UNREADABLE = "log_unreadable"
    LOG_UNVERIFIABLE = "log_unverifiable"
    LOG_NOT_COVERED = "log_not_covered"
    LOG_NOT_YET_COVERED = "log_not_yet_covered"

    @property
    def sentence(self) -> str:
        """What it means, in a sentence."""
        return _SENTENCES[self]

    @property
    def level(self) -> Level:
        """Whether it is a problem."""
        return Level.NOTICE if self in _NOTICES else Level.PROBLEM

    @property
    def is_of_access(self) -> bool:
        """Whether it says only that something could not be read, and nothing about what it holds."""
        return self in {FindingKind.DIGEST_UNREADABLE, FindingKind.LOG_UNREADABLE}

    @property
    def leaves_open(self) -> bool:
        """Whether it is a problem that says only that something could not be proven: no sign that anything was done."""
        return self in _OPEN


_SENTENCES = {
    FindingKind.DIGEST_ALTERED: "The digest file is not what CloudTrail signed.",
    FindingKind.DIGEST_RESIGNED: "The digest file was replaced by another: its successor names another hash or signature.",
    FindingKind.DIGEST_MISSING: "The digest file is gone: its successor names it.",
    FindingKind.DIGESTS_MISSING: "No digest covers this time: digest files are gone, or CloudTrail was stopped.",
    FindingKind.DIGEST_MOVED: "The digest file was signed for another bucket or key; --copy-of says what a copy is made of.",
    FindingKind.DIGEST_UNCHAINED: "The digest file stands in no chain: its successor names an earlier one.",
    FindingKind.DIGEST_MALFORMED: "The digest file cannot be understood.",
    FindingKind.DIGEST_UNREADABLE: "The digest file could not be read.",
    FindingKind.SIGNATURE_MISSING: "The digest file comes without its signature.",
    FindingKind.ALGORITHM_UNKNOWN: "An algorithm is named that this version does not know.",
    FindingKind.PUBLIC_KEY_UNKNOWN: "The public key that the digest file was signed for is not known.",
    FindingKind.NO_DIGESTS: "There are no digest files: validation is off, CloudTrail was stopped, or all were deleted.",
    FindingKind.CHAIN_ENDED: "No digest follows, though one is due each hour: they are gone, or CloudTrail was stopped.",
    FindingKind.CHAIN_STARTED: "CloudTrail began to sign; nothing is proven of the time before.",
    FindingKind.CHAIN_RESTARTED: "CloudTrail began a new chain; nothing is proven of the time since the last one ended.",
    FindingKind.CHAIN_ELSEWHERE: "The chain comes from another place, which was not looked at.",
    FindingKind.TIME_GAP: "The chain is whole, but the digest files leave out some time.",
    FindingKind.LOG_ALTERED: "The log file is not what CloudTrail delivered.",
    FindingKind.LOG_MISSING: "The log file is gone.",
    FindingKind.LOG_UNREADABLE: "The log file could not be read.",
    FindingKind.LOG_UNVERIFIABLE: "A digest file names them that cannot be trusted, or a hash of an unknown algorithm.",
    FindingKind.LOG_NOT_COVERED: "No digest file names the log file.",
    FindingKind.LOG_NOT_YET_COVERED: "The log file is so new that its digest file is still to come.",
}
_NOTICES = {
    FindingKind.CHAIN_STARTED,
    FindingKind.CHAIN_RESTARTED,
    FindingKind.CHAIN_ELSEWHERE,
    FindingKind.TIME_GAP,
    FindingKind.LOG_NOT_YET_COVERED,
}
_OPEN = {
    FindingKind.DIGEST_UNREADABLE,
    FindingKind.ALGORITHM_UNKNOWN,
    FindingKind.PUBLIC_KEY_UNKNOWN,
    FindingKind.LOG_UNREADABLE,
    FindingKind.LOG_UNVERIFIABLE,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found about an object, or about a stretch of time of a trail when `key` is that of a neighbour.

    `detail` says what the kind's sentence cannot: which hash, which hours.
    """

    kind: FindingKind
    key: str
    detail: str = ""
