"""A stack → the policies of its queue, bucket, topic and key: who may announce, deliver and encrypt.

Every service that is let in is let in for one source only (`aws:SourceArn`): else another customer of AWS could make the
same service do it for him.
"""

from typing import assert_never

from cloudtrail_operator.aws_setup import references as to
from cloudtrail_operator.aws_setup.choices import Wiring
from cloudtrail_operator.aws_setup.documents import (
    Condition,
    Document,
    Statement,
    allow_principal,
    escape,
    one_or_all,
    to_document,
)
from cloudtrail_operator.aws_setup.key_prefix import build_key_pattern
from cloudtrail_operator.aws_setup.policy import QUEUE_ACTIONS
from cloudtrail_operator.aws_setup.stack import Stack
from cloudtrail_spec.arn import Arn

S3 = {"Service": "s3.amazonaws.com"}
SNS = {"Service": "sns.amazonaws.com"}
EVENTS = {"Service": "events.amazonaws.com"}
CLOUDTRAIL = {"Service": "cloudtrail.amazonaws.com"}


def build_queue_policy(stack: Stack) -> Document:
    """Let exactly one sender announce log files, and a reader of another account receive."""
    principal, condition = _find_sender(stack)
    statements = [allow_principal("AnnounceLogFiles", principal, ["sqs:SendMessage"], to.QUEUE_ARN, condition)]
    if stack.foreign_reader:
        reader = {"AWS": stack.foreign_reader}
        statements.append(allow_principal("ReceiveMessages", reader, QUEUE_ACTIONS, to.QUEUE_ARN))
    return to_document(statements)


def build_topic_policy(stack: Stack) -> Document:
    """Let the buckets publish."""
    return to_document([allow_principal("AnnounceLogFiles", S3, ["sns:Publish"], to.TOPIC_ARN, _from_buckets(stack))])


def build_bucket_policy(stack: Stack) -> Document:
    """Let the trails deliver and a reader of another account read; refuse everybody who does not use TLS."""
    from_trails: Condition = {"StringEquals": {"aws:SourceArn": one_or_all(stack.trail_arns)}}
    delivery: Condition = {"StringEquals": {**from_trails["StringEquals"], "s3:x-amz-acl": "bucket-owner-full-control"}}
    write = allow_principal("DeliverLogFiles", CLOUDTRAIL, ["s3:PutObject"], "", delivery)
    write["Resource"] = one_or_all([f"{to.BUCKET_ARN}/{place}" for place in _list_delivery_places(stack)])
    statements = [
        allow_principal("CheckAcl", CLOUDTRAIL, ["s3:GetBucketAcl"], to.BUCKET_ARN, from_trails),
        write,
    ]
    if stack.foreign_reader:
        pattern = f"{to.BUCKET_ARN}/{build_key_pattern(stack.spec.prefix)}"
        statements.append(allow_principal("ReadLogFiles", {"AWS": stack.foreign_reader}, ["s3:GetObject"], pattern))
    if stack.foreign_reader and stack.spec.integrity:
        listed: Condition = {"StringLike": {"s3:prefix": build_key_pattern(stack.spec.prefix)}}
        reader = {"AWS": stack.foreign_reader}
        statements.append(allow_principal("ListLogFiles", reader, ["s3:ListBucket"], to.BUCKET_ARN, listed))
    return to_document([*statements, _refuse_plain_text()])


def build_key_policy(stack: Stack) -> Document:
    """Let the account govern its key, the trail encrypt log files, and whoever announces them encrypt messages."""
    owner = {"AWS": f"arn:{to.PARTITION}:iam::{to.ACCOUNT}:root"}
    statements = [allow_principal("Govern", owner, ["kms:*"], "*")]
    if stack.choices.trail:
        statements += _let_the_trail_encrypt(stack)
    principal, condition = _find_sender(stack)
    encrypt = ["kms:GenerateDataKey", "kms:Decrypt"]
    statements.append(allow_principal("EncryptMessages", principal, encrypt, "*", condition))
    if stack.choices.wiring is Wiring.SNS:
        statements.append(allow_principal("EncryptNotices", S3, encrypt, "*", _from_buckets(stack)))
    if stack.foreign_reader:
        statements.append(allow_principal("Decrypt", {"AWS": stack.foreign_reader}, ["kms:Decrypt"], "*"))
    return to_document(statements)


def _find_sender(stack: Stack) -> tuple[dict[str, str], Condition]:
    match stack.choices.wiring:
        case Wiring.S3:
            return S3, _from_buckets(stack)
        case Wiring.SNS:
            return SNS, {"ArnEquals": {"aws:SourceArn": to.NAMED_TOPIC_ARN}}
        case Wiring.EVENT_BRIDGE:
            return EVENTS, {"ArnEquals": {"aws:SourceArn": to.NAMED_RULE_ARN}}
        case other:
            assert_never(other)


def _from_buckets(stack: Stack) -> Condition:
    return {
        "ArnEquals": {"aws:SourceArn": one_or_all(stack.bucket_arns)},
        "StringEquals": {"aws:SourceAccount": stack.choices.bucket_account or to.ACCOUNT},
    }


def _list_delivery_places(stack: Stack) -> list[str]:
    """List where trails write: a folder for each of their accounts, and one for the organization."""
    accounts = [to.ACCOUNT] if stack.choices.trail else [Arn.parse(arn).account for arn in stack.choices.trail_arns]
    folders = [*dict.fromkeys(accounts), *([stack.choices.organization] if stack.choices.organization else [])]
    return [f"{escape(stack.trail_prefix)}AWSLogs/{folder}/*" for folder in folders]


def _refuse_plain_text() -> Statement:
    return {
        "Sid": "RefusePlainText",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [to.BUCKET_ARN, f"{to.BUCKET_ARN}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _let_the_trail_encrypt(stack: Stack) -> list[Statement]:
    from_trail = {"aws:SourceArn": one_or_all(stack.trail_arns)}
    context = {"kms:EncryptionContext:aws:cloudtrail:arn": f"arn:{to.PARTITION}:cloudtrail:*:{to.ACCOUNT}:trail/*"}
    condition: Condition = {"StringEquals": from_trail, "StringLike": context}
    return [
        allow_principal("EncryptLogFiles", CLOUDTRAIL, ["kms:GenerateDataKey*"], "*", condition),
        allow_principal("DescribeKey", CLOUDTRAIL, ["kms:DescribeKey"], "*", {"StringEquals": from_trail}),
    ]
