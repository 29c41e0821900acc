"""Turns the results of reads into whether the bucket as a whole counts as readable."""

from dataclasses import dataclass, replace

from cloudtrail_spec.conditions import ConditionStatus, Reason

# One bad object says nothing about the bucket; three different ones in a row do.
FAILED_KEYS = 3


@dataclass(frozen=True, slots=True)
class BucketHealth:
    """What reads have shown so far."""

    status: ConditionStatus = ConditionStatus.UNKNOWN
    tried: bool = False
    failed_keys: frozenset[str] = frozenset()

    def after_success(self) -> "BucketHealth":
        """Return the view after a read that succeeded."""
        return BucketHealth(ConditionStatus.TRUE, tried=True)

    def after_failure(self, key: str, reason: Reason) -> "BucketHealth":
        """Return the view after a failed read."""
        failed = self.failed_keys | {key} if len(self.failed_keys) < FAILED_KEYS else self.failed_keys
        first_of_all = not self.tried and reason is not Reason.OBJECT_NOT_FOUND
        broken = first_of_all or reason is Reason.BUCKET_NOT_FOUND or len(failed) >= FAILED_KEYS
        return replace(self, status=ConditionStatus.FALSE if broken else self.status, tried=True, failed_keys=failed)
