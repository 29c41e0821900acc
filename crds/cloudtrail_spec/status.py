"""CloudTrailSourceStatus: what the operator observed. Only the operator writes it."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from cloudtrail_spec.base import ApiModel
from cloudtrail_spec.conditions import ConditionStatus
from cloudtrail_spec.pipeline import Mode

# Bounds in a schema are JSON numbers: beyond 2^53 the API server cannot tell them apart.
LARGEST = 2**53 - 1
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Text = Annotated[str, StringConstraints(max_length=2048)]


class Condition(ApiModel):
    """An observation, in the form of Kubernetes' metav1.Condition."""

    type: Annotated[str, StringConstraints(max_length=316)] = Field(description="What the condition is about.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", min_length=1, max_length=1024)
    ] = Field(description="One word that says why, for programs.")
    message: Annotated[str, StringConstraints(max_length=32768)] = Field(
        description="A sentence that says why, for people."
    )
    observed_generation: Annotated[int, Field(ge=0, le=LARGEST)] | None = Field(
        None, description="The generation of the spec that this condition describes."
    )
    last_transition_time: datetime = Field(description="When status last changed.")


class QueueStatus(ApiModel):
    """The queue as the collectors last saw it."""

    visible: Count = Field(default=0, description="Messages that wait, approximately.")
    in_flight: Count = Field(default=0, description="Messages received and not yet deleted, approximately.")
    delayed: Count = Field(default=0, description="Messages not yet available, approximately.")
    oldest_age_seconds: Count | None = Field(
        None, description="How long the oldest message received lately had waited."
    )
    dead_letter_queue_arn: Text | None = Field(None, description="ARN of the queue's dead-letter queue, if it has one.")
    max_receive_count: Count | None = Field(
        None, description="Receives after which SQS moves a message to the dead-letter queue."
    )
    dead_letter_visible: Count | None = Field(
        None, description="Messages that wait in the dead-letter queue; absent where it may not be asked."
    )


class FileStatus(ApiModel):
    """Log files, counted by the collectors that run now, since each started."""

    read: Count = Field(default=0, description="Objects read to their end.")
    failed: Count = Field(default=0, description="Attempts to read an object that failed.")
    skipped: Count = Field(default=0, description="Objects passed over: digests, other buckets, what is not selected.")
    dead_lettered: Count = Field(default=0, description="Objects that deadLetterSink was told about instead.")


class EventStatus(ApiModel):
    """Event records, counted by the collectors that run now, since each started."""

    read: Count = Field(default=0, description="Event records read.")
    filtered: Count = Field(default=0, description="Event records that a filter dropped.")
    repeated: Count = Field(default=0, description="Event records dropped because they were delivered before.")
    unrouted: Count = Field(default=0, description="Event records that no sink takes.")
    masked: Count = Field(default=0, description="Event records in which a value was masked.")
    emitted: Count = Field(default=0, description="Event records that the sinks accepted.")
    dead_lettered: Count = Field(default=0, description="Event records that are not JSON and went to deadLetterSink.")
    failed: Count = Field(default=0, description="Event records that could not be decoded or delivered.")
    per_second: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]$", max_length=32)] | None = Field(
        None, description="Event records read per second over five minutes, such as 12.4."
    )


class LastErrorStatus(ApiModel):
    """The newest error of any collector."""

    time: datetime = Field(description="When it happened.")
    action: Text = Field(description="The AWS action, such as s3:GetObject, or the sink operation that failed.")
    code: Text = Field(description="AWS's error code, such as AccessDenied.")
    resource: Text = Field(description="ARN of the resource, or the sink's name.")
    message: Text = Field(description="What went wrong, in words.")
    count: Count = Field(description="How often this very error happened since the collectors that tell of it started.")


class CloudTrailSourceStatus(ApiModel):
    """What the operator observed of a CloudTrailSource."""

    observed_generation: Annotated[int, Field(ge=-1, le=LARGEST)] = Field(
        default=-1, description="The generation of the spec that this status describes; -1 before the first look."
    )
    mode: Mode | None = Field(None, description="The mode that the collectors run in.")
    replicas: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        default=0, description="Collector pods that are wanted."
    )
    ready_replicas: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        default=0, description="Collector pods that are ready and run the current configuration."
    )
    config_hash: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        None, description="Hash of the configuration that the collectors run."
    )
    conditions: Annotated[tuple[Condition, ...], Field(max_length=32)] = Field(
        default=(), description="Observations; Ready is their summary."
    )
    queue: QueueStatus | None = Field(None, description=str(QueueStatus.__doc__))
    files: FileStatus | None = Field(None, description=str(FileStatus.__doc__))
    events: EventStatus | None = Field(None, description=str(EventStatus.__doc__))
    last_event_time: datetime | None = Field(None, description="Newest eventTime delivered.")
    lag: Annotated[str, StringConstraints(max_length=32)] | None = Field(
        None, description="Time from eventTime to delivery for the newest event, such as 4m10s."
    )
    last_error: LastErrorStatus | None = Field(None, description=str(LastErrorStatus.__doc__))
    last_handled_reconcile_at: Text | None = Field(
        None, description="Last value of the annotation cloudtrail-operator.io/reconcile-requested-at that was handled."
    )
    operator: dict[str, Any] | None = Field(
        None,
        description="The operator's own notes; not for reading.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )

    list_map_keys: ClassVar = {"conditions": "type"}
