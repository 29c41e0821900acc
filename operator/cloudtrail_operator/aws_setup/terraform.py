"""A stack → a Terraform module: main.tf, variables.tf, outputs.tf. Its outputs are the fields of the CloudTrailSource."""

from typing import Any

from cloudtrail_operator.aws_setup import references as to
from cloudtrail_operator.aws_setup.hcl import Block, Expression, Json, to_hcl
from cloudtrail_operator.aws_setup.stack import MAX_RECEIVES, VISIBILITY_SECONDS, Stack
from cloudtrail_operator.aws_setup.terraform_resources import NAMES, build_resources
from cloudtrail_spec.arn import Arn

AWS_PROVIDER = ">= 6.0"  # its data source aws_region calls the region so


def build_module(stack: Stack) -> dict[str, str]:
    """Build the files of the module, by name."""
    head = (
        f"# For CloudTrailSource {stack.key}, made by cloudtrail-operator. The outputs are the fields of its spec.\n\n"
    )
    return {
        "main.tf": head + to_hcl([*_build_settings(stack), *build_resources(stack)], NAMES),
        "variables.tf": to_hcl(_build_variables(stack), NAMES),
        "outputs.tf": to_hcl(_build_outputs(stack), NAMES),
    }


def _build_settings(stack: Stack) -> list[Block]:
    provider = {"aws": {"source": "hashicorp/aws", "version": AWS_PROVIDER}}
    region = stack.spec.region
    check = {
        "condition": Expression(f'self.region == "{region}"'),
        "error_message": f"The source names queue and region {region}: give the provider that region.",
    }
    in_region = Block(("lifecycle",), {}, [Block(("postcondition",), check)])
    return [
        Block(("terraform",), {"required_version": ">= 1.5"}, [Block(("required_providers",), provider)]),
        Block(("data", "aws_partition", "current"), {}),
        Block(("data", "aws_caller_identity", "current"), {}),
        Block(("data", "aws_region", "current"), {}, [in_region]),
    ]


def _build_variables(stack: Stack) -> list[Block]:
    queue = Arn.parse(stack.spec.queue_arn).resource
    variables = [
        _variable("bucket", "Bucket that trails deliver to. spec.bucket of the source.", stack.spec.bucket),
        _variable("queue_name", "Queue that announces log files, and what else is named after it.", queue),
        _variable(
            "visibility_timeout_seconds",
            "How long the message of a collector that was lost waits, in seconds.",
            VISIBILITY_SECONDS,
        ),
        _variable(
            "max_receive_count",
            "Receives after which a message goes to the dead-letter queue. Giving back, as rollouts do, counts too.",
            MAX_RECEIVES,
        ),
    ]
    if stack.choices.trail:
        variables.append(_variable("trail_name", "Trail of all regions.", stack.choices.trail))
    if stack.reader and stack.reader.name:
        variables.append(_variable("role_name", "Role of the collectors.", stack.reader.name))
    return variables


def _variable(name: str, description: str, default: str | int) -> Block:
    kind = Expression("number" if isinstance(default, int) else "string")
    return Block(("variable", name), {"description": description, "type": kind, "default": default})


def _build_outputs(stack: Stack) -> list[Block]:
    outputs = [
        _output("bucket", "spec.bucket", to.BUCKET),
        _output("queue_arn", "spec.queueArn", to.QUEUE_ARN),
        _output("region", "spec.region", to.REGION),
        _output("dead_letter_queue_arn", "Queue of the messages that nobody could deal with", to.DEAD_LETTER_ARN),
    ]
    if stack.reader and stack.reader.trust:
        field = "spec.assumeRole.roleArn" if stack.spec.assume_role else "spec.roleArn"
        outputs.append(
            _output("role_arn", field if stack.reader.name else "Role of the Pod Identity association", to.ROLE_ARN)
        )
    elif stack.reader:
        policy = Expression("aws_iam_policy.collector.arn")
        outputs.append(_output("policy_arn", "Policy to attach to the user in the source's Secret", policy))
    if stack.choices.own_key:
        outputs.append(_output("key_arn", "Key of log files and messages", to.KEY_ARN))
    if not stack.makes_bucket:
        what = "To add to the bucket: aws s3api put-bucket-notification-configuration replaces all that is there"
        outputs.append(_output("notification", what, Json(stack.notification)))
    return outputs


def _output(name: str, description: str, value: Any) -> Block:
    return Block(("output", name), {"description": description, "value": value})
