"""Where a record names things that an analyst looks for: related.entity of ECS.

Elastic's public CloudTrail integration lists such paths for some sixty calls. The names of members repeat from call to
call, so that here each member name counts in every call. Identifiers of the caller are added by `ecs`.
"""

from collections.abc import Iterator
from typing import Any

from cloudtrail_collector.core.formats.document import read_text

# Members of requestParameters and responseElements that name one thing, at any depth.
_MEMBERS = frozenset(
    {
        "accessKeyId",
        "allocationId",
        "arn",
        "bucketName",
        "clusterArn",
        "clusterName",
        "dBInstanceIdentifier",
        "dBSnapshotIdentifier",
        "dhcpOptionsId",
        "functionArn",
        "functionName",
        "groupId",
        "groupName",
        "imageId",
        "instanceId",
        "instanceProfileName",
        "keyId",
        "networkInterfaceId",
        "policyArn",
        "policyName",
        "repositoryName",
        "reservationId",
        "roleArn",
        "roleName",
        "roleSessionName",
        "s3BucketName",
        "secretId",
        "securityGroupRuleId",
        "snapshotId",
        "snsTopicARN",
        "streamName",
        "subnetId",
        "tableName",
        "topicArn",
        "trailARN",
        "userId",
        "userName",
        "volumeId",
        "vpcId",
    }
)
MOST_ENTITIES = 100  # of one event: an answer that lists a thousand instances names none of them in particular


def list_entities(value: Any) -> Iterator[str]:
    """List the identifiers in what a call was given or gave back, in the order of the text."""
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, dict | list):
                yield from list_entities(item)
            elif name in _MEMBERS and (text := read_text(item)) is not None:
                yield text
    elif isinstance(value, list):
        for item in value:
            yield from list_entities(item)
