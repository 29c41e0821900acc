"""Turns acknowledgement ids of Splunk's indexers into an answer to those who wait for them.

One thread asks for all ids that are waited for, of all batches, in one request; it lives only while somebody waits. Splunk
forgets an id once it has said that it is acknowledged: an answer that gets lost, like an indexer that starts anew, lets the
wait end too late, and the batch comes twice.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cloudtrail_collector.errors import SinkError

# Indexers acknowledge after some seconds, as a rule; a request for a hundred ids costs what one for a single id does.
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class AckKey:
    """An id, and the cookie by which a load balancer finds the indexer that gave it (empty: there was none)."""

    cookie: str
    ack_id: int


@dataclass(slots=True, eq=False)
class _Wait:
    missing: set[AckKey]
    is_ambiguous: bool = False
    over: threading.Event = field(default_factory=threading.Event)


class DuplicateAckError(Exception):
    """Somebody waits for this id already: it stands for two batches."""


class AckPoller:
    """`ask` asks for ids behind one cookie and returns those that are acknowledged; it may raise SinkError."""

    def __init__(self, name: str, ask: Callable[[str, list[int]], set[int]]) -> None:
        self._name = name
        self._ask = ask
        self._lock = threading.Lock()
        self._owners: dict[AckKey, _Wait] = {}
        self._thread: threading.Thread | None = None
        self._failure: SinkError | None = None

    @property
    def failure(self) -> SinkError | None:
        """Why the last question was not answered, if it was not."""
        return self._failure

    def wait(self, keys: Iterable[AckKey], deadline: float) -> int:
        """Wait until all are acknowledged; returns how many are not at the deadline (monotonic).

        Raises DuplicateAckError for both, where two wait for the same id: nobody knows whose acknowledgement comes.
        """
        wait = _Wait(set(keys))
        if not wait.missing:
            return 0
        self._begin(wait)
        try:
            wait.over.wait(max(0.0, deadline - time.monotonic()))
        finally:
            with self._lock:
                for key in wait.missing:
                    del self._owners[key]
        if wait.is_ambiguous:
            raise DuplicateAckError
        return len(wait.missing)

    def _begin(self, wait: _Wait) -> None:
        with self._lock:
            others = [self._owners[key] for key in wait.missing & self._owners.keys()]
            for other in others:
                other.is_ambiguous = True
                other.over.set()
            if others:
                raise DuplicateAckError
            self._owners.update(dict.fromkeys(wait.missing, wait))
            if self._thread is None:
                self._failure = None
                self._thread = threading.Thread(target=self._run, name=f"{self._name}-acks", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(POLL_SECONDS)
            asked: dict[str, list[int]] = {}
            with self._lock:
                for key in self._owners:
                    asked.setdefault(key.cookie, []).append(key.ack_id)
                if not asked:
                    self._thread = None
                    return
            for cookie, ack_ids in asked.items():
                self._poll(cookie, ack_ids)

    def _poll(self, cookie: str, ack_ids: list[int]) -> None:
        try:
            done = self._ask(cookie, ack_ids)
        except SinkError as error:
            self._failure = error
            return
        self._failure = None
        with self._lock:
            for ack_id in done:
                self._settle(AckKey(cookie, ack_id))

    def _settle(self, key: AckKey) -> None:
        wait = self._owners.pop(key, None)
        if wait is not None:
            wait.missing.discard(key)
            if not wait.missing:
                wait.over.set()
