"""Turns the key of a log file into where its digest file will be: the section, and from when to when it may end."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cloudtrail_collector.core.integrity.coverage import SLACK
from cloudtrail_collector.core.integrity.sections import Section

# A digest file names what was delivered in its hour, and a log file is named by the minute of its delivery. None that ends
# so much later is expected to name it.
WINDOW = timedelta(hours=12)

_PLACE = re.compile(
    r"(?P<root>(?:.*/)?AWSLogs/(?:o-[a-z0-9]+/)?(?P<account>[0-9]{12})/)CloudTrail[A-Za-z-]*/(?P<region>[a-z0-9-]+)/"
    r"(?P<day>[0-9]{4}/[0-9]{2}/[0-9]{2})/(?:[^/]*_(?P<time>[0-9]{8}T[0-9]{4}Z)_)?[^/]*",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class LogPlace:
    """A log file's section, and when it was delivered; only to the day where its name does not say more."""

    section: Section
    delivered_at: datetime

    @property
    def since(self) -> datetime:
        """A digest file that names it ends after this."""
        return self.delivered_at - SLACK

    @property
    def until(self) -> datetime:
        """A digest file that names it ends before this."""
        return self.delivered_at + WINDOW


def find_log_place(key: str) -> LogPlace | None:
    """Find the place of a log file; None for a key in which there is no day."""
    match = _PLACE.fullmatch(key)
    if match is None:
        return None
    try:
        day = datetime.strptime(match["day"], "%Y/%m/%d").replace(tzinfo=UTC)
        time = match["time"] and datetime.strptime(match["time"], "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return LogPlace(Section(match["root"], match["account"], match["region"], has_digests=True), time or day)
