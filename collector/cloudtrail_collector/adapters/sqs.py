"""An SQS queue as the MessageQueue port."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from cloudtrail_collector.adapters.aws import AwsSettings, choose_endpoint
from cloudtrail_collector.adapters.aws_errors import translate
from cloudtrail_collector.adapters.sqs_caller import SqsCaller
from cloudtrail_collector.errors import AwsError, ReceiptLostError
from cloudtrail_collector.ports import Message, VisibilityChange
from cloudtrail_spec.arn import build_queue_url
from cloudtrail_spec.report import QueueFigures

_ERRORS = (BotoCoreError, ClientError)
# The right to ask the dead-letter queue is optional, and its absence no error: a refusal holds for some time.
REFUSAL_SECONDS = 600.0


class QueueSettings(AwsSettings, Protocol):
    """Which queue: the part of a PipelineSpec that it needs, or what a command was told."""

    @property
    def queue_arn(self) -> str:
        """Its ARN."""

    @property
    def visibility_timeout_seconds(self) -> int | None:
        """How long received messages stay invisible; None: as the queue says."""


class SqsQueue:
    """The queue of a source."""

    def __init__(self, caller: SqsCaller, spec: QueueSettings) -> None:
        self._caller = caller
        self._spec = spec
        self._arn = spec.queue_arn
        self._url = build_url(spec)
        self._visibility = spec.visibility_timeout_seconds
        self._refused_until = 0.0

    def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        """Receive up to `limit` messages, waiting for the first."""
        timeout = {} if self._visibility is None else {"VisibilityTimeout": self._visibility}
        arguments = {
            "MaxNumberOfMessages": limit,
            "WaitTimeSeconds": wait_seconds,
            "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
            **timeout,
        }
        answer = self._call("ReceiveMessage", arguments, wait_seconds=wait_seconds)
        return [_build_message(entry) for entry in answer.get("Messages", ())]

    def delete(self, receipt_handles: Sequence[str]) -> dict[str, AwsError]:
        """Delete up to ten messages; returns those that were not, by receipt handle."""
        entries = [{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(receipt_handles)]
        refused = self._call_batch("DeleteMessageBatch", "sqs:DeleteMessage", entries)
        return {receipt_handles[index]: failure for index, failure in refused.items()}

    def change_visibility(self, changes: Sequence[VisibilityChange]) -> dict[str, AwsError]:
        """Change up to ten messages; returns those that were not, by receipt handle."""
        entries = [
            {"Id": str(index), "ReceiptHandle": change.receipt_handle, "VisibilityTimeout": change.seconds}
            for index, change in enumerate(changes)
        ]
        refused = self._call_batch("ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility", entries)
        return {changes[index].receipt_handle: failure for index, failure in refused.items()}

    def read_figures(self) -> QueueFigures:
        """Read the queue's attributes, and how many messages wait in its dead-letter queue."""
        figures = build_figures(self._read_attributes(self._arn, "All"))
        if figures.dead_letter_queue_arn is None or time.monotonic() < self._refused_until:
            return figures
        try:
            attributes = self._read_attributes(figures.dead_letter_queue_arn, "ApproximateNumberOfMessages")
        except AwsError:
            self._refused_until = time.monotonic() + REFUSAL_SECONDS
            return figures
        return figures.model_copy(update={"dead_letter_visible": int(attributes["ApproximateNumberOfMessages"])})

    def _read_attributes(self, arn: str, name: str) -> Mapping[str, str]:
        url = build_url(self._spec, arn)
        try:
            answer = self._caller.call("GetQueueAttributes", {"QueueUrl": url, "AttributeNames": [name]})
        except _ERRORS as error:
            raise translate(error, action="sqs:GetQueueAttributes", resource=arn) from error
        attributes: Mapping[str, str] = answer["Attributes"]
        return attributes

    def _call(self, operation: str, arguments: Mapping[str, Any], *, wait_seconds: float = 0, action: str = "") -> Any:
        try:
            return self._caller.call(operation, {"QueueUrl": self._url, **arguments}, wait_seconds=wait_seconds)
        except _ERRORS as error:
            raise translate(error, action=action or f"sqs:{operation}", resource=self._arn) from error

    def _call_batch(self, operation: str, action: str, entries: Sequence[Mapping[str, Any]]) -> dict[int, AwsError]:
        """Make a call about up to ten messages; returns what failed, by the index of the message."""
        try:
            answer = self._call(operation, {"Entries": entries}, action=action)
        except ReceiptLostError as failure:
            # SQS answers for each entry; there are stand-ins that refuse them all for one.
            return dict.fromkeys(range(len(entries)), failure)
        return {int(entry["Id"]): self._build_failure(entry, action) for entry in answer.get("Failed", ())}

    def _build_failure(self, entry: Mapping[str, Any], action: str) -> AwsError:
        details: Any = {"Code": entry.get("Code", "Unknown"), "Message": entry.get("Message") or "no message"}
        error = ClientError({"Error": details}, action)
        return translate(error, action=action, resource=self._arn)


def build_url(spec: QueueSettings, queue_arn: str | None = None) -> str:
    """Build the URL of the source's queue, or another, from its ARN."""
    return build_queue_url(queue_arn or spec.queue_arn, choose_endpoint(spec, "sqs"))


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


def build_figures(attributes: Mapping[str, str]) -> QueueFigures:
    """Read the attributes that people look at."""
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    timeout = attributes.get("VisibilityTimeout")
    count = redrive.get("maxReceiveCount")
    retention = attributes.get("MessageRetentionPeriod")
    return QueueFigures(
        observed_at=datetime.now(UTC),
        visible=int(attributes["ApproximateNumberOfMessages"]),
        in_flight=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        delayed=int(attributes["ApproximateNumberOfMessagesDelayed"]),
        visibility_timeout_seconds=None if timeout is None else int(timeout),
        dead_letter_queue_arn=redrive.get("deadLetterTargetArn"),
        max_receive_count=None if count is None else int(count),
        retention_seconds=None if retention is None else int(retention),
    )
