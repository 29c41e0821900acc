"""Threads that check digest files beside the workers: one may name thousands of log files."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from cloudtrail_collector.core.integrity.digest_key import DigestKey
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.pipeline.digest_audit import DigestAudit
from cloudtrail_collector.pipeline.file_delivery import OnDone
from cloudtrail_collector.telemetry import Telemetry

THREADS = 4


@dataclass(frozen=True, slots=True)
class _Task:
    """A digest file to check, and whom to tell when that is done."""

    bucket: str
    key: DigestKey
    on_done: OnDone


class Auditors:
    """A fixed number of threads; what waits for them is bounded by the messages that are on their way."""

    def __init__(self, audit: DigestAudit, on_digest: Callable[[str, DigestKey], None], telemetry: Telemetry) -> None:
        """`on_digest` is told of each digest file that was there."""
        self._audit = audit
        self._on_digest = on_digest
        self._telemetry = telemetry
        self._tasks: queue.SimpleQueue[_Task] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"auditor-{number}", daemon=True) for number in range(THREADS)
        ]

    def start(self) -> None:
        """Start the threads; they run as long as the process does."""
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        """Tell whether every thread runs."""
        return all(thread.is_alive() for thread in self._threads)

    def submit(self, bucket: str, key: DigestKey, on_done: OnDone) -> None:
        """Leave a digest file to the next free thread."""
        self._tasks.put(_Task(bucket, key, on_done))

    def _run(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                failed = self._check(task)
            except Exception as error:  # noqa: BLE001  (a task's boundary: the message goes back, the thread lives on)
                self._telemetry.crashed("auditor", error)
                failed = "internal"
            task.on_done(failed)

    def _check(self, task: _Task) -> str | None:
        try:
            again = self._audit.run(task.bucket, task.key)
        except AwsError as failure:
            self._telemetry.digest_failed(failure)
            return "aws"
        if again is not None:
            self._telemetry.digest_unread(task.bucket, again)
            return "aws"
        self._on_digest(task.bucket, task.key)
        return None
