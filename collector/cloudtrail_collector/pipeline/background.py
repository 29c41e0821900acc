"""A part of the collector that runs in a thread of its own until it is told to stop."""

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
