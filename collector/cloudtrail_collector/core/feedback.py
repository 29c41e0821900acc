"""Turns samples of events into whether the trail logs the collector's own reads, and so feeds on itself."""

from dataclasses import dataclass

from cloudtrail_spec.conditions import ConditionStatus, Reason

# Enough to be sure, and few enough to notice within minutes.
WINDOW = 1000
LEAST_SAMPLES = 100
SHARE = 0.2


@dataclass(frozen=True, slots=True)
class FeedbackWatch:
    """Own reads among the samples of events; older samples fade."""

    samples: float = 0.0
    own_reads: float = 0.0

    def after(self, samples: int, own_reads: int) -> "FeedbackWatch":
        """Return the view after some more samples."""
        fade = 1.0 if self.samples < WINDOW else 1.0 - samples / WINDOW
        return FeedbackWatch(self.samples * max(fade, 0.0) + samples, self.own_reads * max(fade, 0.0) + own_reads)

    def judge(self) -> tuple[ConditionStatus, Reason, str]:
        """Say status, reason and message of the condition."""
        if self.samples < LEAST_SAMPLES:
            return ConditionStatus.UNKNOWN, Reason.NOT_OBSERVED, "Too few events have been delivered to tell."
        share = self.own_reads / self.samples
        if share < SHARE:
            return ConditionStatus.TRUE, Reason.SUCCEEDED, "The collector's own reads are no large part of the events."
        message = (
            f"{share:.0%} of the events are this collector's own GetObject calls: each log file that is read makes new"
            " events. Exclude the trail's bucket from the trail's S3 data events."
        )
        return ConditionStatus.FALSE, Reason.READS_ITSELF, message
