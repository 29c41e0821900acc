"""CloudTrailBackfillStatus: how far a backfill is. Only the operator writes it."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from cloudtrail_spec.base import ApiModel
from cloudtrail_spec.status import LARGEST, Condition, Count, EventStatus, LastErrorStatus, Text


class IntervalStatus(ApiModel):
    """The interval as two instants."""

    since: datetime = Field(description="Log files from this time on are read.")
    until: datetime = Field(description="Log files up to this time are read.")


class ShareStatus(ApiModel):
    """The parts into which the work is divided; one pod does one of them."""

    total: Count = Field(default=0, description="Shares in all.")
    active: Count = Field(default=0, description="Shares with a pod that works now.")
    done: Count = Field(default=0, description="Shares that are done.")
    failed: Count = Field(default=0, description="Shares that were given up.")


class UnitStatus(ApiModel):
    """What there is to list: a day of an account and a region, in one class of log files, is a unit."""

    planned: Count = Field(default=0, description="Units that the workers have found so far.")
    done: Count = Field(default=0, description="Units that are done.")
    empty: Count = Field(default=0, description="Of those done, units without a log file that is wanted.")


class ObjectStatus(ApiModel):
    """Log files, counted since the backfill began."""

    listed: Count = Field(default=0, description="Log files found so far that are to be read.")
    done: Count = Field(default=0, description="Log files that are done: read, skipped, dead-lettered or failed.")
    read: Count = Field(default=0, description="Log files whose events every sink has accepted.")
    skipped: Count = Field(default=0, description="Log files that were gone when they were to be read.")
    dead_lettered: Count = Field(default=0, description="Log files that deadLetterSink was told about instead.")
    failed: Count = Field(default=0, description="Log files that cannot be read.")


class CostStatus(ApiModel):
    """Requests to S3, and what they cost at AWS's list prices. KMS, traffic and pods are not in it."""

    list_requests: Count = Field(default=0, description="Requests that list objects.")
    get_requests: Count = Field(default=0, description="Requests that read an object.")
    usd: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+$", max_length=32)] = Field(
        default="0.0000", description="What these requests cost, in USD."
    )


class CloudTrailBackfillStatus(ApiModel):
    """What the operator observed of a CloudTrailBackfill."""

    observed_generation: Annotated[int, Field(ge=-1, le=LARGEST)] = Field(
        default=-1, description="The generation of the spec that this status describes; -1 before the first look."
    )
    interval: IntervalStatus | None = Field(None, description=str(IntervalStatus.__doc__))
    started_at: datetime | None = Field(None, description="When the first share was begun.")
    completed_at: datetime | None = Field(None, description="When the backfill completed or failed.")
    progress: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}%$", max_length=4)] | None = Field(
        None, description="How much of what is planned is done, such as 42%."
    )
    shares: ShareStatus | None = Field(None, description=str(ShareStatus.__doc__))
    units: UnitStatus | None = Field(None, description=str(UnitStatus.__doc__))
    objects: ObjectStatus | None = Field(None, description=str(ObjectStatus.__doc__))
    events: EventStatus | None = Field(None, description="Event records, counted since the backfill began.")
    bytes: Count | None = Field(None, description="Size of the log files read, compressed as they are in the bucket.")
    estimated_end: datetime | None = Field(
        None, description="When the backfill will be done if it goes on as fast as it did so far."
    )
    cost: CostStatus | None = Field(None, description=str(CostStatus.__doc__))
    last_error: LastErrorStatus | None = Field(None, description="The newest error of any worker.")
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(), description="Observations; Ready is their summary."
    )
    last_handled_reconcile_at: Text | None = Field(
        None, description="Last value of the annotation cloudtrail-operator.io/reconcile-requested-at that was handled."
    )

    list_map_keys: ClassVar = {"conditions": "type"}
