"""Turns the folders of a trail and an interval into units, a folder's day each, in the order in which a share does them.

Days come first in the order: an account that appears while a backfill runs has no log files on days that are done.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from cloudtrail_collector.core.log_prefixes import TrailFolder
from cloudtrail_spec.backfill_task import Position, find_share


@dataclass(frozen=True, slots=True)
class BucketFolder:
    """A folder of a trail, and the bucket that it is in."""

    bucket: str
    folder: TrailFolder


@dataclass(frozen=True, slots=True)
class Unit:
    """A prefix that is listed whole; `day` is None where folders do not tell days."""

    day: date | None
    bucket: str
    prefix: str

    @property
    def name(self) -> str:
        """What a position calls it."""
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class Share:
    """One part of the work."""

    number: int
    of: int

    def has(self, day: date | None, place: str) -> bool:
        """Tell whether a unit belongs to it."""
        return find_share(day, place, self.of) == self.number


@dataclass(frozen=True, slots=True)
class FoundObject:
    """A log file that is wanted."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key, and when S3 wrote its object."""

    key: str
    written_at: datetime


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One answer of a listing; `is_last` says that no key comes behind."""

    keys: Sequence[ListedKey]
    is_last: bool


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """The units of a share. They are made when they are asked for: years of an organization would be millions."""

    folders: Sequence[BucketFolder]
    days: Sequence[date]
    share: Share

    def __iter__(self) -> Iterator[Unit]:
        """Give those without days, then day by day, each day in the order of names."""
        found = (Unit(None, one.bucket, one.folder.prefix) for one in self.folders if not one.folder.region)
        yield from sorted((unit for unit in found if self.share.has(None, unit.name)), key=_by_name)
        regions = [one for one in self.folders if one.folder.region]
        for day in self.days:
            found = (
                Unit(day, one.bucket, prefix)
                for one in regions
                if self.share.has(day, one.folder.place) and (prefix := one.folder.find_day(day))
            )
            yield from sorted(found, key=_by_name)


def is_behind(unit: Unit, position: Position) -> bool:
    """Tell whether something of a unit is left to do at a position; where all of it is, that is behind, too."""
    place, reached = (unit.day or date.min, unit.name), (position.day or date.min, position.unit)
    return place > reached or (place == reached and bool(position.last_key))


def _by_name(unit: Unit) -> str:
    return unit.name
