"""What a collector answers to `GET /status`: read by the operator, and by people with curl.

Counters are since the start of the process. A reader ignores fields that it does not know, so that collectors and
operator may differ in version.
"""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, ConfigDict, Field

from cloudtrail_spec.base import ApiModel
from cloudtrail_spec.conditions import ConditionStatus, ConditionType, Reason
from cloudtrail_spec.integrity import IntegrityMode
from cloudtrail_spec.pipeline import Mode


class ReportModel(ApiModel):
    """A part of the report: unknown fields are ignored."""

    model_config: ClassVar = ConfigDict(**{**ApiModel.model_config, "extra": "ignore"})


class CollectorState(StrEnum):
    """What a collector is doing."""

    STARTING = "Starting"
    RECEIVING = "Receiving"
    HOLDING = "Holding"
    """Mode Test, and test.maxMessages are held: nothing more is received."""
    BACKFILLING = "Backfilling"
    """No queue is received from: what lies in the bucket is read."""
    DRAINING = "Draining"


class QueueFigures(ReportModel):
    """The queue's attributes at `observed_at`. Counts are approximate, as SQS gives them."""

    observed_at: AwareDatetime
    visible: int
    in_flight: int
    delayed: int
    oldest_age_seconds: int | None = None
    """How long the oldest message of the last five minutes had waited; None when none was received."""
    visibility_timeout_seconds: int | None = None
    dead_letter_queue_arn: str | None = None
    max_receive_count: int | None = None
    retention_seconds: int | None = None
    """How long the queue keeps a message."""
    dead_letter_visible: int | None = None
    """Messages that wait in the dead-letter queue; None where there is none, or where it may not be asked."""


class MessageCounts(ReportModel):
    """Messages by what became of them."""

    received: int = 0
    deleted: int = 0
    returned: int = 0
    held: int = 0
    in_flight: int = 0


class FileCounts(ReportModel):
    """Objects by what became of them."""

    read: int = 0
    failed: int = 0
    skipped: int = 0
    dead_lettered: int = 0


class EventCounts(ReportModel):
    """Event records by what became of them.

    read = filtered + repeated + unrouted + emitted + dead-lettered + failed + on the way
    """

    read: int = 0
    filtered: int = 0
    repeated: int = 0
    """Dropped because they were delivered before (`dedupe`)."""
    unrouted: int = 0
    """Left out because no sink takes them."""
    masked: int = 0
    """Of those emitted, how many had a value masked."""
    emitted: int = 0
    dead_lettered: int = 0
    failed: int = 0


class Check(ReportModel):
    """What a collector knows about one thing that it depends on; becomes a condition of the source."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str


class SetupVerdict(StrEnum):
    """What a look at one part of the set-up in AWS has shown."""

    RIGHT = "Right"
    WRONG = "Wrong"
    NOT_ALLOWED = "NotAllowed"
    """The look is not allowed; collecting does not need it."""
    NOT_ASKED = "NotAsked"
    """There is nothing to ask, or what comes before it is wrong."""


class SetupFinding(ReportModel):
    """What was found of one part of the set-up in AWS. `about` is an ARN, `mend` the line that mends what is wrong."""

    step: str
    verdict: SetupVerdict
    reason: Reason
    about: str
    message: str
    mend: str | None = None


class LastError(ReportModel):
    """The newest error. `action` is an IAM action such as s3:GetObject, `resource` an ARN (or a sink's name)."""

    time: AwareDatetime
    action: str
    code: str
    resource: str
    message: str
    count: int = Field(ge=1)
    """How often this very error (action, code, resource) happened since the process started."""


class Activity(ReportModel):
    """What the collector did lately. Times are None for what has not happened since the process started."""

    last_message_at: AwareDatetime | None = None
    """When a receive last brought messages."""
    unread_since: AwareDatetime | None = None
    """When the first message came after the last object that was read, or after half an hour without any; None when an
    object was read since."""
    last_object_at: AwareDatetime | None = None
    """When an object was last read to its end, and all of it accepted by the sinks."""
    events_per_second: float = Field(default=0.0, ge=0)
    """Event records read per second, over five minutes or since the start."""
    dead_lettered: int = 0
    """Events and files that went to the dead-letter sink within the last fifteen minutes."""
    last_dead_letter_at: AwareDatetime | None = None
    last_dead_letter_reason: str | None = None


class IntegrityProblem(ReportModel):
    """Something that a check of digest files found, or why one could not be made."""

    time: AwareDatetime
    reason: Reason
    message: str
    """A sentence that names the object."""


class IntegrityFigures(ReportModel):
    """What digest files have said, since the process started. Files are those that digest files name."""

    mode: IntegrityMode
    verified: int = 0
    altered: int = 0
    missing: int = 0
    unverifiable: int = 0
    waiting: int = 0
    """Messages that wait until a digest file names their log files (Enforce)."""
    last_digest_at: AwareDatetime | None = None
    """When a digest file was last checked, whatever it was worth."""
    unconfirmed_since: AwareDatetime | None = None
    """When the first log file came after that, or after the start; None when none has."""
    problem: IntegrityProblem | None = None
    """The newest find of the last day; one that shows tampering goes before one that only leaves something open."""
    failure: IntegrityProblem | None = None
    """Why the last digest file could not be checked; None when it was."""


class CollectorReport(ReportModel):
    """The whole answer."""

    version: str
    config_hash: str
    """SHA-256 of the configuration file's bytes, hex: tells the operator which configuration this process runs."""
    mode: Mode
    state: CollectorState
    started_at: AwareDatetime
    last_receive_at: AwareDatetime | None = None
    """When a ReceiveMessage last succeeded, with or without messages."""
    last_event_time: AwareDatetime | None = None
    """Newest eventTime emitted."""
    lag_seconds: int | None = None
    """Seconds from eventTime to emitted, for the newest event of the last file."""
    queue: QueueFigures | None = None
    messages: MessageCounts = MessageCounts()
    files: FileCounts = FileCounts()
    events: EventCounts = EventCounts()
    activity: Activity | None = None
    """None: the collector is older than this part of the report."""
    integrity: IntegrityFigures | None = None
    """None: the source does not ask for it."""
    checks: tuple[Check, ...] = ()
    setup: tuple[SetupFinding, ...] = ()
    """What is wrong with the set-up in AWS, or may not be looked at; what is right is left out."""
    last_error: LastError | None = None
