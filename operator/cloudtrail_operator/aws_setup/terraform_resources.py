"""A stack → the resources of a Terraform module, in the words of the provider hashicorp/aws."""

from typing import Any

from cloudtrail_operator.aws_setup import references as to
from cloudtrail_operator.aws_setup.choices import Wiring
from cloudtrail_operator.aws_setup.hcl import Block, Expression, Json
from cloudtrail_operator.aws_setup.reader import Reader
from cloudtrail_operator.aws_setup.resource_policies import (
    build_bucket_policy,
    build_key_policy,
    build_queue_policy,
    build_topic_policy,
)
from cloudtrail_operator.aws_setup.stack import RETENTION_SECONDS, Stack
from cloudtrail_operator.core.names import workload_name
from cloudtrail_spec.log_prefix import SUFFIX

NAMES = {
    "partition": "data.aws_partition.current.partition",
    "account": "data.aws_caller_identity.current.account_id",
    "region": "data.aws_region.current.region",
    "dns_suffix": "data.aws_partition.current.dns_suffix",
    "bucket": "var.bucket",
    "queue": "var.queue_name",
    "trail": "var.trail_name",
    "role": "var.role_name",
    "visibility": "var.visibility_timeout_seconds",
    "max_receives": "var.max_receive_count",
    "queue_arn": "aws_sqs_queue.notifications.arn",
    "dead_letter_arn": "aws_sqs_queue.dead_letter.arn",
    "topic_arn": "aws_sns_topic.log_files.arn",
    "key_arn": "aws_kms_key.trail.arn",
    "role_arn": "aws_iam_role.collector.arn",
}
"""What each reference is called in the module."""

_KEPT = Block(("lifecycle",), {"prevent_destroy": True})
_BUCKET_ID = Expression("aws_s3_bucket.logs.id")


def build_resources(stack: Stack) -> list[Block]:
    """Build the resources."""
    blocks = _build_queues(stack)
    if stack.choices.wiring is Wiring.SNS:
        blocks += _build_topic(stack)
    if stack.choices.wiring is Wiring.EVENT_BRIDGE:
        blocks += _build_rule(stack)
    if stack.makes_bucket:
        blocks += [*_build_bucket(stack), _build_notification(stack)]
    if stack.choices.trail:
        blocks.append(_build_trail(stack))
    if stack.choices.own_key:
        blocks += _build_key(stack)
    if stack.reader:
        blocks += _build_reader(stack, stack.reader)
    return blocks


def _resource(kind: str, name: str, attributes: dict[str, Any], *blocks: Block) -> Block:
    return Block(("resource", kind, name), attributes, blocks)


def _build_queues(stack: Stack) -> list[Block]:
    encryption = {"kms_master_key_id": to.KEY_ARN} if stack.choices.own_key else {"sqs_managed_sse_enabled": True}
    kept = {"message_retention_seconds": RETENTION_SECONDS, **encryption}
    redrive = {"deadLetterTargetArn": to.DEAD_LETTER_ARN, "maxReceiveCount": to.MAX_RECEIVES}
    queue = {
        "name": to.QUEUE,
        "visibility_timeout_seconds": to.VISIBILITY,
        **kept,
        "redrive_policy": Json(redrive),
    }
    allowed = {"redrivePermission": "byQueue", "sourceQueueArns": [to.QUEUE_ARN]}
    return [
        _resource("aws_sqs_queue", "dead_letter", {"name": f"{to.QUEUE}-dead-letter", **kept}),
        _resource("aws_sqs_queue", "notifications", queue),
        _resource(
            "aws_sqs_queue_redrive_allow_policy",
            "dead_letter",
            {"queue_url": Expression("aws_sqs_queue.dead_letter.url"), "redrive_allow_policy": Json(allowed)},
        ),
        _resource(
            "aws_sqs_queue_policy",
            "notifications",
            {"queue_url": Expression("aws_sqs_queue.notifications.url"), "policy": Json(build_queue_policy(stack))},
        ),
    ]


def _build_topic(stack: Stack) -> list[Block]:
    encryption = {"kms_master_key_id": to.KEY_ARN} if stack.choices.own_key else {}
    subscription = {
        "topic_arn": to.TOPIC_ARN,
        "protocol": "sqs",
        "endpoint": to.QUEUE_ARN,
        "raw_message_delivery": True,
        "depends_on": [Expression("aws_sqs_queue_policy.notifications")],
    }
    policy = {"arn": to.TOPIC_ARN, "policy": Json(build_topic_policy(stack))}
    return [
        _resource("aws_sns_topic", "log_files", {"name": to.QUEUE, **encryption}),
        _resource("aws_sns_topic_policy", "log_files", policy),
        _resource("aws_sns_topic_subscription", "queue", subscription),
    ]


def _build_rule(stack: Stack) -> list[Block]:
    rule = {
        "name": to.QUEUE,
        "description": f"New log files for CloudTrailSource {stack.key}",
        "event_pattern": Json(stack.event_pattern),
    }
    target = {
        "rule": Expression("aws_cloudwatch_event_rule.log_files.name"),
        "arn": to.QUEUE_ARN,
        "depends_on": [Expression("aws_sqs_queue_policy.notifications")],
    }
    return [
        _resource("aws_cloudwatch_event_rule", "log_files", rule),
        _resource("aws_cloudwatch_event_target", "queue", target),
    ]


def _build_bucket(stack: Stack) -> list[Block]:
    blocked = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    by_default = Block(("apply_server_side_encryption_by_default",), {"sse_algorithm": "AES256"})
    of_bucket = {"bucket": _BUCKET_ID}
    return [
        _resource("aws_s3_bucket", "logs", {"bucket": to.BUCKET}, _KEPT),
        _resource("aws_s3_bucket_public_access_block", "logs", {**of_bucket, **dict.fromkeys(blocked, True)}),
        _resource(
            "aws_s3_bucket_ownership_controls",
            "logs",
            of_bucket,
            Block(("rule",), {"object_ownership": "BucketOwnerEnforced"}),
        ),
        _resource(
            "aws_s3_bucket_server_side_encryption_configuration", "logs", of_bucket, Block(("rule",), {}, [by_default])
        ),
        _resource(
            "aws_s3_bucket_versioning", "logs", of_bucket, Block(("versioning_configuration",), {"status": "Enabled"})
        ),
        _resource(
            "aws_s3_bucket_policy",
            "logs",
            {**of_bucket, "policy": Json(build_bucket_policy(stack))},
        ),
    ]


def _build_notification(stack: Stack) -> Block:
    if stack.choices.wiring is Wiring.EVENT_BRIDGE:
        return _resource("aws_s3_bucket_notification", "logs", {"bucket": _BUCKET_ID, "eventbridge": True})
    # S3 tries the way of an announcement when it is configured.
    kind, target, first = {
        Wiring.S3: ("queue", {"queue_arn": to.QUEUE_ARN}, "aws_sqs_queue_policy.notifications"),
        Wiring.SNS: ("topic", {"topic_arn": to.TOPIC_ARN}, "aws_sns_topic_policy.log_files"),
    }[stack.choices.wiring]
    what = {**target, "events": ["s3:ObjectCreated:*"], "filter_prefix": stack.log_prefix, "filter_suffix": SUFFIX}
    attributes = {"bucket": _BUCKET_ID, "depends_on": [Expression(first)]}
    return _resource("aws_s3_bucket_notification", "logs", attributes, Block((kind,), what))


def _build_trail(stack: Stack) -> Block:
    prefix = stack.trail_prefix.removesuffix("/")
    attributes = {
        "name": to.TRAIL,
        "s3_bucket_name": _BUCKET_ID,
        **({"s3_key_prefix": prefix} if prefix else {}),
        "is_multi_region_trail": True,
        "include_global_service_events": True,
        "enable_log_file_validation": True,
        **({"is_organization_trail": True} if stack.choices.organization else {}),
        **({"kms_key_id": to.KEY_ARN} if stack.choices.own_key else {}),
        "depends_on": [Expression("aws_s3_bucket_policy.logs")],
    }
    return _resource("aws_cloudtrail", "trail", attributes)


def _build_key(stack: Stack) -> list[Block]:
    key = {
        "description": f"Log files and messages of CloudTrailSource {stack.key}",
        "enable_key_rotation": True,
        "policy": Json(build_key_policy(stack)),
    }
    alias = {"name": f"alias/{to.QUEUE}", "target_key_id": Expression("aws_kms_key.trail.key_id")}
    return [_resource("aws_kms_key", "trail", key, _KEPT), _resource("aws_kms_alias", "trail", alias)]


def _build_reader(stack: Stack, reader: Reader) -> list[Block]:
    if reader.trust is None:
        what = f"What the user of CloudTrailSource {stack.key} may do"
        return [_resource("aws_iam_policy", "collector", {"description": what, "policy": Json(reader.policy)})]
    role = {
        **({"name": to.ROLE} if reader.name else {"name_prefix": f"{stack.key.name[:20]}-collector-"}),
        **({"path": reader.path} if reader.path != "/" else {}),
        "description": f"Collectors of CloudTrailSource {stack.key}",
        "assume_role_policy": Json(reader.trust),
    }
    policy = {"name": "collect", "role": Expression("aws_iam_role.collector.id"), "policy": Json(reader.policy)}
    blocks = [
        _resource("aws_iam_role", "collector", role),
        _resource("aws_iam_role_policy", "collector", policy),
    ]
    if reader.cluster:
        association = {
            "cluster_name": reader.cluster,
            "namespace": stack.key.namespace,
            "service_account": workload_name(stack.key.name),
            "role_arn": to.ROLE_ARN,
        }
        blocks.append(_resource("aws_eks_pod_identity_association", "collector", association))
    return blocks
