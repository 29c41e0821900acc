"""Turns the key of an object in a trail's bucket into what the object is, and whether it is one to read.

Source: CloudTrail user guide, "CloudTrail log file name format":
`[prefix/]AWSLogs/[o-organization/]account/folder/region/YYYY/MM/DD/file`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from cloudtrail_spec.pipeline import DEFAULT_CLASSES, LogClass, ObjectsPolicy


class SkipReason(StrEnum):
    """Why an announced object is not read. Closed: each is a counter of its own."""

    DIGEST = "digest"
    CLASS_NOT_SELECTED = "class_not_selected"
    ACCOUNT_NOT_SELECTED = "account_not_selected"
    REGION_NOT_SELECTED = "region_not_selected"
    OUTSIDE_PREFIX = "outside_prefix"
    NOT_A_LOG_FILE = "not_a_log_file"
    OTHER_BUCKET = "other_bucket"
    MISSING_DROPPED = "missing_dropped"


@dataclass(frozen=True, slots=True)
class LogFileKey:
    """The parts of a log file's key that a source may select by."""

    log_class: LogClass
    account_id: str
    region: str


# The kinds of log files by the folder that they are in.
CLASSES = {
    "CloudTrail": LogClass.CLOUDTRAIL,
    "CloudTrail-Insight": LogClass.INSIGHT,
    "CloudTrail-NetworkActivity": LogClass.NETWORK_ACTIVITY,
    "CloudTrail-Aggregated": LogClass.AGGREGATED,
}
_KEY = re.compile(
    r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?(?P<account>[0-9]{12})/(?P<folder>CloudTrail[A-Za-z-]*)"
    r"/(?P<region>[a-z0-9-]+)/.+\.json(?:\.gz)?\Z",
    re.DOTALL,
)
# Digests are told by path and by name: a copy that lies elsewhere is still no log file.
_DIGEST = re.compile(r"/CloudTrail-Digest/|(?:^|/)[0-9]{12}_CloudTrail-Digest_[^/]*\Z")


def parse_key(key: str) -> LogFileKey | None:
    """Parse the key of a log file; None for everything else, digests among it."""
    match = None if _DIGEST.search(key) else _KEY.search(key)
    if match is None or match["folder"] not in CLASSES:
        return None
    return LogFileKey(CLASSES[match["folder"]], match["account"], match["region"])


class KeySelection:
    """Which keys of a source's buckets are read."""

    def __init__(self, prefix: str | None, policy: ObjectsPolicy) -> None:
        self._prefix = prefix or ""
        self._classes = frozenset(policy.classes or DEFAULT_CLASSES)
        self._accounts = policy.account_ids and frozenset(policy.account_ids)
        self._regions = policy.regions and frozenset(policy.regions)

    def find_skip_reason(self, key: str) -> SkipReason | None:
        """Say why an object is not read; None when it is."""
        if not key.startswith(self._prefix):
            return SkipReason.OUTSIDE_PREFIX
        if _DIGEST.search(key):
            return SkipReason.DIGEST
        parts = parse_key(key)
        return SkipReason.NOT_A_LOG_FILE if parts is None else self._find_unselected(parts)

    def selects_region(self, account_id: str, region: str) -> bool:
        """Tell whether log files of an account's region are read; its digest files are about those."""
        return self._find_foreign(account_id, region) is None

    def _find_unselected(self, parts: LogFileKey) -> SkipReason | None:
        if parts.log_class not in self._classes:
            return SkipReason.CLASS_NOT_SELECTED
        return self._find_foreign(parts.account_id, parts.region)

    def _find_foreign(self, account_id: str, region: str) -> SkipReason | None:
        if self._accounts and account_id not in self._accounts:
            return SkipReason.ACCOUNT_NOT_SELECTED
        if self._regions and region not in self._regions:
            return SkipReason.REGION_NOT_SELECTED
        return None
