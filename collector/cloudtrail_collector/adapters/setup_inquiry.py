"""Asks AWS how a source is set up. Nothing is changed, but for one receive that counts as such; nothing is kept from SQS.

An answer is what AWS said or its refusal: whether that matters is decided by who judges it.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cloudtrail_collector.adapters.aws import AwsClients, AwsSettings, choose_endpoint
from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_collector.adapters.sqs import build_figures, build_url
from cloudtrail_collector.core.doctor.facts import (
    Answer,
    BucketSetup,
    ObjectSetup,
    QueueSetup,
    Received,
    Seen,
    Subject,
)
from cloudtrail_collector.core.notification import ObjectRef, UnknownNotificationError, parse_notification
from cloudtrail_collector.errors import AwsError, ReceiptLostError
from cloudtrail_spec.arn import Arn
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import PipelineSpec

T = TypeVar("T")
_ERRORS = (BotoCoreError, ClientError)
_REGION_HEADER = "x-amz-bucket-region"
# Of no message: whoever may change or delete messages is told that it is not valid, anybody else that he may not.
_NO_RECEIPT = "cloudtrail-collector-doctor"
# One page of a topic's subscriptions has 100; a topic of a trail has a few.
_MOST_PAGES = 10
_MOST_KEYS = 20


def ask_identity(clients: AwsClients, spec: AwsSettings) -> Answer[str]:
    """Ask who we are; returns the ARN. AWS answers this to everybody whom it knows."""
    sts = clients.session.client("sts", endpoint_url=choose_endpoint(spec, "sts"))
    return _ask(lambda: str(sts.get_caller_identity()["Arn"]), "sts:GetCallerIdentity", "*")


class AwsInquiry:
    """The queue and the buckets of a source, as AWS describes them."""

    def __init__(self, clients: AwsClients, spec: PipelineSpec, subject: Subject) -> None:
        self._clients = clients
        self._spec = spec
        self._subject = subject

    def read_queue(self) -> Answer[QueueSetup]:
        """Read the queue's attributes."""
        answer = self._read_attributes(self._subject.queue_arn, "All")
        return answer if isinstance(answer, AwsError) else Seen(_build_queue(answer.value))

    def count_dead_letters(self, queue_arn: str) -> Answer[int]:
        """Count the messages in the dead-letter queue."""
        name = "ApproximateNumberOfMessages"
        answer = self._read_attributes(queue_arn, name)
        return answer if isinstance(answer, AwsError) else Seen(int(answer.value[name]))

    def receive(self) -> Answer[Received]:
        """Receive a message, if there is one, that stays visible to others."""

        def call() -> Received:
            got = self._clients.sqs.receive_message(
                QueueUrl=self._subject.queue_url, MaxNumberOfMessages=1, VisibilityTimeout=0
            )
            bodies = [message["Body"] for message in got.get("Messages", ())]
            return Received(bool(bodies), _find_announced(bodies[0]) if bodies else None)

        return _ask(call, "sqs:ReceiveMessage", self._subject.queue_arn)

    def try_finishing(self) -> list[AwsError]:
        """Find out whether messages may be given back and deleted, without touching any; returns the refusals."""
        sqs, url = self._clients.sqs, self._subject.queue_url

        def change() -> Any:
            return sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=_NO_RECEIPT, VisibilityTimeout=0)

        def delete() -> Any:
            return sqs.delete_message(QueueUrl=url, ReceiptHandle=_NO_RECEIPT)

        calls: dict[str, Callable[[], Any]] = {"sqs:ChangeMessageVisibility": change, "sqs:DeleteMessage": delete}
        answers = [_ask(call, action, self._subject.queue_arn) for action, call in calls.items()]
        return [
            answer for answer in answers if isinstance(answer, AwsError) and not isinstance(answer, ReceiptLostError)
        ]

    def find_region(self, bucket: str) -> Answer[str | None]:
        """Find a bucket's region. S3 tells it to everybody who asks, the answer being that he may not."""

        def call() -> str | None:
            try:
                return _read_region(self._clients.s3.head_bucket(Bucket=bucket))
            except ClientError as error:
                region = _read_region(error.response)
                if region is None:
                    raise
                return region

        answer = self._ask_bucket(call, "s3:ListBucket", bucket)
        if isinstance(answer, AwsError) and answer.reason is Reason.OBJECT_NOT_FOUND:
            answer.reason = Reason.BUCKET_NOT_FOUND  # the answer to HEAD has a status and no code
        return answer

    def read_bucket(self, bucket: str) -> Answer[BucketSetup]:
        """Read a bucket's notifications, and who stands behind the topics and EventBridge that it tells."""
        read = self._clients.s3.get_bucket_notification_configuration
        arn = self._subject.bucket_arn(bucket)
        answer: Answer[dict[str, Any]] = _ask(lambda: {**read(Bucket=bucket)}, "s3:GetBucketNotification", arn)
        if isinstance(answer, AwsError):
            return answer
        found = {name: value for name, value in answer.value.items() if name != "ResponseMetadata"}
        topics = dict.fromkeys(entry["TopicArn"] for entry in found.get("TopicConfigurations", ()))
        rules = self._list_rules() if "EventBridgeConfiguration" in found else None
        subscribers = {topic: self._list_subscribers(topic) for topic in topics}
        return Seen(BucketSetup(found, subscribers, rules, _read_region(answer.value)))

    def find_log_file(self, bucket: str) -> Answer[str | None]:
        """Find the key of a log file by listing one."""

        def call() -> str | None:
            found = self._clients.s3.list_objects_v2(Bucket=bucket, Prefix=self._subject.log_prefix, MaxKeys=_MOST_KEYS)
            # Some tools put an empty object in a folder's place.
            return next((entry["Key"] for entry in found.get("Contents", ()) if entry["Size"]), None)

        return self._ask_bucket(call, "s3:ListBucket", bucket)

    def read_object(self, bucket: str, key: str) -> Answer[ObjectSetup]:
        """Read the first byte of an object, which takes the right to decrypt all of it."""
        arn = self._subject.bucket_arn(bucket, key)

        def call() -> ObjectSetup:
            found = self._clients.s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
            found["Body"].close()
            return ObjectSetup(arn, found.get("SSEKMSKeyId"))

        return _ask(call, "s3:GetObject", arn)

    def _read_attributes(self, queue_arn: str, name: Any) -> Answer[Mapping[str, str]]:
        url = build_url(self._spec, queue_arn)

        def call() -> Mapping[str, str]:
            sqs: Any = self._clients.sqs
            return dict(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"])

        return _ask(call, "sqs:GetQueueAttributes", queue_arn)

    def _list_subscribers(self, topic_arn: str) -> Answer[tuple[str, ...]]:
        def call() -> tuple[str, ...]:
            sns: Any = self._clients.session.client(
                "sns", region_name=Arn.parse(topic_arn).region, endpoint_url=self._spec.endpoint_url
            )
            pages: Any = sns.get_paginator("list_subscriptions_by_topic").paginate(
                TopicArn=topic_arn, PaginationConfig={"MaxItems": 100 * _MOST_PAGES}
            )
            return tuple(entry["Endpoint"] for page in pages for entry in page.get("Subscriptions", ()))

        return _ask(call, "sns:ListSubscriptionsByTopic", topic_arn)

    def _list_rules(self) -> Answer[tuple[str, ...]]:
        def call() -> tuple[str, ...]:
            events: Any = self._clients.session.client("events", endpoint_url=self._spec.endpoint_url)
            return tuple(events.list_rule_names_by_target(TargetArn=self._subject.queue_arn).get("RuleNames", ()))

        return _ask(call, "events:ListRuleNamesByTarget", "*")

    def _ask_bucket(self, call: Callable[[], T], action: str, bucket: str) -> Answer[T]:
        return _ask(call, action, self._subject.bucket_arn(bucket))


def _ask(call: Callable[[], T], action: str, resource: str) -> Answer[T]:
    try:
        return Seen(call())
    except AwsError as failure:
        return failure  # credentials that could not be had
    except _ERRORS as error:
        return translate(error, action=action, resource=resource)


def _read_region(answer: Any) -> str | None:
    headers: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers.get(_REGION_HEADER)


def _build_queue(attributes: Mapping[str, str]) -> QueueSetup:
    return QueueSetup(
        figures=build_figures(attributes),
        policy=attributes.get("Policy") or None,
        key=attributes.get("KmsMasterKeyId") or None,
    )


def _find_announced(body: str) -> ObjectRef | None:
    """Find a log file that a message announces; what a message is that nobody understands is not asked here."""
    try:
        objects = parse_notification(body).objects
    except UnknownNotificationError:
        return None
    return next(iter(objects), None)
