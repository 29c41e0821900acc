"""Parts of the collector that run in threads of their own: one until it is told to stop, or some until the process ends."""

import threading
from abc import ABC, abstractmethod


class Background(ABC):
    """Holds the thread and the wish to stop. The thread is a daemon: a hung request must not keep the process alive."""

    def __init__(self, name: str) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask the thread to end. Returns at once; `join` waits."""
        self._stopping.set()

    def join(self, timeout: float) -> None:
        """Wait for the end of the thread, at most `timeout` seconds."""
        self._thread.join(max(0.0, timeout))

    @abstractmethod
    def _run(self) -> None:
        """Work until `_stopping` is set."""


class WorkerThreads(ABC):
    """A fixed number of threads that do the same, for as long as the process lives."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []

    def start(self, count: int) -> None:
        """Start the threads."""
        for number in range(count):
            thread = threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def are_alive(self) -> bool:
        """Tell whether every thread runs."""
        return all(thread.is_alive() for thread in self._threads)

    @abstractmethod
    def _run(self) -> None:
        """Work without end."""
