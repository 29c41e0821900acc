"""Turns the key of an object in a trail's bucket into what the object is.

Source: CloudTrail user guide, "CloudTrail log file name format":
`[prefix/]AWSLogs/[o-organization/]account/folder/region/YYYY/MM/DD/file`.
"""

import re
from enum import StrEnum


class KeyKind(StrEnum):
    """What an object is, by its key."""

    LOG_FILE = "log_file"
    DIGEST = "digest"
    AGGREGATED = "aggregated"
    OUTSIDE_PREFIX = "outside_prefix"
    OTHER = "other"


_FOLDERS = {
    "CloudTrail": KeyKind.LOG_FILE,
    "CloudTrail-Insight": KeyKind.LOG_FILE,
    "CloudTrail-NetworkActivity": KeyKind.LOG_FILE,
    "CloudTrail-Digest": KeyKind.DIGEST,
    "CloudTrail-Aggregated": KeyKind.AGGREGATED,
}
_KEY = re.compile(
    r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?[0-9]{12}/(?P<folder>CloudTrail[A-Za-z-]*)/.+\.json(?:\.gz)?\Z", re.DOTALL
)


def classify_key(key: str, prefix: str | None = None) -> KeyKind:
    """Tell what a key stands for. Only LOG_FILE is read."""
    if prefix is not None and not key.startswith(prefix):
        return KeyKind.OUTSIDE_PREFIX
    match = _KEY.search(key)
    return _FOLDERS.get(match["folder"], KeyKind.OTHER) if match else KeyKind.OTHER
