"""Turns what messages announced into whether the queue's notifications are what the source expects."""

from dataclasses import dataclass, replace

from cloudtrail_spec.conditions import ConditionStatus, Reason

# A message that failed comes back after 15 minutes at most: half an hour without one means that it is over.
QUIET_SECONDS = 1800.0
# How long messages may come without one log file that is read.
NO_OBJECTS_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class NotificationHealth:
    """What messages have shown so far. Times are seconds of one monotonic clock."""

    no_objects_seconds: float = NO_OBJECTS_SECONDS
    complaint: tuple[Reason, str] | None = None
    complained_at: float = 0.0
    fruitless_since: float | None = None
    has_read: bool = False

    def after_read(self) -> "NotificationHealth":
        """Return the view after a log file was read."""
        return replace(self, fruitless_since=None, has_read=True)

    def after_fruitless(self, now: float) -> "NotificationHealth":
        """Return the view after a message or object that brought nothing to read."""
        return self if self.fruitless_since is not None else replace(self, fruitless_since=now)

    def after_complaint(self, reason: Reason, message: str, now: float) -> "NotificationHealth":
        """Return the view after a message that cannot be right."""
        return replace(self, complaint=(reason, message), complained_at=now)

    def judge(self, now: float) -> tuple[ConditionStatus, Reason, str]:
        """Say status, reason and message of the condition."""
        if self.complaint is not None and now - self.complained_at < QUIET_SECONDS:
            return ConditionStatus.FALSE, *self.complaint
        if self.fruitless_since is not None and now - self.fruitless_since >= self.no_objects_seconds:
            minutes = int((now - self.fruitless_since) // 60)
            message = (
                f"Messages arrive, but none has announced a log file to read for {minutes} minutes:"
                " look at bucket, prefix and objects of the spec, and at what sends to the queue."
            )
            return ConditionStatus.FALSE, Reason.NO_OBJECTS, message
        if self.has_read:
            return ConditionStatus.TRUE, Reason.SUCCEEDED, "The queue announces log files of this source."
        return ConditionStatus.UNKNOWN, Reason.NOT_OBSERVED, "No log file has been announced yet."
