"""Asks again until there is an answer, the reason says that there will be none, or the process is to end."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from cloudtrail_collector.core.backfill.patience import find_pause
from cloudtrail_collector.errors import AwsError, CollectorError
from cloudtrail_spec.conditions import Reason

T = TypeVar("T")


class StoppedError(CollectorError):
    """The process is to end before there was an answer."""


class Trouble:
    """Failures in a row, of one thing."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._tries = 0
        self._began = 0.0

    def wait(self, reason: Reason) -> bool:
        """Wait before the next try; False: it is time to give up. Raises StoppedError."""
        now = time.monotonic()
        if not self._tries:
            self._began = now
        self._tries += 1
        jitter = random.random()  # noqa: S311  (spreads retries, no secret)
        pause = find_pause(reason, self._tries, now - self._began, jitter)
        if pause is None:
            return False
        if self._stopping.wait(pause):
            raise StoppedError
        return True


class Retrying:
    """Asks AWS."""

    def __init__(self, stopping: threading.Event, note: Callable[[AwsError], None]) -> None:
        """`note` is told of each failure."""
        self._stopping = stopping
        self._note = note

    def ask(self, question: Callable[[], T], *, expected: Reason | None = None) -> T:
        """Ask until there is an answer, or a failure for the `expected` reason: that is an answer, too, and not told.

        Raises AwsError, StoppedError.
        """
        trouble = Trouble(self._stopping)
        while True:
            if self._stopping.is_set():
                raise StoppedError
            try:
                return question()
            except AwsError as failure:
                if failure.reason is expected:
                    raise
                self._note(failure)
                if not trouble.wait(failure.reason):
                    raise
