"""The order of the questions, and which are left out: one function for the command, one for a running collector."""

from collections.abc import Iterator, Sequence

from cloudtrail_collector.core.doctor.bucket_steps import judge_bucket, judge_listing, judge_log_key, judge_read
from cloudtrail_collector.core.doctor.facts import Answer, BucketSetup, QueueSetup, Seen, Subject
from cloudtrail_collector.core.doctor.findings import Step, not_asked
from cloudtrail_collector.core.doctor.queue_steps import (
    judge_dead_letters,
    judge_finish,
    judge_queue,
    judge_queue_key,
    judge_receive,
    judge_redrive_step,
)
from cloudtrail_collector.core.doctor.wiring import is_direct, judge_notification, judge_queue_policy
from cloudtrail_collector.core.notification import ObjectRef
from cloudtrail_collector.core.redrive import LEAST_RECEIVES
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.ports import SetupInquiry
from cloudtrail_spec.report import SetupFinding

PROBE = ".cloudtrail-operator-probe"
"""Name of an object that nobody makes."""


def look_at_setup(subject: Subject, buckets: Sequence[str], inquiry: SetupInquiry) -> list[SetupFinding]:
    """Look at what a running collector does not find out by its work: how queue and buckets are wired.

    It asks for no more than it must: AWS writes down each call that it denies. So regions are looked at where S3 tells them
    unasked.
    """
    answer = inquiry.read_queue()
    if isinstance(answer, AwsError):
        return [judge_queue(subject, answer)]
    return list(_look_at_wiring(subject, buckets, inquiry, answer.value, finds_regions=False))


def examine(
    subject: Subject, buckets: Sequence[str], inquiry: SetupInquiry, *, receives: bool, deletes: bool
) -> Iterator[SetupFinding]:
    """Look at everything, step by step. `receives`: a message may be received; `deletes`: mode Active must work."""
    answer = inquiry.read_queue()
    yield judge_queue(subject, answer)
    announced = None
    if isinstance(answer, Seen):
        received = inquiry.receive() if receives and _bears_receiving(answer.value) else None
        if received is None:
            why = "as you wished" if not receives else "messages would soon go to the dead-letter queue"
            yield not_asked(Step.RECEIVE, subject.queue_arn, f"Nothing was received, {why}.")
        else:
            yield judge_receive(subject, answer.value, received)
            announced = received.value.announced if isinstance(received, Seen) else None
        yield judge_finish(subject, inquiry.try_finishing(), deletes=deletes)
        yield from _look_at_wiring(subject, buckets, inquiry, answer.value, finds_regions=True)
    for bucket in buckets:
        yield from _try_reading(subject, bucket, inquiry, announced)


def _look_at_wiring(
    subject: Subject, buckets: Sequence[str], inquiry: SetupInquiry, setup: QueueSetup, *, finds_regions: bool
) -> Iterator[SetupFinding]:
    described = {bucket: inquiry.read_bucket(bucket) for bucket in buckets}
    yield judge_queue_policy(subject, buckets, setup, described)
    yield judge_queue_key(subject, setup)
    yield judge_redrive_step(subject, setup)
    dead_letters = setup.figures.dead_letter_queue_arn
    counted = judge_dead_letters(subject, setup, inquiry.count_dead_letters(dead_letters) if dead_letters else None)
    if counted is not None:
        yield counted
    for bucket in buckets:
        notification = described[bucket]
        region = _find_region(bucket, inquiry, notification, finds_regions=finds_regions)
        if region is not None:
            yield judge_bucket(subject, bucket, region, direct=is_direct(subject, bucket, setup, notification))
        yield judge_notification(subject, bucket, setup, notification)


def _find_region(
    bucket: str, inquiry: SetupInquiry, notification: Answer[BucketSetup], *, finds_regions: bool
) -> Answer[str | None] | None:
    """Find where a bucket is; None where that is not known and not to be asked."""
    if isinstance(notification, Seen) and notification.value.region is not None:
        return Seen(notification.value.region)
    return inquiry.find_region(bucket) if finds_regions else None


def _bears_receiving(setup: QueueSetup) -> bool:
    """Say whether one more receive does no harm: after too many a message goes to the dead-letter queue."""
    most = setup.figures.max_receive_count
    return most is None or most >= LEAST_RECEIVES


def _try_reading(
    subject: Subject, bucket: str, inquiry: SetupInquiry, announced: ObjectRef | None
) -> Iterator[SetupFinding]:
    listed = inquiry.find_log_file(bucket)
    yield judge_listing(subject, bucket, listed)
    key = listed.value if isinstance(listed, Seen) else None
    if announced is not None and announced.bucket == bucket and announced.key.startswith(subject.log_prefix):
        key = announced.key
    answer = inquiry.read_object(bucket, key or f"{subject.log_prefix}{PROBE}")
    yield judge_read(subject, bucket, answer, exists=key is not None)
    encrypted = judge_log_key(subject, answer)
    if encrypted is not None:
        yield encrypted
