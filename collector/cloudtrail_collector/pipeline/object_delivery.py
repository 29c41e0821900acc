"""Delivers some objects with bounded concurrency, and waits until the sinks have answered for each."""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from cloudtrail_collector.core.backfill.units import FoundObject
from cloudtrail_collector.core.dead_letter import Origin
from cloudtrail_collector.pipeline.background import WorkerThreads
from cloudtrail_collector.pipeline.collect import FLUSH_SECONDS, MessageCollector
from cloudtrail_collector.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class _Task:
    wanted: FoundObject
    batch: "_Batch"


class _Batch:
    """Objects that are delivered together; each counts once, whatever is reported of it later."""

    def __init__(self, objects: Sequence[FoundObject]) -> None:
        self._left = set(objects)
        self._failed: dict[FoundObject, str] = {}
        self._changed = threading.Condition()

    def report(self, one: FoundObject, failed: str | None) -> None:
        """Note the end of one."""
        with self._changed:
            if one in self._left:
                self._left.remove(one)
                if failed is not None:
                    self._failed[one] = failed
                if not self._left:
                    self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """Wait until all have ended; False when time is up first."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._left, timeout)

    def take_failed(self) -> dict[FoundObject, str]:
        """Take what failed, with the reasons."""
        with self._changed:
            return dict(self._failed)


class ObjectDelivery(WorkerThreads):
    """A fixed number of threads that read objects; the memory that these take is bounded by the collector's budget."""

    def __init__(self, collector: MessageCollector, telemetry: Telemetry) -> None:
        super().__init__()
        self._collector = collector
        self._telemetry = telemetry
        self._waiting: queue.SimpleQueue[_Task] = queue.SimpleQueue()

    def deliver(self, objects: Sequence[FoundObject]) -> dict[FoundObject, str]:
        """Deliver objects; returns what failed, with the reasons."""
        batch = _Batch(objects)
        for one in objects:
            self._waiting.put(_Task(one, batch))
        while objects and not batch.wait(FLUSH_SECONDS if self._waiting.empty() else 4 * FLUSH_SECONDS):
            # Nothing more comes to fill batches once all are read; dead letters come behind what was flushed.
            if self._waiting.empty():
                self._collector.flush()
        return batch.take_failed()

    def _run(self) -> None:
        while True:
            task = self._waiting.get()
            try:
                self._collect(task)
            except Exception as error:  # noqa: BLE001  (a task's boundary: the object is tried again, the worker lives on)
                self._telemetry.crashed("worker", error)
                task.batch.report(task.wanted, "internal")

    def _collect(self, task: _Task) -> None:
        one = task.wanted
        self._collector.collect_object(Origin(one.bucket, one.key, ""), lambda failed: task.batch.report(one, failed))
        if self._waiting.empty():
            self._collector.flush()
