"""Turns a bucket's prefix and what is wanted of it into the fewest prefixes to list, and tells which keys are wanted.

Trails write to `[prefix/]AWSLogs/[o-organization/]account/folder/region/YYYY/MM/DD/`. Down to the region folders are
asked for, one request each; days are known from the interval. What lies elsewhere is listed whole.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cloudtrail_collector.core.object_key import CLASSES, KeySelection, SkipReason, parse_key
from cloudtrail_spec.interval import Interval
from cloudtrail_spec.pipeline import DEFAULT_CLASSES, LogClass, ObjectsPolicy

# The folder of a day and the time in a file's name come from the same clock in practice; AWS promises nothing. A file that
# is written around midnight is looked for on both sides.
MIDNIGHT_MARGIN = timedelta(hours=1)
# How far AWSLogs is looked for: a trail's own prefix rarely has more levels, and a bucket with more folders is no trail's.
SEARCH_LEVELS = 3
MAX_SEARCHED_FOLDERS = 20

_TREE = re.compile(
    r"(?:.*/)?AWSLogs/(?:o-[a-z0-9]+/)?(?:(?P<account>[0-9]{12})/(?:(?P<folder>[^/]+)/(?:(?P<region>[^/]+)/(?P<rest>.*))?)?)?",
    re.DOTALL,
)
_ORGANIZATION = re.compile("o-[a-z0-9]+/")
_NAME = re.compile(
    r"(?P<account>[0-9]{12})_CloudTrail[A-Za-z-]*_(?P<region>[a-z0-9-]+)_(?P<time>[0-9]{8}T[0-9]{4}Z)_[^/]*\Z"
)
_DIGESTS = KeySelection(None, ObjectsPolicy())


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies directly below a prefix: folders, by their whole prefix with the slash, and whether there are objects."""

    folders: tuple[str, ...]
    has_objects: bool


ListFolder = Callable[[str], Folder]


@dataclass(frozen=True, slots=True)
class TrailFolder:
    """A prefix that is wanted, and the folder of the region that it stands in or is, with the slash; empty: it is in none.

    `place` is account/region then.
    """

    prefix: str
    region: str = ""
    place: str = ""

    def find_day(self, day: date) -> str | None:
        """Find the prefix that holds a day of a region; None: the day is not in it."""
        folder = f"{self.region}{day:%Y/%m/%d}/"
        if folder.startswith(self.prefix):
            return folder
        return self.prefix if self.prefix.startswith(folder) else None


@dataclass(frozen=True, slots=True)
class LogSelection:
    """Which log files are wanted, by what their keys say. None: all."""

    accounts: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    interval: Interval | None = None
    classes: frozenset[LogClass] = frozenset(DEFAULT_CLASSES)

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.accounts is None and self.regions is None and self.interval is None

    def wants(self, key: str) -> bool:
        """Tell whether a key, or a path, is that of a log file that is wanted."""
        if not key.endswith((".json", ".json.gz")) or _DIGESTS.find_skip_reason(key) is SkipReason.DIGEST:
            return False
        parsed = parse_key(key)
        if parsed is not None and parsed.log_class not in self.classes:
            return False
        name = _NAME.search(key)
        account = parsed.account_id if parsed else name and name["account"]
        region = parsed.region if parsed else name and name["region"]
        if self.accounts is not None and account not in self.accounts:
            return False
        if self.regions is not None and region not in self.regions:
            return False
        return self.interval is None or (name is not None and _is_within(name["time"], self.interval))


def find_prefixes(prefix: str, selection: LogSelection, list_folder: ListFolder) -> Iterator[str]:
    """Find the prefixes that hold every wanted key below a prefix, and as little else as folders can tell."""
    if selection.is_all:
        yield prefix
        return
    for folder in find_folders(prefix, selection, list_folder):
        if selection.interval is None or not folder.region:
            yield folder.prefix
        else:
            yield from (found for day in list_days(selection.interval) if (found := folder.find_day(day)))


def list_days(interval: Interval) -> Iterator[date]:
    """List the days whose folders may hold what was delivered in an interval."""
    day = (interval.start - MIDNIGHT_MARGIN).date()
    last = (interval.end + MIDNIGHT_MARGIN).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


def find_folders(
    prefix: str, selection: LogSelection, list_folder: ListFolder, levels: int = SEARCH_LEVELS
) -> Iterator[TrailFolder]:
    """Look for AWSLogs and the wanted regions below; what has no AWSLogs in sight is one folder."""
    if _TREE.match(prefix):
        yield from _descend(prefix, selection, list_folder)
        return
    below = list_folder(prefix)
    if below.has_objects or levels == 0 or len(below.folders) > MAX_SEARCHED_FOLDERS:
        yield TrailFolder(prefix)
        return
    for folder in below.folders:
        yield from find_folders(folder, selection, list_folder, levels - 1)


def _descend(prefix: str, selection: LogSelection, list_folder: ListFolder) -> Iterator[TrailFolder]:
    """Go down the tree of a trail, from wherever the prefix stands in it, into what is wanted."""
    place = _TREE.match(prefix)
    if place is not None and place["region"] is not None:
        yield TrailFolder(prefix, prefix[: place.start("rest")], f"{place['account']}/{place['region']}")
        return
    for folder in list_folder(prefix).folders:
        if _is_wanted(folder, selection):
            yield from _descend(folder, selection, list_folder)


def _is_wanted(folder: str, selection: LogSelection) -> bool:
    place = _TREE.fullmatch(folder)
    if place is None:
        return False
    if place["account"] is None:
        return _ORGANIZATION.fullmatch(folder.rsplit("/", 2)[-2] + "/") is not None or folder.endswith("AWSLogs/")
    if place["region"] is not None:
        return selection.regions is None or place["region"] in selection.regions
    if place["folder"] is not None:
        return CLASSES.get(place["folder"]) in selection.classes
    return selection.accounts is None or place["account"] in selection.accounts


def _is_within(text: str, interval: Interval) -> bool:
    """Compare the minute of a file's name with the interval; a minute that is partly inside is inside."""
    try:
        minute = datetime.strptime(text, "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return minute <= interval.end and minute + timedelta(minutes=1) > interval.start
