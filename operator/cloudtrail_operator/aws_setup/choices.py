"""What the owner of a source chose to have made, and what is wrong with the choice."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from cloudtrail_spec.arn import Arn
from cloudtrail_spec.source import CloudTrailSourceSpec

PARTITIONS = ("aws", "aws-us-gov", "aws-cn")
"""Where the names of the services in the policies (`s3.amazonaws.com`) are known to be these."""

LONGEST_QUEUE = 80 - len("-dead-letter")
LONGEST_RULE = 64
"""Characters in the name of a queue, and of a rule of EventBridge that is called after it."""

WAYS = (
    "--trail NAME makes a trail and the bucket, --trail-arn ARN makes the bucket for a trail that exists, --existing-bucket"
    " makes neither"
)

_Check: TypeAlias = tuple[bool, str]
"""Whether something is wrong, and the sentence that says so."""

_TRAIL_ARN = re.compile(
    r"arn:[a-z-]+:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]"
)
_TRAIL = re.compile(r"[A-Za-z0-9](?!.*[._-]{2})[A-Za-z0-9._-]{1,126}[A-Za-z0-9]")
_ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
_ACCOUNT = re.compile(r"[0-9]{12}")


class Wiring(StrEnum):
    """How new log files are announced to the queue."""

    S3 = "S3"
    SNS = "SNS"
    EVENT_BRIDGE = "EventBridge"


@dataclass(frozen=True, slots=True)
class Choices:
    """What to make, beside queue, dead-letter queue and role."""

    trail: str | None = None
    """Name of a trail to make."""
    trail_arns: tuple[str, ...] = ()
    """Trails that exist and will deliver to the bucket."""
    existing_bucket: bool = False
    """The bucket exists, and trails deliver to it."""
    bucket_account: str | None = None
    """Account of the bucket, if that is not the queue's."""
    organization: str | None = None
    """Id of the organization whose trail it is."""
    wiring: Wiring = Wiring.S3
    own_key: bool = False
    """A KMS key encrypts log files and messages; else S3's and SQS's own keys do."""


def find_problems(spec: CloudTrailSourceSpec, choices: Choices) -> list[str]:
    """List what is wrong, a sentence each."""
    checks = [*_check_source(spec, choices), *_check_trail(choices), *_check_owners(choices)]
    return [sentence for is_wrong, sentence in checks if is_wrong]


def _check_source(spec: CloudTrailSourceSpec, choices: Choices) -> Iterator[_Check]:
    queue = Arn.parse(spec.queue_arn)
    longest = LONGEST_RULE if choices.wiring is Wiring.EVENT_BRIDGE else LONGEST_QUEUE
    known = ", ".join(PARTITIONS)
    yield (
        queue.partition not in PARTITIONS,
        f"spec.queueArn: templates are known to be right in {known}, not in {queue.partition}",
    )
    yield (
        len(queue.resource) > longest,
        f"spec.queueArn: the name of the queue has more than {longest} characters, too long for what is named after it",
    )


def _check_trail(choices: Choices) -> Iterator[_Check]:
    trail = choices.trail
    chosen = [bool(trail), bool(choices.trail_arns), choices.existing_bucket].count(True)
    yield chosen != 1, f"exactly one is needed: {WAYS}"
    yield (
        bool(trail and not _TRAIL.fullmatch(trail)),
        f"--trail: {trail!r} is not a name of a trail: 3 to 128 letters, digits and single . _ -",
    )
    for arn in choices.trail_arns:
        yield not _TRAIL_ARN.fullmatch(arn), f"--trail-arn: {arn!r} is not the ARN of a trail"


def _check_owners(choices: Choices) -> Iterator[_Check]:
    organization, account = choices.organization, choices.bucket_account
    if account:
        yield not _ACCOUNT.fullmatch(account), f"--bucket-account: {account!r} is not the id of an account"
        yield (
            not choices.existing_bucket,
            "--bucket-account: needs --existing-bucket: a template makes things in its own account",
        )
        yield (
            choices.wiring is Wiring.EVENT_BRIDGE,
            "--bucket-account: S3 tells EventBridge in the bucket's own account only: use wiring S3 or SNS",
        )
    if organization:
        yield (
            not _ORGANIZATION.fullmatch(organization),
            f"--organization: {organization!r} is not the id of an organization, such as o-1234567890",
        )
        yield (
            choices.existing_bucket,
            "--organization: needs --trail or --trail-arn: it says who may deliver to the new bucket",
        )
