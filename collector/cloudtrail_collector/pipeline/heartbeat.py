"""Keeps the messages in the ledger invisible until their outcome is known."""

import time

from cloudtrail_collector.core.visibility import Extension, plan_extensions
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.pipeline.background import Background
from cloudtrail_collector.pipeline.ledger import Ledger
from cloudtrail_collector.pipeline.returning import REQUEST_SIZE
from cloudtrail_collector.pipeline.watch import QueueWatch
from cloudtrail_collector.ports import MessageQueue, VisibilityChange
from cloudtrail_collector.telemetry import Telemetry

# Fine enough for a queue whose timeout is a few seconds; a turn without work costs microseconds.
TURN_SECONDS = 0.5


class Heartbeat(Background):
    """A thread that extends leases at half of their time."""

    def __init__(self, queue: MessageQueue, ledger: Ledger, watch: QueueWatch, telemetry: Telemetry) -> None:
        super().__init__("heartbeat")
        self._queue = queue
        self._ledger = ledger
        self._watch = watch
        self._telemetry = telemetry

    def stop(self) -> None:
        """Extend nothing more; waits for a running request, so that it cannot undo a return."""
        super().stop()
        self.join(TURN_SECONDS * 4)

    def _run(self) -> None:
        while not self._stopping.wait(TURN_SECONDS):
            try:
                self._turn()
            except AwsError as failure:
                self._telemetry.visibility_failed(failure)
            except Exception as error:  # noqa: BLE001  (a task's boundary: the heartbeat must go on)
                self._telemetry.crashed("heartbeat", error)

    def _turn(self) -> None:
        plan = plan_extensions(
            self._ledger.list_leases(),
            now=time.monotonic(),
            timeout_seconds=self._watch.visibility_timeout_seconds,
        )
        for start in range(0, len(plan), REQUEST_SIZE):
            if self._stopping.is_set():
                return
            self._extend(plan[start : start + REQUEST_SIZE])

    def _extend(self, some: list[Extension]) -> None:
        changes = [VisibilityChange(extension.lease.receipt_handle, extension.seconds) for extension in some]
        lost = {change.receipt_handle for change in self._queue.change_visibility(changes)}
        for extension in some:
            if extension.lease.receipt_handle in lost:
                self._ledger.note_lost(extension.lease)
            else:
                self._ledger.note_extension(extension)
