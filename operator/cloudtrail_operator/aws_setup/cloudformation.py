"""A stack → one CloudFormation template. Its outputs are the fields of the CloudTrailSource."""

from typing import Any

from cloudtrail_operator.aws_setup import references as to
from cloudtrail_operator.aws_setup.choices import Wiring
from cloudtrail_operator.aws_setup.intrinsics import Ref, Sub, to_yaml, with_intrinsics
from cloudtrail_operator.aws_setup.reader import Reader
from cloudtrail_operator.aws_setup.resource_policies import (
    build_bucket_policy,
    build_key_policy,
    build_queue_policy,
    build_topic_policy,
)
from cloudtrail_operator.aws_setup.stack import (
    MAX_RECEIVES,
    RETENTION_SECONDS,
    VISIBILITY_SECONDS,
    Stack,
)
from cloudtrail_operator.core.names import workload_name
from cloudtrail_spec.arn import Arn
from cloudtrail_spec.log_prefix import SUFFIX

Resource = dict[str, Any]
RETAINED = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def build_template(stack: Stack) -> str:
    """Build the template, as YAML with a head for people."""
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"What CloudTrailSource {stack.key} needs in AWS, made by cloudtrail-operator",
        "Parameters": _build_parameters(stack),
        "Rules": {"Region": {"Assertions": [_build_region_rule(stack)]}},
        "Resources": with_intrinsics(_build_resources(stack)),
        "Outputs": with_intrinsics(_build_outputs(stack)),
    }
    capability = " --capabilities CAPABILITY_NAMED_IAM"
    return (
        f"# For CloudTrailSource {stack.key}. The outputs are the fields of its spec.\n"
        f"# aws cloudformation deploy --template-file THIS_FILE --stack-name {stack.key.name}{capability}"
        f" --region {stack.spec.region}\n"
    ) + to_yaml(template)


def _build_parameters(stack: Stack) -> dict[str, Any]:
    queue = Arn.parse(stack.spec.queue_arn).resource
    parameters = {
        "BucketName": _describe(stack.spec.bucket, "Bucket that trails deliver to. spec.bucket of the source."),
        "QueueName": _describe(queue, "Queue that announces log files, and what else is named after it."),
        "VisibilityTimeoutSeconds": _describe_number(
            VISIBILITY_SECONDS, "How long the message of a collector that was lost waits, in seconds.", 30, 43200
        ),
        "MaxReceiveCount": _describe_number(
            MAX_RECEIVES,
            "Receives after which a message goes to the dead-letter queue. Giving back, as rollouts do, counts too.",
            3,
            1000,
        ),
    }
    if stack.choices.trail:
        parameters["TrailName"] = _describe(stack.choices.trail, "Trail of all regions.")
    if stack.reader and stack.reader.name:
        parameters["RoleName"] = _describe(stack.reader.name, "Role of the collectors.")
    return parameters


def _describe(default: str, description: str) -> dict[str, Any]:
    return {"Type": "String", "Default": default, "Description": description}


def _describe_number(default: int, description: str, least: int, most: int) -> dict[str, Any]:
    return {"Type": "Number", "Default": default, "MinValue": least, "MaxValue": most, "Description": description}


def _build_region_rule(stack: Stack) -> dict[str, Any]:
    region = stack.spec.region
    return {
        "Assert": {"Fn::Equals": [Ref("AWS::Region"), region]},
        "AssertDescription": f"The source names queue and region {region}: create the stack there.",
    }


def _build_resources(stack: Stack) -> dict[str, Resource]:
    resources = _build_queues(stack)
    if stack.choices.wiring is Wiring.SNS:
        resources |= _build_topic(stack)
    if stack.choices.wiring is Wiring.EVENT_BRIDGE:
        resources |= _build_rule(stack)
    if stack.makes_bucket:
        resources |= _build_bucket(stack)
    if stack.choices.trail:
        resources["Trail"] = _build_trail(stack)
    if stack.choices.own_key:
        resources |= _build_key(stack)
    if stack.reader:
        resources |= _build_reader(stack, stack.reader)
    return resources


def _build_queues(stack: Stack) -> dict[str, Resource]:
    encryption = {"KmsMasterKeyId": to.KEY_ARN} if stack.choices.own_key else {"SqsManagedSseEnabled": True}
    kept = {"MessageRetentionPeriod": RETENTION_SECONDS, **encryption}
    dead_letters = {
        "QueueName": f"{to.QUEUE}-dead-letter",
        **kept,
        "RedriveAllowPolicy": {"redrivePermission": "byQueue", "sourceQueueArns": [to.NAMED_QUEUE_ARN]},
    }
    queue = {
        "QueueName": to.QUEUE,
        "VisibilityTimeout": to.VISIBILITY,
        **kept,
        "RedrivePolicy": {"deadLetterTargetArn": to.DEAD_LETTER_ARN, "maxReceiveCount": to.MAX_RECEIVES},
    }
    policy = {"Queues": [Ref("Queue")], "PolicyDocument": build_queue_policy(stack)}
    # What waits in them is lost with them, but only announcements: the log files stay.
    deleted = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
    return {
        "DeadLetterQueue": {"Type": "AWS::SQS::Queue", **deleted, "Properties": dead_letters},
        "Queue": {"Type": "AWS::SQS::Queue", **deleted, "Properties": queue},
        "QueuePolicy": {"Type": "AWS::SQS::QueuePolicy", "Properties": policy},
    }


def _build_topic(stack: Stack) -> dict[str, Resource]:
    encryption = {"KmsMasterKeyId": to.KEY_ARN} if stack.choices.own_key else {}
    subscription = {
        "TopicArn": to.TOPIC_ARN,
        "Protocol": "sqs",
        "Endpoint": to.QUEUE_ARN,
        "RawMessageDelivery": True,
    }
    policy = {"Topics": [to.TOPIC_ARN], "PolicyDocument": build_topic_policy(stack)}
    return {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": to.QUEUE, **encryption}},
        "TopicPolicy": {"Type": "AWS::SNS::TopicPolicy", "Properties": policy},
        "Subscription": {"Type": "AWS::SNS::Subscription", "DependsOn": "QueuePolicy", "Properties": subscription},
    }


def _build_rule(stack: Stack) -> dict[str, Resource]:
    properties = {
        "Name": to.QUEUE,
        "Description": f"New log files for CloudTrailSource {stack.key}",
        "EventPattern": stack.event_pattern,
        "State": "ENABLED",
        "Targets": [{"Id": "queue", "Arn": to.QUEUE_ARN}],
    }
    return {"Rule": {"Type": "AWS::Events::Rule", "DependsOn": "QueuePolicy", "Properties": properties}}


def _build_bucket(stack: Stack) -> dict[str, Resource]:
    encryption = [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    blocked = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    properties = {
        "BucketName": to.BUCKET,
        "BucketEncryption": {"ServerSideEncryptionConfiguration": encryption},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": dict.fromkeys(blocked, True),
        "VersioningConfiguration": {"Status": "Enabled"},
        "NotificationConfiguration": _build_notification(stack),
    }
    # S3 tries the way of an announcement when it is configured.
    first = {Wiring.S3: "QueuePolicy", Wiring.SNS: "TopicPolicy"}.get(stack.choices.wiring)
    policy = {"Bucket": Ref("LogBucket"), "PolicyDocument": build_bucket_policy(stack)}
    return {
        "LogBucket": {
            "Type": "AWS::S3::Bucket",
            **({"DependsOn": first} if first else {}),
            **RETAINED,
            "Properties": properties,
        },
        "LogBucketPolicy": {"Type": "AWS::S3::BucketPolicy", **RETAINED, "Properties": policy},
    }


def _build_notification(stack: Stack) -> Resource:
    if stack.choices.wiring is Wiring.EVENT_BRIDGE:
        return {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    rules = [{"Name": "prefix", "Value": stack.log_prefix}, {"Name": "suffix", "Value": SUFFIX}]
    what = {"Event": "s3:ObjectCreated:*", "Filter": {"S3Key": {"Rules": rules}}}
    if stack.choices.wiring is Wiring.SNS:
        return {"TopicConfigurations": [{**what, "Topic": to.TOPIC_ARN}]}
    return {"QueueConfigurations": [{**what, "Queue": to.QUEUE_ARN}]}


def _build_trail(stack: Stack) -> Resource:
    prefix = stack.trail_prefix.removesuffix("/")
    properties = {
        "TrailName": to.TRAIL,
        "S3BucketName": Ref("LogBucket"),
        **({"S3KeyPrefix": prefix} if prefix else {}),
        "IsLogging": True,
        "IsMultiRegionTrail": True,
        "IncludeGlobalServiceEvents": True,
        "EnableLogFileValidation": True,
        **({"IsOrganizationTrail": True} if stack.choices.organization else {}),
        **({"KMSKeyId": to.KEY_ARN} if stack.choices.own_key else {}),
    }
    return {"Type": "AWS::CloudTrail::Trail", "DependsOn": "LogBucketPolicy", "Properties": properties}


def _build_key(stack: Stack) -> dict[str, Resource]:
    properties = {
        "Description": f"Log files and messages of CloudTrailSource {stack.key}",
        "EnableKeyRotation": True,
        "KeyPolicy": build_key_policy(stack),
    }
    alias = {"AliasName": f"alias/{to.QUEUE}", "TargetKeyId": Ref("Key")}
    return {
        "Key": {"Type": "AWS::KMS::Key", **RETAINED, "Properties": properties},
        "KeyAlias": {"Type": "AWS::KMS::Alias", "Properties": alias},
    }


def _build_reader(stack: Stack, reader: Reader) -> dict[str, Resource]:
    if reader.trust is None:
        what = f"What the user of CloudTrailSource {stack.key} may do"
        policy = {"Description": what, "PolicyDocument": reader.policy}
        return {"CollectorPolicy": {"Type": "AWS::IAM::ManagedPolicy", "Properties": policy}}
    role = {
        **({"RoleName": to.ROLE} if reader.name else {}),
        **({"Path": reader.path} if reader.path != "/" else {}),
        "Description": f"Collectors of CloudTrailSource {stack.key}",
        "AssumeRolePolicyDocument": reader.trust,
        "Policies": [{"PolicyName": "collect", "PolicyDocument": reader.policy}],
    }
    resources = {"CollectorRole": {"Type": "AWS::IAM::Role", "Properties": role}}
    if reader.cluster:
        association = {
            "ClusterName": reader.cluster,
            "Namespace": stack.key.namespace,
            "ServiceAccount": workload_name(stack.key.name),
            "RoleArn": to.ROLE_ARN,
        }
        resources["Association"] = {"Type": "AWS::EKS::PodIdentityAssociation", "Properties": association}
    return resources


def _build_outputs(stack: Stack) -> dict[str, Any]:
    outputs = {
        "Bucket": _output("spec.bucket", to.BUCKET),
        "QueueArn": _output("spec.queueArn", to.QUEUE_ARN),
        "Region": _output("spec.region", to.REGION),
        "DeadLetterQueueArn": _output("Queue of the messages that nobody could deal with", to.DEAD_LETTER_ARN),
    }
    if stack.reader:
        field = "spec.assumeRole.roleArn" if stack.spec.assume_role else "spec.roleArn"
        role = _output(field if stack.reader.name else "Role of the Pod Identity association", to.ROLE_ARN)
        policy = _output("Policy to attach to the user in the source's Secret", Ref("CollectorPolicy"))
        outputs |= {"RoleArn": role} if stack.reader.trust else {"PolicyArn": policy}
    if stack.choices.own_key:
        outputs["KeyArn"] = _output("Key of log files and messages", to.KEY_ARN)
    if not stack.makes_bucket:
        what = "To add to the bucket: aws s3api put-bucket-notification-configuration replaces all that is there"
        outputs["Notification"] = _output(what, to.dump_json(stack.notification))
    return outputs


def _output(description: str, value: str | Ref | Sub) -> dict[str, Any]:
    return {"Description": description, "Value": value}
