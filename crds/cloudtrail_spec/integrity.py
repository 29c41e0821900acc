"""What a source wants of CloudTrail's digest files: that they are checked, and what becomes of what they do not prove."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from cloudtrail_spec.base import ApiModel, explain_pattern


class IntegrityMode(StrEnum):
    """What a digest file decides."""

    REPORT = "Report"
    ENFORCE = "Enforce"


class PublicKey(ApiModel):
    """An RSA public key of CloudTrail, as `aws cloudtrail list-public-keys` gives it."""

    fingerprint: Annotated[
        str,
        StringConstraints(pattern=r"^[0-9a-fA-F]+$", min_length=16, max_length=128),
        explain_pattern("must be hexadecimal digits"),
    ] = Field(description="Fingerprint: digest files name the key that they were signed for by it.")
    value: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$", min_length=100, max_length=4096),
        explain_pattern("must be the DER form of a public key in base64, on one line"),
    ] = Field(description="Value: the DER form of the key, in base64.")


class Integrity(ApiModel):
    """Checks log files against CloudTrail's digest files: signature, chain, and the SHA-256 of each log file."""

    mode: IntegrityMode = Field(
        description="Report delivers log files at once, and reports what digest files say of them when they come. Enforce"
        " keeps the message of a log file back until a digest file that CloudTrail signed names it, which takes one to two"
        " hours, and delivers only what has the named SHA-256.",
    )
    public_keys: Annotated[tuple[PublicKey, ...], Field(max_length=64)] = Field(
        default=(),
        description="Public keys of CloudTrail, of all regions that are read, where CloudTrail is not to be asked. AWS"
        " changes its keys now and then. Absent: the collectors ask with cloudtrail:ListPublicKeys.",
    )
