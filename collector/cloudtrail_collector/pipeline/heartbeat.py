"""Keeps the messages in the ledger invisible until their outcome is certain."""

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cloudtrail_collector.core.backoff import build_retry_delay
from cloudtrail_collector.core.visibility import Extension, choose_turn_seconds, plan_extensions
from cloudtrail_collector.errors import AwsError, ReceiptLostError
from cloudtrail_collector.pipeline.background import Background
from cloudtrail_collector.pipeline.ledger import Ledger
from cloudtrail_collector.pipeline.returning import PARALLEL_REQUESTS, REQUEST_SIZE
from cloudtrail_collector.pipeline.watch import QueueWatch
from cloudtrail_collector.ports import MessageQueue, VisibilityChange
from cloudtrail_collector.telemetry import Telemetry

STOP_SECONDS = 2.0


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
        self.join(STOP_SECONDS)

    def _run(self) -> None:
        failures = 0
        with ThreadPoolExecutor(PARALLEL_REQUESTS, thread_name_prefix="heartbeat") as pool:
            while not self._stopping.wait(self._choose_pause(failures)):
                try:
                    failures = failures + 1 if self._turn(pool) else 0
                except Exception as error:  # noqa: BLE001  (a task's boundary: the heartbeat must go on)
                    self._telemetry.crashed("heartbeat", error)

    def _choose_pause(self, failures: int) -> float:
        """Pause longer after failed turns, but not so long that a lease runs out for that alone."""
        timeout = self._watch.visibility_timeout_seconds
        turn = choose_turn_seconds(timeout)
        if not failures:
            return turn
        return max(turn, min(build_retry_delay(failures, random.random()), timeout / 8))  # noqa: S311  (spreads retries)

    def _turn(self, pool: ThreadPoolExecutor) -> bool:
        """Extend what is due; tells whether a request failed."""
        plan = plan_extensions(
            self._ledger.list_leases(),
            now=time.monotonic(),
            timeout_seconds=self._watch.visibility_timeout_seconds,
        )
        requests = [plan[start : start + REQUEST_SIZE] for start in range(0, len(plan), REQUEST_SIZE)]
        if len(requests) < 2:
            return any(self._extend(some) for some in requests)
        return any(list(pool.map(self._extend, requests)))

    def _extend(self, some: Sequence[Extension]) -> bool:
        if self._stopping.is_set():
            return False
        changes = [VisibilityChange(extension.lease.receipt_handle, extension.seconds) for extension in some]
        try:
            refused = self._queue.change_visibility(changes)
        except AwsError as failure:
            self._telemetry.extension_failed(failure, len(some))
            return True
        self._telemetry.extended(len(some) - len(refused))
        failed = False
        for extension in some:
            refusal = refused.get(extension.lease.receipt_handle)
            if refusal is None:
                self._ledger.note_extension(extension)
            elif isinstance(refusal, ReceiptLostError):
                self._ledger.note_lost(extension.lease)
                self._telemetry.receipt_lost(extension.lease.message_id, refusal)
            else:
                failed = True
                self._telemetry.extension_failed(refusal, 1)
        return failed
