"""The lines that mend what is wrong: commands that can be run as they stand. What is changed keeps what it has already."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from cloudtrail_collector.core.doctor.facts import Subject
from cloudtrail_collector.errors import AwsError
from cloudtrail_spec.arn import Arn
from cloudtrail_spec.log_prefix import SUFFIX

QUEUE_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes")
MOST_RECEIVES = 10
LONGEST_RETENTION = str(14 * 24 * 3600)
_VERSION = "2012-10-17"
_ROLE = re.compile(r":(?:assumed-role/(?P<assumed>[^/]+)/.+|role/(?:.+/)?(?P<named>[^/]+))\Z")


def allow_queue(subject: Subject) -> str:
    """Allow everything about the queue that a collector does."""
    return _attach(subject.asker, _allow("ReceiveMessages", list(QUEUE_ACTIONS), subject.queue_arn))


def allow_reading(subject: Subject, bucket: str) -> str:
    """Allow to read log files."""
    pattern = f"{_escape(subject.log_prefix)}*"
    return _attach(subject.asker, _allow("ReadLogFiles", "s3:GetObject", subject.bucket_arn(bucket, pattern)))


def allow_key(subject: Subject, sid: str, key_arn: str | None, service: str, dns_suffix: str) -> str:
    """Allow to decrypt with a key, through the service that holds what it encrypts."""
    if key_arn is None or not key_arn.startswith("arn:"):
        option = "--log-key" if service == "s3" else "--queue-key"
        return f"cloudtrail-operator aws policy -f source.yaml {option} KEY_ARN prints the statement that is missing"
    condition = {"StringEquals": {"kms:ViaService": f"{service}.{Arn.parse(key_arn).region}.{dns_suffix}"}}
    return _attach(subject.asker, _allow(sid, "kms:Decrypt", key_arn) | {"Condition": condition})


def allow_look(asker: str | None, failure: AwsError) -> str:
    """Allow what AWS has refused, and collecting does not need."""
    return _attach(asker, _allow(failure.action.replace(":", ""), failure.action, failure.resource))


def lift_deny(failure: AwsError) -> str | None:
    """Say what to do where no statement that allows helps, because one denies; None where none is known to."""
    if "explicit deny" not in failure.message.lower():
        return None
    return f"take {failure.action} out of the explicit deny that AWS names"


def allow_assuming(role_arn: str, asker: str | None) -> str:
    """Allow to assume a role, on the side of who assumes it; the role must trust him besides."""
    return _attach(asker, _allow("AssumeRoles", "sts:AssumeRole", role_arn))


def allow_sender(subject: Subject, policy: str | None, principal: str, condition: Mapping[str, Any]) -> str:
    """Let a service send to the queue, besides whatever its policy says already."""
    statement = {
        "Sid": "AnnounceLogFiles",
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": "sqs:SendMessage",
        "Resource": subject.queue_arn,
        "Condition": condition,
    }
    document: dict[str, Any] = json.loads(policy) if policy else {"Version": _VERSION, "Statement": []}
    present = document.get("Statement") or []
    kept = [one for one in (present if isinstance(present, list) else [present]) if one.get("Sid") != statement["Sid"]]
    return set_attributes(subject, Policy=_dump(document | {"Statement": [*kept, statement]}))


def allow_bucket_to_send(subject: Subject, policy: str | None, bucket: str) -> str:
    """Let a bucket of the queue's account send to the queue."""
    condition = {
        "ArnEquals": {"aws:SourceArn": subject.bucket_arn(bucket)},
        "StringEquals": {"aws:SourceAccount": subject.queue.account},
    }
    return allow_sender(subject, policy, "s3.amazonaws.com", condition)


def set_redrive(subject: Subject, dead_letter_arn: str) -> str:
    """Let the queue give up after enough receives."""
    redrive = {"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": str(MOST_RECEIVES)}
    return set_attributes(subject, RedrivePolicy=_dump(redrive))


def give_dead_letters(subject: Subject) -> str:
    """Give the queue a dead-letter queue, which is made if there is none of that name."""
    queue = subject.queue
    name = f"{queue.resource}-dead-letter"
    arn = f"arn:{queue.partition}:sqs:{queue.region}:{queue.account}:{name}"
    return f"{create_queue(subject, arn)} && {set_redrive(subject, arn)}"


def create_queue(subject: Subject, queue_arn: str) -> str:
    """Make a queue, with the longest retention; one that exists is left as it is but for that."""
    name = Arn.parse(queue_arn).resource
    url = f"{subject.queue_url.rpartition('/')[0]}/{name}"
    create = ("aws", "sqs", "create-queue", "--region", subject.queue.region, "--queue-name", name)
    return f"{shlex.join(create)} && {_set(subject, url, MessageRetentionPeriod=LONGEST_RETENTION)}"


def set_attributes(subject: Subject, **attributes: str) -> str:
    """Change attributes of the queue."""
    return _set(subject, subject.queue_url, **attributes)


def _set(subject: Subject, queue_url: str, **attributes: str) -> str:
    return shlex.join(
        (
            *("aws", "sqs", "set-queue-attributes", "--region", subject.queue.region),
            *("--queue-url", queue_url, "--attributes", _dump(attributes)),
        )
    )


def announce_to_queue(subject: Subject, bucket: str, present: Mapping[str, Any]) -> str:
    """Let a bucket announce log files to the queue, besides whom it tells already."""
    rules = [{"Name": "prefix", "Value": subject.log_prefix}, {"Name": "suffix", "Value": SUFFIX}]
    wanted = {
        "QueueArn": subject.queue_arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": rules}},
    }
    kept = [one for one in present.get("QueueConfigurations", ()) if one.get("QueueArn") != subject.queue_arn]
    document = _dump({**present, "QueueConfigurations": [*kept, wanted]})
    return shlex.join(
        (
            *("aws", "s3api", "put-bucket-notification-configuration", "--bucket", bucket),
            *("--notification-configuration", document),
        )
    )


def subscribe(topic_arn: str, subject: Subject) -> str:
    """Subscribe the queue to a topic."""
    return shlex.join(
        (
            *("aws", "sns", "subscribe", "--region", Arn.parse(topic_arn).region, "--topic-arn", topic_arn),
            *("--protocol", "sqs", "--notification-endpoint", subject.queue_arn),
        )
    )


def _attach(asker: str | None, statement: dict[str, Any]) -> str:
    """Give a statement to whoever asks, in a policy of its own; where nobody knows who that is, it is the statement."""
    document = _dump({"Version": _VERSION, "Statement": [statement]})
    name = ("--policy-name", f"cloudtrail-{statement['Sid']}", "--policy-document", document)
    role = _ROLE.search(asker or "")
    if role:
        return shlex.join(("aws", "iam", "put-role-policy", "--role-name", role["assumed"] or role["named"], *name))
    if asker and ":user/" in asker:
        return shlex.join(("aws", "iam", "put-user-policy", "--user-name", asker.rpartition("/")[2], *name))
    return document


def _allow(sid: str, actions: str | Sequence[str], resource: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}


def _escape(text: str) -> str:
    """Write a text so that IAM takes every character of it literally."""
    return re.sub(r"[*?$]", lambda match: f"${{{match[0]}}}", text)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
