"""What a team sets up in AWS before it installs a source: bucket, queue with a dead-letter queue, wiring, role.

The policies are the least that a collector needs; where the stand-in enforces IAM, that they suffice is proven by use.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from localcluster.aws.endpoint import AwsEndpoint

ISSUER_HOST = "oidc.cluster.local"
AUDIENCE = "sts.amazonaws.com"
Policy = dict[str, Any]
# AWS checks a batch call by its singular action; ministack wants one of the batch's own name, which AWS does not know.
MINISTACK_ACTIONS = ("sqs:ChangeMessageVisibilityBatch", "sqs:DeleteMessageBatch")


@dataclass(frozen=True, slots=True)
class TrailStorage:
    """What a source names in its spec, and what a test looks at."""

    bucket: str
    queue_arn: str
    queue_url: str
    dead_letter_queue_url: str
    role_arn: str
    topic_arn: str | None = None


def create_trail_storage(
    aws: AwsEndpoint,
    name: str,
    *,
    service_accounts: Iterable[str] = ("default:default",),
    issuer_host: str = ISSUER_HOST,
    visibility_timeout_seconds: int = 120,
    max_receive_count: int = 5,
    through_sns: bool = False,
) -> TrailStorage:
    """Create bucket, queues, notification and role, all called after `name`.

    `service_accounts` are `namespace:name` pairs that may assume the role (IRSA). With `through_sns` the bucket
    notifies a topic that the queue subscribes to.
    """
    bucket = f"{name}-trail"
    aws.client("s3").create_bucket(Bucket=bucket)
    sqs = aws.client("sqs")
    dead_letter_url = sqs.create_queue(QueueName=f"{name}-dead-letter")["QueueUrl"]
    queue_arn = _arn(aws, "sqs", name)
    sender = _build_sns_sender(_arn(aws, "sns", name)) if through_sns else _build_s3_sender(bucket, aws.account_id)
    redrive = {"deadLetterTargetArn": _arn(aws, "sqs", f"{name}-dead-letter"), "maxReceiveCount": max_receive_count}
    queue_url = sqs.create_queue(
        QueueName=name,
        Attributes={
            "VisibilityTimeout": str(visibility_timeout_seconds),
            "RedrivePolicy": json.dumps(redrive),
            "Policy": json.dumps(build_queue_policy(queue_arn, sender)),
        },
    )["QueueUrl"]
    topic_arn = _wire(aws, bucket, queue_arn, name, through_sns=through_sns)
    role_arn = _create_role(
        aws, name, bucket, queue_arn, build_trust_policy(aws.account_id, issuer_host, service_accounts)
    )
    return TrailStorage(bucket, queue_arn, queue_url, dead_letter_url, role_arn, topic_arn)


def _arn(aws: AwsEndpoint, service: str, name: str) -> str:
    return f"arn:aws:{service}:{aws.region}:{aws.account_id}:{name}"


def _wire(aws: AwsEndpoint, bucket: str, queue_arn: str, name: str, *, through_sns: bool) -> str | None:
    s3 = aws.client("s3")
    if not through_sns:
        wiring: Any = {"QueueConfigurations": [{"QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"]}]}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wiring)
        return None
    sns = aws.client("sns")
    topic_arn = str(sns.create_topic(Name=name)["TopicArn"])
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
    wiring = {"TopicConfigurations": [{"TopicArn": topic_arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wiring)
    return topic_arn


def _create_role(aws: AwsEndpoint, name: str, bucket: str, queue_arn: str, trust: Policy) -> str:
    iam = aws.client("iam")
    role = iam.create_role(RoleName=f"{name}-collector", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(
        RoleName=f"{name}-collector",
        PolicyName="collect",
        PolicyDocument=json.dumps(build_collector_policy(queue_arn, bucket)),
    )
    return str(role["Role"]["Arn"])


def build_collector_policy(queue_arn: str, bucket: str) -> Policy:
    """Build the policy of a collector's role: four queue actions and one bucket action, nothing that writes to S3."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Queue",
                "Effect": "Allow",
                "Action": [
                    "sqs:ReceiveMessage",
                    "sqs:DeleteMessage",
                    "sqs:ChangeMessageVisibility",
                    "sqs:GetQueueAttributes",
                    *MINISTACK_ACTIONS,
                ],
                "Resource": queue_arn,
            },
            {
                "Sid": "ReadLogs",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/AWSLogs/*",
            },
        ],
    }


def build_trust_policy(account_id: str, issuer_host: str, service_accounts: Iterable[str]) -> Policy:
    """Build the trust policy of an IRSA role: exactly these ServiceAccounts, exactly this audience."""
    subjects = [f"system:serviceaccount:{account}" for account in service_accounts]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{account_id}:oidc-provider/{issuer_host}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    # AWS compares a token's only audience with StringEquals; ministack keeps it a list, as it stands in
                    # the token, and AWS's operator for lists is this one.
                    "ForAnyValue:StringEquals": {f"{issuer_host}:aud": AUDIENCE},
                    "StringEquals": {f"{issuer_host}:sub": subjects},
                },
            }
        ],
    }


def build_queue_policy(queue_arn: str, sender: Policy) -> Policy:
    """Build the queue policy that lets exactly one sender announce objects: a principal with its condition."""
    statement = {"Sid": "Announce", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue_arn, **sender}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _build_s3_sender(bucket: str, account_id: str) -> Policy:
    return {
        "Principal": {"Service": "s3.amazonaws.com"},
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
            "StringEquals": {"aws:SourceAccount": account_id},
        },
    }


def _build_sns_sender(topic_arn: str) -> Policy:
    return {
        "Principal": {"Service": "sns.amazonaws.com"},
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
