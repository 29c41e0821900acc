"""SQS's JSON protocol over the queue model: the actions that a consumer calls, with the checksums that clients verify."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import md5
from typing import Any

from bench.http_protocol import Request, Response
from bench.queue_model import Delivery, QueueModel

ACCOUNT, REGION, QUEUE, BUCKET = "111122223333", "us-east-1", "bench", "bench-trail"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}"
_HEADERS = b"Content-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: 00000000-0000-4000-8000-000000000000\r\n"

Json = dict[str, Any]


class SqsService:
    """Answers for one queue. Closed at first: receives find nothing until `open`, so that a start is not measured."""

    def __init__(self, queue: QueueModel, build_body: Callable[[int], str]) -> None:
        self.queue = queue
        self._build_body = build_body
        self._opened = asyncio.Event()
        self._sent = str(int(time.time() * 1000))
        self.calls: dict[str, int] = {}
        self._actions: dict[str, Callable[[Json], Json]] = {
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._delete_batch,
            "ChangeMessageVisibility": self._change,
            "ChangeMessageVisibilityBatch": self._change_batch,
            "GetQueueAttributes": self._read_attributes,
        }

    def open(self) -> None:
        """Let messages be received from now on."""
        self._opened.set()

    def answer(self, request: Request, action: str) -> Response | asyncio.Task[Response]:
        """Answer one call."""
        self.calls[action] = self.calls.get(action, 0) + 1
        arguments: Json = json.loads(request.body)
        if action == "ReceiveMessage":
            if self._opened.is_set() and self.queue.visible:
                return self._receive(arguments)
            return asyncio.ensure_future(self._receive_later(arguments))
        known = self._actions.get(action)
        if known is None:
            return _build_error("InvalidAction", f"the bench server does not know {action}")
        try:
            return Response(200, json.dumps(known(arguments)).encode(), _HEADERS)
        except KeyError as error:
            return _build_error("ReceiptHandleIsInvalid", str(error))

    async def _receive_later(self, arguments: Json) -> Response:
        """Long poll: until there is a message, or the wait is over."""
        deadline = time.monotonic() + int(arguments.get("WaitTimeSeconds", 0))
        while (left := deadline - time.monotonic()) > 0:
            if self._opened.is_set():
                self.queue.return_expired(time.monotonic())
                if self.queue.visible:
                    return self._receive(arguments)
                await asyncio.sleep(min(left, 0.05))
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._opened.wait(), left)
        return Response(200, b"{}", _HEADERS)

    def _receive(self, arguments: Json) -> Response:
        limit = int(arguments.get("MaxNumberOfMessages", 1))
        received = self.queue.receive(limit, time.monotonic(), arguments.get("VisibilityTimeout"))
        messages = [self._build_message(delivery) for delivery in received]
        return Response(200, json.dumps({"Messages": messages} if messages else {}).encode(), _HEADERS)

    def _build_message(self, delivery: Delivery) -> Json:
        body = self._build_body(delivery.number)
        return {
            "MessageId": f"00000000-0000-4000-8000-{delivery.number:012x}",
            "ReceiptHandle": delivery.receipt,
            "MD5OfBody": md5(body.encode(), usedforsecurity=False).hexdigest(),
            "Body": body,
            "Attributes": {"ApproximateReceiveCount": str(delivery.receive_count), "SentTimestamp": self._sent},
        }

    def _delete(self, arguments: Json) -> Json:
        # Like AWS: a receipt that was valid once can be deleted again.
        self.queue.delete(arguments["ReceiptHandle"])
        return {}

    def _delete_batch(self, arguments: Json) -> Json:
        for entry in arguments["Entries"]:
            self.queue.delete(entry["ReceiptHandle"])
        return {"Successful": [{"Id": entry["Id"]} for entry in arguments["Entries"]], "Failed": []}

    def _change(self, arguments: Json) -> Json:
        if not self._change_one(arguments):
            raise KeyError(arguments["ReceiptHandle"])
        return {}

    def _change_batch(self, arguments: Json) -> Json:
        answer: Json = {"Successful": [], "Failed": []}
        for entry in arguments["Entries"]:
            if self._change_one(entry):
                answer["Successful"].append({"Id": entry["Id"]})
            else:
                failure = {"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid", "SenderFault": True}
                answer["Failed"].append(failure)
        return answer

    def _change_one(self, entry: Json) -> bool:
        return self.queue.change_visibility(entry["ReceiptHandle"], entry["VisibilityTimeout"], time.monotonic())

    def _read_attributes(self, _: Json) -> Json:
        return {
            "Attributes": {
                "QueueArn": QUEUE_ARN,
                "ApproximateNumberOfMessages": str(self.queue.visible),
                "ApproximateNumberOfMessagesNotVisible": str(self.queue.in_flight),
                "ApproximateNumberOfMessagesDelayed": "0",
                "VisibilityTimeout": str(int(self.queue.visibility_timeout)),
            }
        }


def _build_error(code: str, message: str) -> Response:
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message}).encode()
    return Response(400, body, _HEADERS)
