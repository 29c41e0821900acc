"""What a collector may do in AWS: the policies that we show and use allow what it calls, and no more."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest

from integration.collector_process import Start, wait_until
from integration.http_sink import HttpSinkServer, to_sink
from integration.queues import is_empty, put
from localcluster.aws import AwsEndpoint, running_aws
from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.provision import MINISTACK_ACTIONS, TrailStorage, build_collector_policy
from localcluster.corpus import generate_log_files

PAGE = Path(__file__).parents[2] / "docs" / "aws-setup.md"
ALLOWED = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
    "s3:GetObject",
}
# A look at the set-up, once at the start: that it is refused is no error, and nothing is read of log files.
LOOKS = {"s3:GET ?notification"}
# The policies are written out for one trail; a "*" may only stand behind the folder that CloudTrail writes to.
EXACT_ARN = re.compile(r"arn:aws:(sqs:[a-z0-9-]+:[0-9]{12}:[^*?]+|s3:::[^*?/]+/([^*?]+/)?AWSLogs/\*)")


def read_statements() -> Iterator[dict[str, Any]]:
    """Read the statements about the collector's own calls: of the page's JSON blocks, and of the tests' role."""
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    policies = [json.loads(block) for block in blocks if '"Statement"' in block]
    policies.append(build_collector_policy("arn:aws:sqs:us-east-1:111122223333:trail", "trail"))
    for policy in policies:
        yield from (statement for statement in policy["Statement"] if "Principal" not in statement)


def read_actions(statement: dict[str, Any]) -> set[str]:
    actions = statement["Action"]
    return {actions} if isinstance(actions, str) else set(actions)


def test_t17_t52_the_policies_name_exact_resources_and_nothing_that_writes_to_s3() -> None:
    statements = list(read_statements())
    assert len(statements) >= 4
    for statement in statements:
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource"}
        assert EXACT_ARN.fullmatch(statement["Resource"]), statement["Resource"]
        assert read_actions(statement) - set(MINISTACK_ACTIONS) <= ALLOWED
    shown = set().union(*(read_actions(statement) for statement in statements))
    assert shown - set(MINISTACK_ACTIONS) == ALLOWED


def test_t17_a_collector_calls_nothing_that_the_policy_does_not_allow(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy, dead_letters: HttpSinkServer
) -> None:
    put(aws, storage, *generate_log_files(5, seed=111))
    aws.client("s3").put_object(Bucket=storage.bucket, Key=next(generate_log_files(1, seed=112)).key, Body=b"bad")
    letters = to_sink(dead_letters, "dead")
    collector = start(endpointUrl=proxy.url, deadLetterSink=letters)
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    assert collector.stop() == 0
    called = {action.removesuffix("Batch") for action in proxy.count_actions()}
    assert called <= ALLOWED | LOOKS
    assert [proxy.count_actions()[look] for look in LOOKS] == [1]
    assert {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "s3:GetObject"} <= called


def test_signatures_hold_through_the_fault_proxy(tmp_path: Path) -> None:
    with running_aws("ministack", tmp_path, enforce_iam=True) as aws, FaultProxy(aws.url) as proxy:
        aws.client("s3").create_bucket(Bucket="signed")
        iam = aws.client("iam")
        iam.create_user(UserName="reader")
        statement = {"Effect": "Allow", "Action": "s3:*Object", "Resource": "arn:aws:s3:::signed/*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
        key = iam.create_access_key(UserName="reader")["AccessKey"]

        def connect(secret: str) -> Any:
            return boto3.client(
                "s3",
                endpoint_url=proxy.url,
                region_name=aws.region,
                aws_access_key_id=key["AccessKeyId"],
                aws_secret_access_key=secret,
            )

        right, wrong = connect(key["SecretAccessKey"]), connect("wrong")
        right.put_object(Bucket="signed", Key="a b/é", Body=b"content")
        assert right.get_object(Bucket="signed", Key="a b/é")["Body"].read() == b"content"
        with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
            wrong.get_object(Bucket="signed", Key="a b/é")
