"""Lists a share of a backfill ahead of its delivery, in steps: up to a thousand log files, of one unit or of many."""

import queue
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from cloudtrail_collector.core.backfill.units import BucketFolder, FoundObject, Unit, UnitPlan, is_behind
from cloudtrail_collector.core.backfill.work import Work
from cloudtrail_collector.core.log_prefixes import Folder, TrailFolder, find_folders
from cloudtrail_collector.errors import AwsError, CollectorError
from cloudtrail_collector.pipeline.background import Background
from cloudtrail_collector.pipeline.retrying import Retrying
from cloudtrail_collector.ports import Listing
from cloudtrail_spec.backfill_task import Position
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.log_prefix import find_log_prefix

# What a lost worker's successor repeats at most.
STEP_OBJECTS = 1000
# Units of days without log files cost a request each: progress is noted in between.
STEP_UNITS = 100
HANDOVER_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Step:
    """Log files to deliver, and where the share is when all of them are; `units` of it are done then, `empty` of these held
    nothing.
    """

    objects: tuple[FoundObject, ...]
    position: Position
    units: int
    empty: int


class ShareListing:
    """Finds the units of a share, and what is in them."""

    def __init__(self, work: Work, listing: Listing, retrying: Retrying, *, step_objects: int = STEP_OBJECTS) -> None:
        self._step_objects = step_objects
        self._work = work
        self._listing = listing
        self._retrying = retrying

    def read_clock(self) -> datetime:
        """Tell S3's time. Raises AwsError."""
        prefix = find_log_prefix(self._work.prefix)
        return self._retrying.ask(lambda: self._listing.read_clock(self._work.buckets[0], prefix))

    def plan(self, position: Position) -> UnitPlan:
        """Find the folders that there are, and with them the units of a pass, those that are done among them.

        Raises AwsError.
        """
        work = self._work
        folders = [BucketFolder(bucket, folder) for bucket in work.buckets for folder in self._find_folders(bucket)]
        return UnitPlan(folders, work.list_days(position), work.share)

    def iterate_steps(self, units: UnitPlan, reached: Position) -> Iterator[Step]:
        """List what is behind a position. Raises AwsError."""
        gathered = _Gathered(reached)
        for unit in units:
            if not is_behind(unit, reached):
                continue
            for keys, after in self._iterate_pages(unit, reached):
                if len(gathered.objects) + len(keys) > self._step_objects:
                    yield gathered.take()
                gathered.add(unit, keys, after)
                if gathered.units >= STEP_UNITS:
                    yield gathered.take()
        if gathered.units or gathered.objects:
            yield gathered.take()

    def _iterate_pages(self, unit: Unit, reached: Position) -> Iterator[tuple[list[str], str]]:
        """List the wanted keys of a unit, and with each page the last key of it, empty for the last page."""
        after = reached.last_key if unit.name == reached.unit else ""
        while True:
            page = self._retrying.ask(lambda: self._listing.list_page(unit.bucket, unit.prefix, after))  # noqa: B023
            is_last = page.is_last or not page.keys
            after = "" if is_last else page.keys[-1].key
            yield self._work.select(page, unit, reached), after
            if is_last:
                return

    def _find_folders(self, bucket: str) -> list[TrailFolder]:
        """Look below the prefix; or, for a role with the least policy, where a trail with this prefix writes.

        Where nothing is there either, that the prefix may not be listed is the failure.
        """
        prefix, selection, ask = self._work.prefix, self._work.selection, partial(self._list_folder, bucket)
        log_prefix = find_log_prefix(prefix)
        if log_prefix != prefix and not self._may_list(bucket, prefix):
            found = list(find_folders(log_prefix, selection, ask))
            if found:
                return found
        return list(find_folders(prefix, selection, ask))

    def _may_list(self, bucket: str, prefix: str) -> bool:
        try:
            self._retrying.ask(lambda: self._listing.list_folder(bucket, prefix), expected=Reason.ACCESS_DENIED)
        except AwsError as error:
            if error.reason is not Reason.ACCESS_DENIED:
                raise
            return False
        return True

    def _list_folder(self, bucket: str, prefix: str) -> Folder:
        return self._retrying.ask(lambda: self._listing.list_folder(bucket, prefix))


class _Gathered:
    """The step that is being put together."""

    def __init__(self, reached: Position) -> None:
        self.objects: list[FoundObject] = []
        self.units = 0
        self._empty = 0
        self._position = reached
        self._has_found = bool(reached.last_key)

    def add(self, unit: Unit, keys: list[str], after: str) -> None:
        """Add a page; `after` is its last key, empty when nothing of the unit comes behind it."""
        self.objects += [FoundObject(unit.bucket, key) for key in keys]
        self._has_found = self._has_found or bool(keys)
        self._position = self._position.model_copy(update={"day": unit.day, "unit": unit.name, "last_key": after})
        if not after:
            self.units += 1
            self._empty += not self._has_found
            self._has_found = False

    def take(self) -> Step:
        """Take what was gathered."""
        step = Step(tuple(self.objects), self._position, self.units, self._empty)
        self.objects, self.units, self._empty = [], 0, 0
        return step


class StepsAhead(Background):
    """A thread that lists one step while the one before it is delivered."""

    def __init__(self, steps: Iterator[Step]) -> None:
        super().__init__("listing")
        self._steps = steps
        self._found: queue.Queue[Step | CollectorError | None] = queue.Queue(maxsize=1)

    def __iter__(self) -> Iterator[Step]:
        """Give the steps; raises what listing raised."""
        while True:
            found = self._found.get()
            if found is None:
                return
            if isinstance(found, CollectorError):
                raise found
            yield found

    def _run(self) -> None:
        last: CollectorError | None = None
        try:
            for step in self._steps:
                if not self._hand_over(step):
                    return
        except CollectorError as error:
            last = error
        except Exception as error:  # noqa: BLE001  (whoever waits for steps must learn that none comes)
            last = UnforeseenError(error)
        self._hand_over(last)

    def _hand_over(self, found: Step | CollectorError | None) -> bool:
        """Wait until somebody takes it; False: nobody will."""
        while not self._stopping.is_set():
            try:
                self._found.put(found, timeout=HANDOVER_SECONDS)
            except queue.Full:
                continue
            return True
        return False


class UnforeseenError(CollectorError):
    """Listing met an error that nobody foresaw."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.__cause__ = cause
