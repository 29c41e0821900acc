"""Bounds the memory of what is being worked on: objects wait until what they may need is free."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cloudtrail_collector.core.log_file import WINDOW_BYTES

TOTAL_BYTES = 128 * 1024 * 1024
# Text, cut records and payload of one object; log files shrink to a twelfth when compressed.
EXPANSION = 40
MAX_EXPANDED_BYTES = 5 * WINDOW_BYTES


def estimate_need(compressed_bytes: int) -> int:
    """Estimate the memory that an object of this size takes: itself, twice while it arrives, and what is made of it."""
    return 2 * compressed_bytes + min(EXPANSION * compressed_bytes, MAX_EXPANDED_BYTES)


class MemoryBudget:
    """A number of bytes that workers share. What is larger than all of it may go when nothing else does."""

    def __init__(self, total_bytes: int = TOTAL_BYTES) -> None:
        self._total = total_bytes
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        """Take an amount, waiting until it is free; given back at the end of the block."""
        with self._changed:
            self._changed.wait_for(lambda: self._used == 0 or self._used + amount <= self._total)
            self._used += amount
        try:
            yield
        finally:
            with self._changed:
                self._used -= amount
                self._changed.notify_all()
