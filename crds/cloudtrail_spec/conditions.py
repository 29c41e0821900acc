"""Every condition type and reason of a CloudTrailSource: a public vocabulary, each word with its meaning.

Polarity by the Kubernetes API conventions and kstatus: all types but
`Reconciling` and `Stalled` are good when True; `Reconciling` and `Stalled` are present only while they are True.
"""

from enum import StrEnum


class ConditionType(StrEnum):
    """What a condition is about."""

    READY = "Ready"
    """Summary. True: every wanted collector is up and has received from the queue since the last change, or the source
    is paused."""
    RECONCILING = "Reconciling"
    """Present and True while a change is being rolled out."""
    STALLED = "Stalled"
    """Present and True when only a person can help: the spec, or AWS access, has to change."""
    CREDENTIALS_VALID = "CredentialsValid"
    """True: AWS accepted the collectors' credentials. Unknown: nobody asked yet."""
    QUEUE_REACHABLE = "QueueReachable"
    """True: the last receive on the queue succeeded, and what is done can be deleted. Unknown: no collector has tried
    yet."""
    BUCKET_READABLE = "BucketReadable"
    """True: the last objects were read. Unknown: no object has been announced yet."""
    SINKS_ACCEPTING = "SinksAccepting"
    """True: every sink accepted its last batch. Unknown: nothing has been delivered yet."""
    NOTIFICATIONS_ACCEPTED = "NotificationsAccepted"
    """False: the queue lately brought messages that are in no known form, announce objects of other buckets, or bring no
    log file at all. Such messages stay in the queue; collecting goes on."""
    TEST_MODE_SAFE = "TestModeSafe"
    """False: the queue has no dead-letter queue, or gives up on messages so early that a test could use up their
    receives. Collecting goes on."""
    NO_FEEDBACK_LOOP = "NoFeedbackLoop"
    """False: many events are the collectors' own reads of the bucket, which the trail logs as data events."""


class Reason(StrEnum):
    """Why a condition has its status; one word for programs, the message beside it is for people."""

    PAUSED = "Paused"
    """Mode is Paused: no collector runs, on purpose."""
    COLLECTING = "Collecting"
    """Collectors are up and receive from the queue."""
    TESTING = "Testing"
    """Collectors are up in mode Test: nothing is deleted from the queue."""
    ROLLING_OUT = "RollingOut"
    """Collectors are being started, replaced or stopped."""
    WAITING_FOR_COLLECTORS = "WaitingForCollectors"
    """The workload is applied, but not every collector is up and has received from the queue."""
    COLLECTOR_FAILING = "CollectorFailing"
    """A collector pod cannot start or keeps crashing."""
    INVALID_SPEC = "InvalidSpec"
    """The spec breaks a rule; the message lists every mistake."""
    FEATURE_NOT_AVAILABLE = "FeatureNotAvailable"
    """The spec uses something that this version does not do yet."""
    RECONCILE_FAILED = "ReconcileFailed"
    """Kubernetes refused or failed a request; it is tried again."""
    SUCCEEDED = "Succeeded"
    """The last attempt succeeded."""
    NOT_OBSERVED = "NotObserved"
    """No collector has reported on this yet."""
    ACCESS_DENIED = "AccessDenied"
    """AWS denied the action; the message names action and ARN."""
    CREDENTIALS_REJECTED = "CredentialsRejected"
    """AWS did not accept the credentials, or there are none."""
    QUEUE_NOT_FOUND = "QueueNotFound"
    """The queue does not exist (in this account and region)."""
    BUCKET_NOT_FOUND = "BucketNotFound"
    """The bucket does not exist."""
    OBJECT_NOT_FOUND = "ObjectNotFound"
    """Announced objects are not in the bucket."""
    KMS_ACCESS_DENIED = "KmsAccessDenied"
    """The KMS key of the object or queue may not be used."""
    THROTTLED = "Throttled"
    """AWS asks to slow down."""
    ENDPOINT_UNREACHABLE = "EndpointUnreachable"
    """No answer from the AWS endpoint: DNS, network policy, proxy or endpointUrl."""
    AWS_ERROR = "AwsError"
    """Another AWS error; the message has its code."""
    OTHER_BUCKET = "OtherBucket"
    """Messages announce objects of buckets that the spec does not name; they are never read."""
    UNKNOWN_NOTIFICATION = "UnknownNotification"
    """Messages are in no known form; they are left to the queue's redrive policy."""
    NO_OBJECTS = "NoObjects"
    """Messages arrive, but for a long time none has announced a log file that is read."""
    NO_DEAD_LETTER_QUEUE = "NoDeadLetterQueue"
    """The queue has no redrive policy: a message that always fails comes back until its retention ends."""
    LOW_MAX_RECEIVE_COUNT = "LowMaxReceiveCount"
    """The queue moves messages to its dead-letter queue after fewer receives than restarts of a test may cause."""
    READS_ITSELF = "ReadsItself"
    """The trail logs reads of its own bucket as data events, so that reading its log files makes new ones."""
    SINK_REJECTED = "SinkRejected"
    """A sink refused a batch."""
    SINK_UNREACHABLE = "SinkUnreachable"
    """A sink did not answer."""
    SINK_MISCONFIGURED = "SinkMisconfigured"
    """A sink cannot be used as it is set up: a Secret, a key of it, or a certificate in it is missing or wrong."""


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"
