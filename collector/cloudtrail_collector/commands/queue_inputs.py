"""Turns the messages of a queue into the log files that they announce, and gives every message back in the end.

With `delete` a message is deleted instead, once all of its log files were read and printed.
"""

import time
from collections.abc import Callable, Generator, Iterator
from functools import partial

from cloudtrail_collector.adapters.s3_judge import Judge
from cloudtrail_collector.commands.inputs import Input
from cloudtrail_collector.core.log_prefixes import LogSelection
from cloudtrail_collector.core.notification import ObjectRef, UnknownNotificationError, parse_notification
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.ports import Message, MessageQueue, VisibilityChange

BATCH = 10
# A long poll asks every server of the queue: when it finds nothing, there is nothing that is visible.
WAIT_SECONDS = 3
Complain = Callable[[str, object], None]


class QueueInputs:
    """The log files that the visible messages of a queue announce."""

    total = None

    def __init__(
        self, queue: MessageQueue, judge: Judge, selection: LogSelection, complain: Complain, *, lease_seconds: int
    ) -> None:
        """`complain` is told what cannot be understood, or given back: of what, and the error."""
        self._queue = queue
        self._judge = judge
        self._selection = selection
        self._complain = complain
        self._lease_seconds = lease_seconds
        self._deletes = False
        self._buckets: frozenset[str] | None = None
        # Receipts of what is held, by message id: the newest, when a message came again.
        self._held: dict[str, str] = {}
        self._known: set[str] = set()
        self._extended_at = time.monotonic()
        self._has_failed = False

    def delete_when_done(self) -> None:
        """Delete messages when they are done, from now on."""
        self._deletes = True

    def limit_to(self, buckets: frozenset[str]) -> None:
        """Read objects of these buckets only."""
        self._buckets = buckets

    def note_failure(self) -> None:
        """Keep the message of the log file that was given last."""
        self._has_failed = True

    def __iter__(self) -> Generator[Input, None, None]:
        try:
            while messages := self._receive():
                for message in messages:
                    yield from self._open(message)
        finally:
            self._give_back()

    def _receive(self) -> list[Message]:
        """Receive messages that were not here before; those that come again have outlived their lease."""
        while messages := self._queue.receive(BATCH, WAIT_SECONDS):
            self._held |= {message.id: message.receipt_handle for message in messages}
            new = [message for message in messages if message.id not in self._known]
            self._known |= self._held.keys()
            if new:
                return new
        return []

    def _open(self, message: Message) -> Iterator[Input]:
        """Give the log files of a message; when the last is done, so is the message."""
        self._has_failed = False
        try:
            objects = parse_notification(message.body).objects
        except UnknownNotificationError as error:
            self._complain(f"message {message.id}", error)
            return
        for reference in dict.fromkeys(objects):
            self._extend()
            if self._is_wanted(reference):
                yield self._build(reference)
        if self._deletes and objects and not self._has_failed:
            self._delete(message.id)

    def _is_wanted(self, reference: ObjectRef) -> bool:
        if self._buckets is not None and reference.bucket not in self._buckets:
            self._complain(
                f"s3://{reference.bucket}/{reference.key}", "in a bucket that the configuration does not name"
            )
            self._has_failed = True
            return False
        is_wanted = self._selection.wants(reference.key)
        # What nobody has read is not deleted.
        self._has_failed = self._has_failed or not is_wanted
        return is_wanted

    def _build(self, reference: ObjectRef) -> Input:
        name = f"s3://{reference.bucket}/{reference.key}"
        return Input(name, reference.bucket, reference.key, partial(self._read, reference))

    def _read(self, reference: ObjectRef) -> bytes:
        return self._judge.open(reference.bucket, reference.key).read()

    def _extend(self) -> None:
        """Keep what is held invisible, at half-time."""
        if time.monotonic() - self._extended_at >= self._lease_seconds / 2:
            self._change_visibility(self._lease_seconds)
            self._extended_at = time.monotonic()

    def _delete(self, message_id: str) -> None:
        receipt = self._held[message_id]
        try:
            refused = self._queue.delete([receipt]).get(receipt)
        except AwsError as error:
            refused = error
        if refused is None:
            del self._held[message_id]
        else:
            self._complain(f"message {message_id}", refused)

    def _give_back(self) -> None:
        try:
            self._change_visibility(0)
        except AwsError as error:
            self._complain(f"{len(self._held)} messages stay invisible for {self._lease_seconds} s", error)

    def _change_visibility(self, seconds: int) -> None:
        receipts = list(self._held.values())
        for start in range(0, len(receipts), BATCH):
            changes = [VisibilityChange(receipt, seconds) for receipt in receipts[start : start + BATCH]]
            # A receipt that is refused is that of a message that is visible already.
            self._queue.change_visibility(changes)
