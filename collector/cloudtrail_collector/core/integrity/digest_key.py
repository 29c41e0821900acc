"""Turns the key of an object into what a digest file's or a log file's name says: whose, when, of which chain."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_DIGEST = re.compile(
    r"(?:.*/)?AWSLogs/(?:o-[a-z0-9]+/)?(?P<account>[0-9]{12})/CloudTrail-Digest/(?P<region>[a-z0-9-]+)/[0-9]{4}/[0-9]{2}/"
    r"[0-9]{2}/(?P=account)_CloudTrail-Digest_(?P=region)_(?P<trail>[^/]+)_(?P<home>[a-z0-9-]+)_(?P<time>[0-9]{8}T[0-9]{6}Z)"
    r"(?P<backfill>_backfill)?\.json\.gz",
    re.DOTALL,
)
_LOG_TIME = re.compile(r"_CloudTrail_[a-z0-9-]+_([0-9]{8}T[0-9]{4}Z)_[^/]*\.json(?:\.gz)?\Z")


@dataclass(frozen=True, slots=True)
class DigestKey:
    """What the name of a digest file says. `ended_at` is when its hour ended."""

    key: str
    account_id: str
    region: str
    trail: str
    home_region: str
    ended_at: datetime
    is_backfill: bool

    @property
    def chain(self) -> tuple[str, str, bool]:
        """What all digest files of a chain in one region have in common."""
        return self.trail, self.home_region, self.is_backfill


def parse_digest_key(key: str) -> DigestKey | None:
    """Parse the key of a digest file; None for everything else."""
    match = _DIGEST.fullmatch(key)
    ended_at = match and _parse_time(match["time"], "%Y%m%dT%H%M%SZ")
    if match is None or ended_at is None:
        return None
    return DigestKey(
        key, match["account"], match["region"], match["trail"], match["home"], ended_at, match["backfill"] is not None
    )


def parse_log_time(key: str) -> datetime | None:
    """Parse the minute of delivery out of the key of a log file; None for everything else."""
    match = _LOG_TIME.search(key)
    return match and _parse_time(match[1], "%Y%m%dT%H%MZ")


def _parse_time(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None
