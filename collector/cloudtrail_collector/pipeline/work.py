"""Worker threads: take a message, collect it, and carry out its outcome, which sinks decide later as a rule."""

import queue
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudtrail_collector.core.backoff import build_return_delay
from cloudtrail_collector.core.notification import ObjectRef
from cloudtrail_collector.pipeline.background import WorkerThreads
from cloudtrail_collector.pipeline.collect import MessageCollector, Outcome
from cloudtrail_collector.pipeline.deletion import Deleter
from cloudtrail_collector.pipeline.ledger import Ledger
from cloudtrail_collector.pipeline.returning import return_messages
from cloudtrail_collector.ports import Message, MessageQueue
from cloudtrail_collector.telemetry import Telemetry

if TYPE_CHECKING:
    from cloudtrail_collector.pipeline.proof_gate import ProofGate


@dataclass(frozen=True, slots=True)
class _Task:
    """A message to collect, or, where there is an outcome, to return for it. `proofs`: the gate has let it through."""

    message: Message
    failed: str | None = None
    proofs: Mapping[ObjectRef, str] | None = None


class Workers(WorkerThreads):
    """A fixed number of threads; what may wait for them, and for sinks, is bounded by the ledger.

    `deleter` gets what is delivered; without one, as in mode Test, it is held. With a `gate` nothing is collected that it
    has not let through.
    """

    def __init__(
        self,
        collector: MessageCollector,
        messages: MessageQueue,
        ledger: Ledger,
        telemetry: Telemetry,
        deleter: Deleter | None,
        gate: "ProofGate | None" = None,
    ) -> None:
        super().__init__()
        self._collector = collector
        self._messages = messages
        self._ledger = ledger
        self._telemetry = telemetry
        self._deleter = deleter
        self._gate = gate
        self._waiting: queue.SimpleQueue[_Task] = queue.SimpleQueue()

    def submit(self, message: Message) -> None:
        """Leave a claimed message to the next free worker."""
        self._waiting.put(_Task(message))

    def resume(self, message: Message, proofs: Mapping[ObjectRef, str]) -> None:
        """Leave a message that the gate has let through to the next free worker."""
        self._waiting.put(_Task(message, proofs=proofs))

    def take_waiting(self) -> list[Message]:
        """Take back what no worker has begun: to collect it, or to return it."""
        taken: list[Message] = []
        while True:
            try:
                taken.append(self._waiting.get_nowait().message)
            except queue.Empty:
                return taken

    def _run(self) -> None:
        while True:
            task = self._waiting.get()
            try:
                if task.failed is None:
                    self._collect(task)
                else:
                    self._return(task.message, task.failed)
            except Exception as error:  # noqa: BLE001  (a task's boundary: the message goes back, the worker lives on)
                self._telemetry.crashed("worker", error)
                self._return(task.message, "internal")

    def _collect(self, task: _Task) -> None:
        message, proofs = task.message, task.proofs
        if self._gate is not None and proofs is None:
            proofs = self._gate.admit(message)
            if proofs is None:
                return
        self._collector.collect(message, lambda outcome: self._finish(message, outcome), proofs)
        if self._ledger.ship(message.id):
            self._collector.flush()

    def _finish(self, message: Message, outcome: Outcome) -> None:
        """Carry out an outcome; called by whichever thread knows it, which must not wait for AWS."""
        if outcome.failed is not None:
            self._waiting.put(_Task(message, outcome.failed))
        elif self._deleter is None:
            self._ledger.hold(message.id)
        elif self._ledger.finish(message.id):
            self._deleter.submit(message)
        # else it was given back in the meantime: whoever receives it next delivers it again

    def _return(self, message: Message, reason: str) -> None:
        lease = self._ledger.settle(message.id)
        if lease is not None:
            delay = build_return_delay(message.receive_count, random.random())  # noqa: S311  (spreads retries, no secret)
            return_messages(self._messages, self._telemetry, [lease], reason=reason, delay=delay)
