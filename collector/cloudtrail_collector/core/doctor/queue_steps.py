"""What the queue says of itself → whether messages can come, be received and be given up in order."""

from collections.abc import Sequence

from cloudtrail_collector.core.doctor.facts import Answer, QueueSetup, Received, Seen, Subject
from cloudtrail_collector.core.doctor.findings import Step, failed, not_asked, not_seen, right, wrong
from cloudtrail_collector.core.doctor.mends import (
    allow_key,
    allow_look,
    allow_queue,
    create_queue,
    give_dead_letters,
    lift_deny,
    set_attributes,
    set_redrive,
)
from cloudtrail_collector.core.redrive import judge_redrive
from cloudtrail_collector.errors import AwsError
from cloudtrail_spec.arn import DNS_SUFFIXES
from cloudtrail_spec.conditions import ConditionStatus, Reason
from cloudtrail_spec.report import SetupFinding

# SQS's own key for KMS encryption: only its account's principals may use it, and no service.
AWS_KEY = "alias/aws/sqs"


def judge_queue(subject: Subject, answer: Answer[QueueSetup]) -> SetupFinding:
    """Judge whether the queue answers."""
    if isinstance(answer, AwsError):
        return failed(Step.QUEUE, answer, _mend_queue(subject, answer))
    waiting = answer.value.figures
    counts = f"{waiting.visible} messages wait, {waiting.in_flight} are in flight"
    return right(Step.QUEUE, subject.queue_arn, f"The queue answers: {counts}.")


def judge_receive(subject: Subject, setup: QueueSetup, answer: Answer[Received]) -> SetupFinding:
    """Judge one receive, with which messages that KMS encrypts are decrypted."""
    if isinstance(answer, AwsError):
        return failed(Step.RECEIVE, answer, _mend_queue(subject, answer, setup.key))
    if not answer.value.message:
        encrypted = " Whether one could be decrypted is not known." if setup.key else ""
        return right(Step.RECEIVE, subject.queue_arn, f"Messages can be received; none is visible now.{encrypted}")
    decrypted = f" and decrypted with {setup.key}" if setup.key else ""
    message = f"A message was received{decrypted}, and made visible again at once: it counts as one receive."
    return right(Step.RECEIVE, subject.queue_arn, message)


def judge_finish(subject: Subject, refusals: Sequence[AwsError], *, deletes: bool) -> SetupFinding:
    """Judge whether messages can be given back or kept, and in mode Active deleted."""
    mine = [failure for failure in refusals if deletes or failure.action != "sqs:DeleteMessage"]
    if mine:
        return failed(Step.FINISH, mine[0], _mend_queue(subject, mine[0]))
    if refusals:
        message = "Messages can be given back; deleting is not allowed, which mode Active needs and Test does not."
        return right(Step.FINISH, subject.queue_arn, message)
    return right(Step.FINISH, subject.queue_arn, "Messages can be given back and deleted.")


def judge_queue_key(subject: Subject, setup: QueueSetup) -> SetupFinding:
    """Judge whether those who send can use the queue's key."""
    if setup.key is None:
        return right(Step.QUEUE_KEY, subject.queue_arn, "Whoever may send needs no key.")
    if setup.key.endswith(AWS_KEY):
        message = (
            f"The queue is encrypted with {AWS_KEY}, which nobody can let S3, SNS or EventBridge use: it hears nothing."
        )
        mend = set_attributes(subject, KmsMasterKeyId="", SqsManagedSseEnabled="true")
        return wrong(Step.QUEUE_KEY, subject.queue_arn, Reason.KEY_NOT_SHARED, message, mend)
    message = f"The queue is encrypted with {setup.key}; whether its policy lets the sender use it is not looked at."
    return not_asked(Step.QUEUE_KEY, setup.key, message)


def judge_redrive_step(subject: Subject, setup: QueueSetup) -> SetupFinding:
    """Judge the redrive policy, in the words of the condition TestModeSafe."""
    status, reason, message = judge_redrive(setup.figures)
    if status is ConditionStatus.TRUE:
        return right(Step.REDRIVE, subject.queue_arn, message)
    known = setup.figures.dead_letter_queue_arn
    mend = set_redrive(subject, known) if known else give_dead_letters(subject)
    return wrong(Step.REDRIVE, subject.queue_arn, reason, message, mend)


def judge_dead_letters(subject: Subject, setup: QueueSetup, answer: Answer[int] | None) -> SetupFinding | None:
    """Judge the dead-letter queue; None where there is none, which the redrive policy has told."""
    arn = setup.figures.dead_letter_queue_arn
    if arn is None or answer is None:
        return None
    if isinstance(answer, Seen):
        return right(Step.DEAD_LETTERS, arn, f"{answer.value} messages wait in the dead-letter queue.")
    if answer.reason is Reason.QUEUE_NOT_FOUND:
        message = "The dead-letter queue that the queue names does not exist: messages that always fail are lost."
        return wrong(Step.DEAD_LETTERS, arn, Reason.NO_SUCH_DEAD_LETTER_QUEUE, message, create_queue(subject, arn))
    return not_seen(Step.DEAD_LETTERS, answer, allow_look(subject.asker, answer))


def _mend_queue(subject: Subject, failure: AwsError, key: str | None = None) -> str | None:
    match failure.reason:
        case Reason.ACCESS_DENIED:
            return lift_deny(failure) or allow_queue(subject)
        case Reason.KMS_ACCESS_DENIED:
            suffix = DNS_SUFFIXES[subject.queue.partition]
            return allow_key(subject, "DecryptMessages", key, "sqs", suffix)
        case Reason.QUEUE_NOT_FOUND:
            return create_queue(subject, subject.queue_arn)
        case _:
            return None
