"""A bucket's notifications and the queue's policy → whether new log files are announced to the queue."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudtrail_collector.core.doctor.facts import Answer, BucketSetup, QueueSetup, Seen, Subject
from cloudtrail_collector.core.doctor.findings import Step, not_asked, not_seen, right, wrong
from cloudtrail_collector.core.doctor.mends import (
    allow_bucket_to_send,
    allow_look,
    allow_sender,
    announce_to_queue,
    subscribe,
)
from cloudtrail_collector.core.doctor.queue_policy import Sender, may_send
from cloudtrail_collector.errors import AwsError
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.log_prefix import SUFFIX
from cloudtrail_spec.report import SetupFinding

CREATED = frozenset({"s3:ObjectCreated:*", "s3:ObjectCreated:Put"})


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule of a bucket's notifications, and what keeps it from announcing the source's log files."""

    target: str
    obstacle: str | None


def judge_notification(subject: Subject, bucket: str, setup: QueueSetup, answer: Answer[BucketSetup]) -> SetupFinding:
    """Judge whether the bucket tells the queue of new log files: directly, by a topic, or by EventBridge."""
    if isinstance(answer, AwsError):
        return not_seen(Step.NOTIFICATION, answer, allow_look(subject.asker, answer))
    arn, seen = subject.bucket_arn(bucket), answer.value
    rules = [rule for rule in _read_rules(seen.notification, "Queue", subject) if rule.target == subject.queue_arn]
    if any(rule.obstacle is None for rule in rules):
        return right(Step.NOTIFICATION, arn, "The bucket tells the queue of new log files.")
    finding = _judge_topics(subject, arn, seen) or _judge_rules(subject, arn, seen)
    if finding is not None:
        return finding
    if not rules and may_send(setup.policy, Sender("sns"), subject.queue_arn):
        message = "The bucket tells the queue nothing; the trail's own topic may, if the queue subscribes to one."
        mend = "aws cloudtrail describe-trails --query 'trailList[].SnsTopicARN' shows the topics"
        return not_asked(Step.NOTIFICATION, arn, message, mend)
    message = f"The bucket does not tell the queue of new log files{_join_obstacles(rules)}."
    mend = announce_to_queue(subject, bucket, seen.notification)
    return wrong(Step.NOTIFICATION, arn, Reason.NO_NOTIFICATION, message, mend)


def is_direct(subject: Subject, bucket: str, setup: QueueSetup, answer: Answer[BucketSetup]) -> bool:
    """Say whether the bucket itself is to tell the queue: topics and EventBridge reach other regions, too."""
    if isinstance(answer, Seen):
        return _tells_queue(subject, answer.value) or not (answer.value.topics or answer.value.rules)
    return may_send(setup.policy, Sender("s3", subject.bucket_arn(bucket)), subject.queue_arn)


def judge_queue_policy(
    subject: Subject, buckets: Sequence[str], setup: QueueSetup, answers: Mapping[str, Answer[BucketSetup]]
) -> SetupFinding:
    """Judge whether the queue lets those send that the buckets tell; as long as that is not known, any of them."""
    for bucket in buckets:
        finding = _judge_sender(subject, bucket, setup, answers.get(bucket))
        if finding is not None:
            return finding
    return right(Step.QUEUE_POLICY, subject.queue_arn, "The queue's policy lets new log files be announced.")


def _judge_sender(
    subject: Subject, bucket: str, setup: QueueSetup, answer: Answer[BucketSetup] | None
) -> SetupFinding | None:
    direct = Sender("s3", subject.bucket_arn(bucket))
    between = _list_between(subject, answer.value) if isinstance(answer, Seen) else [Sender("sns"), Sender("events")]
    tells = not isinstance(answer, Seen) or _tells_queue(subject, answer.value) or not between
    senders = [*([direct] if tells else []), *between]
    if any(may_send(setup.policy, sender, subject.queue_arn) for sender in senders):
        return None
    if tells:
        message = f"The queue's policy does not let bucket {bucket} send to it: nothing is announced."
        mend = allow_bucket_to_send(subject, setup.policy, bucket)
    else:
        source = str(between[0].source_arn)
        message = f"The queue's policy does not let {source} send to it: nothing is announced."
        condition = {"ArnEquals": {"aws:SourceArn": source}}
        mend = allow_sender(subject, setup.policy, f"{between[0].service}.amazonaws.com", condition)
    return wrong(Step.QUEUE_POLICY, subject.queue_arn, Reason.SENDER_NOT_ALLOWED, message, mend)


def _tells_queue(subject: Subject, seen: BucketSetup) -> bool:
    return any(rule.target == subject.queue_arn for rule in _read_rules(seen.notification, "Queue", subject))


def _list_between(subject: Subject, seen: BucketSetup) -> list[Sender]:
    """List who stands between a bucket and the queue."""
    topics = [Sender("sns", arn) for arn, answer in seen.topics.items() if _may_reach(answer, subject)]
    if seen.rules is None:
        return topics
    if isinstance(seen.rules, AwsError):
        return [*topics, Sender("events")]
    return [*topics, *(Sender("events", _build_rule_arn(subject, name)) for name in seen.rules.value)]


def _may_reach(answer: Answer[tuple[str, ...]], subject: Subject) -> bool:
    return isinstance(answer, AwsError) or subject.queue_arn in answer.value


def _build_rule_arn(subject: Subject, name: str) -> str:
    queue = subject.queue
    return f"arn:{queue.partition}:events:{queue.region}:{queue.account}:rule/{name}"


def _judge_topics(subject: Subject, arn: str, seen: BucketSetup) -> SetupFinding | None:
    """Judge the way by topics; None where the bucket tells none of log files."""
    topics = [rule for rule in _read_rules(seen.notification, "Topic", subject) if rule.obstacle is None]
    for topic in topics:
        answer = seen.topics.get(topic.target)
        if isinstance(answer, AwsError):
            return not_seen(Step.NOTIFICATION, answer, allow_look(subject.asker, answer))
        if answer is not None and subject.queue_arn in answer.value:
            return right(Step.NOTIFICATION, arn, f"The bucket tells {topic.target}, and that the queue.")
    if not topics or isinstance(seen.rules, Seen):
        return None
    target = topics[0].target
    message = f"The bucket tells {target} of new log files, to which the queue does not subscribe."
    return wrong(Step.NOTIFICATION, arn, Reason.NO_NOTIFICATION, message, subscribe(target, subject))


def _judge_rules(subject: Subject, arn: str, seen: BucketSetup) -> SetupFinding | None:
    """Judge the way by EventBridge; None where no rule sends to the queue."""
    if isinstance(seen.rules, AwsError):
        return not_seen(Step.NOTIFICATION, seen.rules, allow_look(subject.asker, seen.rules))
    if seen.rules is None or not seen.rules.value:
        return None
    names = ", ".join(seen.rules.value)
    return right(Step.NOTIFICATION, arn, f"The bucket tells EventBridge, whose rules send to the queue: {names}.")


def _join_obstacles(rules: Sequence[_Rule]) -> str:
    return "".join(f": {rule.obstacle}" for rule in rules[:1])


def _read_rules(notification: Mapping[str, Any], kind: str, subject: Subject) -> Iterator[_Rule]:
    for entry in notification.get(f"{kind}Configurations", ()):
        yield _Rule(entry[f"{kind}Arn"], _find_obstacle(entry, subject.log_prefix))


def _find_obstacle(entry: Mapping[str, Any], log_prefix: str) -> str | None:
    """Say why a rule announces none of the source's log files; None where it does, or a part of them."""
    if not CREATED & set(entry.get("Events", ())):
        return f"its rule is about {', '.join(entry.get('Events', ()))}, not about s3:ObjectCreated:*"
    filters = ((entry.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
    wanted = {str(one["Name"]).lower(): str(one["Value"]) for one in filters}
    prefix, suffix = wanted.get("prefix", ""), wanted.get("suffix", "")
    if not log_prefix.startswith(prefix) and not prefix.startswith(log_prefix):
        return f"its rule is about keys that begin with {prefix}, and those of log files begin with {log_prefix}"
    if not SUFFIX.endswith(suffix) and not suffix.endswith(SUFFIX):
        return f"its rule is about keys that end with {suffix}, and those of log files end with {SUFFIX}"
    return None
