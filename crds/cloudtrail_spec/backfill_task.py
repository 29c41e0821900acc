"""What a backfill's operator and its workers tell each other: BackfillTask, the file that workers are given, and
BackfillProgress, what each of them writes down.

Workers find out alike, without talking to each other, whose part a piece of the work is: see `find_share`.
"""

from datetime import date
from typing import Annotated, Any, Self
from zlib import crc32

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from cloudtrail_spec.arn import find_partition
from cloudtrail_spec.base import ApiModel
from cloudtrail_spec.pipeline import AccountId, LogClass, PipelineSpec, RegionName
from cloudtrail_spec.report import EventCounts, LastError, ReportModel

# Where a worker keeps its progress: this key of the ConfigMap `<progressName>-<share>`.
PROGRESS_KEY = "progress"
MAX_SHARES = 1000


class BackfillPipeline(PipelineSpec):
    """A pipeline whose queue may be absent: a backfill receives nothing. The mode counts for nothing either."""

    @model_validator(mode="before")
    @classmethod
    def _stand_in_queue(cls, value: Any) -> Any:
        """Name a queue that does not exist, in the pipeline's region: its partition is that of the bucket."""
        if not isinstance(value, dict) or value.get("queueArn") or value.get("queue_arn"):
            return value
        region = str(value.get("region", ""))
        return {**value, "queueArn": f"arn:{find_partition(region)}:sqs:{region}:{'0' * 12}:none"}


class BackfillTask(ApiModel):
    """What the workers of one backfill have to do, together."""

    pipeline: BackfillPipeline
    since: AwareDatetime
    until: AwareDatetime
    """Log files whose names have a delivery time from `since` to `until`, both included, are read."""
    accounts: Annotated[tuple[AccountId, ...], Field(max_length=1000)] = ()
    """Empty: those that the pipeline reads."""
    regions: Annotated[tuple[RegionName, ...], Field(max_length=100)] = ()
    classes: Annotated[tuple[LogClass, ...], Field(max_length=4)] = ()
    shares: Annotated[int, Field(ge=1, le=MAX_SHARES)] = 1
    """In how many parts the work is cut; a worker is told the number of its own."""
    progress_name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=240)]
    """ConfigMaps are called `<progressName>-<share>`."""
    late_seconds: Annotated[int, Field(ge=0, le=86_400)] = 900
    """How long after the time in its name a log file may still come: the end of an interval that lasts until now is looked
    at until so long after it."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since > self.until:
            raise ValueError("since: must not be later than until")
        if not self.pipeline.sinks:
            raise ValueError("pipeline.sinks: a backfill needs at least one sink")
        return self

    def name_progress(self, share: int) -> str:
        """Name the ConfigMap of a share."""
        return f"{self.progress_name}-{share}"


class ObjectCounts(ReportModel):
    """Objects of one share by what became of them. read + skipped + dead_lettered + failed = done."""

    listed: int = 0
    """Log files that were found and are wanted, so far."""
    done: int = 0
    read: int = 0
    """Delivered to every sink."""
    skipped: int = 0
    """Gone between listing and reading."""
    dead_lettered: int = 0
    failed: int = 0
    """Cannot be read, and no dead-letter sink takes them."""


class Position(ReportModel):
    """Up to where a share is done. Passes go over the same places again, for what came since the one before."""

    number: int = 0
    """Of the pass."""
    written_from: AwareDatetime | None = None
    """Objects that S3 wrote before this were of an earlier pass; None: there was none."""
    written_before: AwareDatetime | None = None
    """Objects that S3 wrote at this time or later are left to the next pass; None: there is none."""
    day: date | None = None
    """The day of `unit`; None for one that has none."""
    unit: str = ""
    """What was worked on last, as s3://bucket/prefix/; empty: nothing yet."""
    last_key: str = ""
    """The last key of it that is done; empty: all are."""


class BackfillProgress(ReportModel):
    """How far one share is. Its size does not grow with the work."""

    task_hash: str
    """SHA-256 of the task's file, hex. What was noted for another task is not gone on with."""
    share: int
    holder: str = ""
    """The worker that has the share: its pod's name and a random part. Another that reads something else here stops."""
    position: Position = Position()
    units_planned: int = 0
    """A unit is an account's region on a day, in one class of log files. 0: not known yet. Units are those of the first
    pass; later ones look at the last of them again."""
    units_done: int = 0
    units_empty: int = 0
    """Of those done, how many held nothing that is wanted: days without log files are no error."""
    objects: ObjectCounts = ObjectCounts()
    events: EventCounts = EventCounts()
    bytes: int = 0
    """Compressed bytes of the log files read."""
    requests: dict[str, int] = Field(default_factory=dict)
    """Requests to S3 by action (s3:ListBucket, s3:GetObject): what the backfill costs."""
    error: LastError | None = None
    """The newest error; None when there was none, or all was done in spite of it."""
    started_at: AwareDatetime | None = None
    """When the first worker of this share began."""
    updated_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    failed: bool = False
    """The last worker gave up for a reason that a person must remove; `error` says which."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.finished_at is not None


def find_share(day: date | None, place: str, shares: int) -> int:
    """Find the share that a unit belongs to. `place` is "account/region", or a prefix that tells neither.

    Days of one place go round the shares, so that each has its part of busy places and of busy days.
    """
    return ((day.toordinal() if day else 0) + crc32(place.encode())) % shares
