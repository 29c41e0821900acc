"""Our exceptions, by what happens next.

CollectorError
├── AwsError           the message is returned and tried again later
│   └── ReceiptLostError      the message belongs to somebody else by now: forget it
├── EvidenceMissingError, EvidenceUnreadableError   become findings of a verification
├── SinkError          the batch is sent again, then its messages are returned and tried again later
├── SecretMissingError becomes the SinkError of whoever needs the value
├── ProgressUnreachableError   a backfill's progress is noted later
├── ProgressConflictError      it is read again, to see whose it is
├── ProgressRefusedError       the worker ends
├── ShareLostError             another worker has the share: this one ends
└── ConfigurationError   the process ends with code 2
"""

from collections.abc import Sequence

from cloudtrail_spec.conditions import Reason

# The code of a SinkError where a sink did not answer in time.
ACK_TIMEOUT = "AckTimeout"


class CollectorError(Exception):
    """Anything that we raise on purpose."""


class AwsError(CollectorError):
    """A failed request to AWS. `action` is the IAM action that it needs, `resource` the ARN that it is about."""

    def __init__(self, *, action: str, code: str, resource: str, reason: Reason, message: str) -> None:
        super().__init__(f"{action} on {resource}: {code}: {message}")
        self.action = action
        self.code = code
        self.resource = resource
        self.reason = reason
        self.message = message


class ReceiptLostError(AwsError):
    """The receipt handle is no longer valid."""


class EvidenceMissingError(CollectorError):
    """A digest file or log file is not there."""


class EvidenceUnreadableError(CollectorError):
    """A digest file or log file may be there, but could not be read; the message says why."""


class SinkError(CollectorError):
    """A sink did not accept a batch. `retry_after` is the pause in seconds that it asks for."""

    def __init__(self, sink: str, reason: Reason, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"sink {sink}: {message}")
        self.sink = sink
        self.reason = reason
        self.code = code
        self.message = message
        self.retry_after = retry_after


class SecretMissingError(CollectorError):
    """A Secret, or a key of it, is not there; the text says which."""


class ProgressUnreachableError(CollectorError):
    """The progress of a backfill could not be read or noted for now."""


class ProgressConflictError(CollectorError):
    """Somebody else has noted something since the progress was read."""


class ProgressRefusedError(CollectorError):
    """The progress of a backfill may not be read or noted, or is not there."""


class ShareLostError(CollectorError):
    """Another worker has taken the share of a backfill over."""


class ConfigurationError(CollectorError):
    """The configuration file or the environment is wrong; `errors` has one line for each mistake."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = tuple(errors)
