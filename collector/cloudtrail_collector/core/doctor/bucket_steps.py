"""What a bucket says of itself → whether its log files are where the source looks for them, and can be read."""

import re

from cloudtrail_collector.core.doctor.facts import Answer, ObjectSetup, Seen, Subject
from cloudtrail_collector.core.doctor.findings import Step, failed, not_asked, not_seen, right, wrong
from cloudtrail_collector.core.doctor.mends import allow_key, allow_look, allow_reading, lift_deny
from cloudtrail_collector.errors import AwsError
from cloudtrail_spec.arn import DNS_SUFFIXES
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.report import SetupFinding

_KEY_ARN = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+")


def judge_bucket(subject: Subject, bucket: str, answer: Answer[str | None], *, direct: bool) -> SetupFinding:
    """Judge the bucket's region: S3 tells a queue or topic of its own region only. `direct`: not by EventBridge."""
    arn = subject.bucket_arn(bucket)
    if isinstance(answer, AwsError):
        if answer.reason is Reason.BUCKET_NOT_FOUND:
            return failed(
                Step.BUCKET, answer, f"put the name of the trail's bucket into the source: bucket: NAME, not {bucket}"
            )
        return not_seen(Step.BUCKET, answer, allow_look(subject.asker, answer))
    if answer.value is None:
        return not_asked(Step.BUCKET, arn, "S3 does not say in which region the bucket is.")
    if direct and answer.value != subject.queue.region:
        message = (
            f"The bucket is in {answer.value}, the queue in {subject.queue.region}: S3 tells a queue or topic of its own"
            " region only."
        )
        mend = (
            f"make the queue in {answer.value} and name it in queueArn and region: cloudtrail-operator aws cloudformation"
            " -f source.yaml --existing-bucket; or send by EventBridge (--wiring EventBridge)"
        )
        return wrong(Step.BUCKET, arn, Reason.OTHER_REGION, message, mend)
    return right(Step.BUCKET, arn, f"The bucket is in {answer.value}.")


def judge_listing(subject: Subject, bucket: str, answer: Answer[str | None]) -> SetupFinding:
    """Judge whether there is any log file below the prefix."""
    place = subject.bucket_arn(bucket, subject.log_prefix)
    if isinstance(answer, AwsError):
        return not_seen(Step.LOG_FILES, answer, allow_look(subject.asker, answer))
    if answer.value is None:
        message = f"The bucket has no object whose key begins with {subject.log_prefix}."
        mend = f"aws s3 ls s3://{bucket}/ shows what is there; the trail's own prefix belongs into the source: prefix: NAME"
        return wrong(Step.LOG_FILES, place, Reason.NO_LOG_FILES, message, mend)
    return right(Step.LOG_FILES, place, f"There are log files below {subject.log_prefix}.")


def judge_read(subject: Subject, bucket: str, answer: Answer[ObjectSetup], *, exists: bool) -> SetupFinding:
    """Judge one read: of a log file that `exists`, or of a key that does not.

    Without s3:ListBucket S3 answers AccessDenied for a missing key, so that says nothing.
    """
    pattern = subject.bucket_arn(bucket, f"{subject.log_prefix}*")
    if isinstance(answer, Seen):
        return right(Step.READ, answer.value.key, "A log file was read.")
    if answer.reason is Reason.OBJECT_NOT_FOUND:
        gone = (
            "The announced object is not there any more, but reading is allowed." if exists else "Reading is allowed."
        )
        return right(Step.READ, pattern, gone)
    if answer.reason is Reason.ACCESS_DENIED and not exists:
        message = (
            "No log file is known to try, and S3 does not say whether reading is allowed: the first message shows it."
        )
        return not_asked(Step.READ, pattern, message)
    return failed(Step.READ, answer, _mend_reading(subject, bucket, answer))


def judge_log_key(subject: Subject, answer: Answer[ObjectSetup]) -> SetupFinding | None:
    """Judge whether log files can be decrypted; None where no log file was read."""
    if isinstance(answer, Seen):
        key = answer.value.kms_key
        if key is None:
            return right(Step.LOG_KEY, answer.value.key, "The log file is not encrypted with a key of KMS.")
        return right(Step.LOG_KEY, key, "Log files can be decrypted with this key.")
    if answer.reason is Reason.KMS_ACCESS_DENIED:
        key = _find_key(answer)
        suffix = DNS_SUFFIXES[subject.queue.partition]
        return failed(Step.LOG_KEY, answer, allow_key(subject, "DecryptLogFiles", key, "s3", suffix))
    return None


def _mend_reading(subject: Subject, bucket: str, failure: AwsError) -> str | None:
    if failure.reason is Reason.ACCESS_DENIED:
        return lift_deny(failure) or allow_reading(subject, bucket)
    if failure.reason is Reason.KMS_ACCESS_DENIED:
        suffix = DNS_SUFFIXES[subject.queue.partition]
        return allow_key(subject, "DecryptLogFiles", _find_key(failure), "s3", suffix)
    return None


def _find_key(failure: AwsError) -> str | None:
    """Find the key that S3's refusal names."""
    match = _KEY_ARN.search(failure.message)
    return match[0] if match else None
