"""Bounds the memory of what is being worked on: objects wait until what they may need is free."""

import threading
from collections.abc import Callable

from cloudtrail_collector.core.log_file import WINDOW_BYTES

TOTAL_BYTES = 128 * 1024 * 1024
# Text, cut records and payload of one object; log files shrink to a twelfth when compressed.
EXPANSION = 40
MAX_EXPANDED_BYTES = 5 * WINDOW_BYTES
# What others ship while somebody waits would wait for more at its sink.
ASK_SECONDS = 1.0


def estimate_need(compressed_bytes: int) -> int:
    """Estimate the memory that an object of this size takes: itself, twice while it arrives, and what is made of it."""
    return 2 * compressed_bytes + min(EXPANSION * compressed_bytes, MAX_EXPANDED_BYTES)


class MemoryBudget:
    """A number of bytes that is shared. What is larger than all of it may go when nothing else does.

    Who comes first goes first: something large would else be overtaken for ever.
    """

    def __init__(self, on_wait: Callable[[], None], total_bytes: int = TOTAL_BYTES) -> None:
        """`on_wait` is called when somebody has to wait, and again each second."""
        self._on_wait = on_wait
        self._total = total_bytes
        self._used = 0
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    def take(self, amount: int) -> "Share":
        """Take an amount, waiting until it is free."""
        with self._turn, self._changed:
            while not self._is_free(amount):
                self._on_wait()
                self._changed.wait_for(lambda: self._is_free(amount), ASK_SECONDS)
            self._used += amount
        return Share(self, amount)

    def give_back(self, amount: int) -> None:
        """Free an amount."""
        with self._changed:
            self._used -= amount
            self._changed.notify_all()

    def _is_free(self, amount: int) -> bool:
        return self._used == 0 or self._used + amount <= self._total


class Share:
    """What somebody has taken of a budget; given back once, by whichever thread."""

    def __init__(self, budget: MemoryBudget, amount: int) -> None:
        self._budget = budget
        self._amount = amount

    def shrink(self, amount: int) -> None:
        """Give back all but an amount."""
        if amount < self._amount:
            self._budget.give_back(self._amount - amount)
            self._amount = amount

    def release(self) -> None:
        """Give back what is left."""
        amount, self._amount = self._amount, 0
        self._budget.give_back(amount)
