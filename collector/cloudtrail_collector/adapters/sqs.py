"""An SQS queue as the MessageQueue port."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_collector.errors import AwsError, ReceiptLostError
from cloudtrail_collector.ports import Message, VisibilityChange
from cloudtrail_spec.arn import Arn, build_queue_url
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.pipeline import PipelineSpec
from cloudtrail_spec.report import QueueFigures

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_ERRORS = (BotoCoreError, ClientError, OSError)


class SqsQueue:
    """The queue of a pipeline."""

    def __init__(self, client: "SQSClient", spec: PipelineSpec, role_arn: str | None) -> None:
        self._client = client
        self._arn = spec.queue_arn
        self._url = _build_url(spec)
        self._role_arn = role_arn
        self._visibility = spec.visibility_timeout_seconds

    def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        """Receive up to `limit` messages, waiting for the first."""
        timeout: Any = {} if self._visibility is None else {"VisibilityTimeout": self._visibility}
        try:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=limit,
                WaitTimeSeconds=wait_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                **timeout,
            )
        except _ERRORS as error:
            raise self._translate(error, "sqs:ReceiveMessage") from error
        return [_build_message(entry) for entry in answer.get("Messages", [])]

    def delete(self, receipt_handle: str) -> None:
        """Delete a message."""
        try:
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt_handle)
        except _ERRORS as error:
            raise self._translate(error, "sqs:DeleteMessage") from error

    def change_visibility(self, changes: Sequence[VisibilityChange]) -> list[VisibilityChange]:
        """Change up to ten messages; returns those whose receipt is no longer valid."""
        try:
            answer = self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": change.receipt_handle, "VisibilityTimeout": change.seconds}
                    for index, change in enumerate(changes)
                ],
            )
        except _ERRORS as error:
            failure = self._translate(error, "sqs:ChangeMessageVisibility")
            if isinstance(failure, ReceiptLostError):
                return list(changes)
            raise failure from error
        refused = answer.get("Failed", [])
        for entry in refused:
            if not entry["SenderFault"]:
                raise self._build_failure(entry["Code"], entry.get("Message", ""))
        return [changes[int(entry["Id"])] for entry in refused]

    def read_figures(self) -> QueueFigures:
        """Read the queue's attributes."""
        try:
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
        except _ERRORS as error:
            raise self._translate(error, "sqs:GetQueueAttributes") from error
        return _build_figures(answer["Attributes"])

    def _translate(self, error: Exception, action: str) -> AwsError:
        return translate(error, action=action, resource=self._arn, role_arn=self._role_arn)

    def _build_failure(self, code: str, message: str) -> AwsError:
        return AwsError(
            action="sqs:ChangeMessageVisibility",
            code=code,
            resource=self._arn,
            reason=Reason.AWS_ERROR,
            message=message or "no message",
        )


def _build_url(spec: PipelineSpec) -> str:
    if spec.endpoint_url is None:
        return build_queue_url(spec.queue_arn)
    arn = Arn.parse(spec.queue_arn)
    return f"{spec.endpoint_url.rstrip('/')}/{arn.account}/{arn.resource}"


def _build_message(entry: Any) -> Message:
    attributes = entry.get("Attributes", {})
    sent = attributes.get("SentTimestamp")
    return Message(
        id=entry["MessageId"],
        receipt_handle=entry["ReceiptHandle"],
        body=entry["Body"],
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        sent_at=None if sent is None else int(sent) / 1000,
    )


def _build_figures(attributes: Any) -> QueueFigures:
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    timeout = attributes.get("VisibilityTimeout")
    count = redrive.get("maxReceiveCount")
    return QueueFigures(
        observed_at=datetime.now(UTC),
        visible=int(attributes["ApproximateNumberOfMessages"]),
        in_flight=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        delayed=int(attributes["ApproximateNumberOfMessagesDelayed"]),
        visibility_timeout_seconds=None if timeout is None else int(timeout),
        dead_letter_queue_arn=redrive.get("deadLetterTargetArn"),
        max_receive_count=None if count is None else int(count),
    )
