"""Notes how far a share is, so that whoever goes on with it knows, and finds out when somebody else has gone on with it."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from cloudtrail_collector.errors import (
    ProgressConflictError,
    ProgressRefusedError,
    ProgressUnreachableError,
    ShareLostError,
)
from cloudtrail_collector.logs import LOGGER_NAME
from cloudtrail_collector.pipeline.retrying import Trouble
from cloudtrail_collector.ports import NotedProgress, ProgressStore
from cloudtrail_spec.backfill_task import BackfillProgress
from cloudtrail_spec.conditions import Reason

log = logging.getLogger(LOGGER_NAME)
T = TypeVar("T")


class Checkpoint:
    """The progress of one share, held by one worker.

    The store takes a note only in place of the one that was read last. A worker that has been replaced, but has not noticed
    yet, cannot put its own over that of its successor.
    """

    def __init__(self, store: ProgressStore, holder: str, stopping: threading.Event) -> None:
        self._store = store
        self._holder = holder
        self._stopping = stopping
        self._version = ""

    def claim(self, task_hash: str, share: int) -> BackfillProgress:
        """Take the share over from whoever had it, and return how far it is.

        Raises ProgressUnreachableError, ProgressRefusedError, StoppedError.
        """
        trouble = Trouble(self._stopping)
        while True:
            noted = self._ask(self._store.read)
            mine = self._build_claim(noted, task_hash, share)
            try:
                self._version = self._ask(lambda: self._store.write(mine, noted.version))  # noqa: B023
            except ProgressConflictError:
                # The one before is still at work. It stops as soon as it wants to note something more.
                if not trouble.wait(Reason.ENDPOINT_UNREACHABLE):
                    raise
            else:
                return mine

    def save(self, progress: BackfillProgress) -> None:
        """Note progress. Raises ShareLostError, ProgressUnreachableError, ProgressRefusedError, StoppedError."""
        while True:
            try:
                self._version = self._ask(lambda: self._store.write(progress, self._version))
            except ProgressConflictError:
                self._look_again()
            else:
                return

    def _look_again(self) -> None:
        """Find out who has noted something: ourselves, if the answer was lost, or somebody who minds other fields."""
        noted = self._ask(self._store.read)
        if noted.progress is not None and noted.progress.holder != self._holder:
            raise ShareLostError(f"share {noted.progress.share} is now worked on by {noted.progress.holder}")
        self._version = noted.version

    def _build_claim(self, noted: NotedProgress, task_hash: str, share: int) -> BackfillProgress:
        now = datetime.now(UTC)
        found = noted.progress
        if found is not None and (found.task_hash, found.share) != (task_hash, share):
            log.warning("what is noted is of another task: the share begins anew", extra={"fields": {"share": share}})
            found = None
        found = found or BackfillProgress(task_hash=task_hash, share=share, started_at=now)
        return found.model_copy(update={"holder": self._holder, "failed": False, "updated_at": now})

    def _ask(self, question: Callable[[], T]) -> T:
        trouble = Trouble(self._stopping)
        while True:
            try:
                return question()
            except (ProgressUnreachableError, ProgressRefusedError) as failure:
                log.warning("progress was not noted", extra={"fields": {"error": str(failure)}})
                is_refused = isinstance(failure, ProgressRefusedError)
                if not trouble.wait(Reason.ACCESS_DENIED if is_refused else Reason.ENDPOINT_UNREACHABLE):
                    raise
