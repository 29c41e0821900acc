"""What collectors report of digest files becomes a condition of sources that ask for it.

A digest file goes to whichever replica receives its message: only all of them together know whether digest files come.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudtrail_operator.core.durations import format_duration
from cloudtrail_operator.core.findings import Finding, find_false, find_true, find_unknown
from cloudtrail_spec.conditions import ConditionType, Reason
from cloudtrail_spec.integrity import IntegrityMode
from cloudtrail_spec.report import CollectorReport, IntegrityFigures, IntegrityProblem, QueueFigures

KIND = ConditionType.INTEGRITY_VERIFIED
OVERDUE = timedelta(hours=3)
"""A digest file comes each hour, and within two hours of the log files that it names."""

SILENCE = (
    "log files come, but no digest file has come for three hours: look at the trail's log file validation, and at whether"
    " the queue is told of keys below CloudTrail-Digest/"
)
# What a queue must allow where messages wait in it.
LEAST_RECEIVES = 5
LEAST_RETENTION = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Observed:
    """What the collectors of a source report, and when that is judged."""

    figures: tuple[IntegrityFigures, ...]
    queue: QueueFigures | None
    now: datetime


def evaluate_integrity(reports: Sequence[CollectorReport], *, paused: bool, now: datetime) -> Finding:
    """Find what is to be known of integrity: a chain of questions, the first that is answered badly decides."""
    if paused:
        return find_unknown(KIND, Reason.PAUSED, "no collector runs while the source is paused")
    figures = tuple(report.integrity for report in reports if report.integrity is not None)
    if not figures:
        return find_unknown(KIND, Reason.NOT_OBSERVED, "no collector has reported on this yet")
    looks = [report.queue for report in reports if report.queue is not None]
    observed = _Observed(figures, max(looks, key=lambda look: look.observed_at, default=None), now)
    for question in (_find_tampering, _find_failure, _find_silence, _find_open, _find_low_count, _find_short_retention):
        if (finding := question(observed)) is not None:
            return finding
    if not any(one.last_digest_at for one in figures):
        return find_unknown(KIND, Reason.NOT_OBSERVED, "no digest file has come yet")
    return find_true(KIND, Reason.SUCCEEDED, "digest files come, and what they name is proven")


def _find_tampering(observed: _Observed) -> Finding | None:
    """Was something altered, replaced or deleted?"""
    return _tell_newest([one.problem for one in observed.figures], lambda one: one.reason is Reason.INTEGRITY_BROKEN)


def _find_failure(observed: _Observed) -> Finding | None:
    """Can digest files be checked?"""
    return _tell_newest([one.failure for one in observed.figures], lambda _: True)


def _find_silence(observed: _Observed) -> Finding | None:
    """Have log files come for long without a digest file at any collector?"""
    waits = [one.unconfirmed_since for one in observed.figures if one.unconfirmed_since is not None]
    digests = [one.last_digest_at for one in observed.figures if one.last_digest_at is not None]
    if not waits or observed.now - max([min(waits), *digests]) < OVERDUE:
        return None
    return find_false(KIND, Reason.DIGESTS_MISSING, SILENCE)


def _find_open(observed: _Observed) -> Finding | None:
    """Could something not be proven?"""
    return _tell_newest([one.problem for one in observed.figures], lambda _: True)


def _tell_newest(
    problems: Sequence[IntegrityProblem | None], counts: Callable[[IntegrityProblem], bool]
) -> Finding | None:
    known = [problem for problem in problems if problem is not None and counts(problem)]
    newest = max(known, key=lambda one: (one.time, one.message), default=None)
    return None if newest is None else find_false(KIND, newest.reason, newest.message)


def _find_low_count(observed: _Observed) -> Finding | None:
    """Does the queue survive that messages which wait are given back now and then?"""
    count = observed.queue.max_receive_count if observed.queue and _keeps_back(observed) else None
    if count is None or count >= LEAST_RECEIVES:
        return None
    message = (
        "messages wait for digest files, and each restart of a collector counts as a receive of those that it gives back:"
        f" the queue's maxReceiveCount of {count} is too low, set it to 10"
    )
    return find_false(KIND, Reason.LOW_MAX_RECEIVE_COUNT, message)


def _find_short_retention(observed: _Observed) -> Finding | None:
    """Does the queue keep messages for long enough?"""
    seconds = observed.queue.retention_seconds if observed.queue and _keeps_back(observed) else None
    if seconds is None or seconds >= LEAST_RETENTION.total_seconds():
        return None
    message = (
        f"the queue keeps a message for {format_duration(seconds)} only, and messages wait for digest files: set its"
        " MessageRetentionPeriod to 4 days or more"
    )
    return find_false(KIND, Reason.SHORT_RETENTION, message)


def _keeps_back(observed: _Observed) -> bool:
    return any(one.mode is IntegrityMode.ENFORCE for one in observed.figures)
