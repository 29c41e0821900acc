"""Integrity Enforce: keeps the messages of log files back until digest files have come that name them.

A message waits here invisible, without being received again. Its log files are read and delivered when what they must hash
to is known, so that what is proven are the very bytes that leave. A section's digest files are looked at when this process
is told of one, and else every few minutes: another replica may have got the message.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cloudtrail_collector.core.integrity.digest_key import DigestKey
from cloudtrail_collector.core.integrity.log_place import LogPlace, find_log_place
from cloudtrail_collector.core.notification import ObjectRef, UnknownNotificationError, parse_notification
from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.pipeline.background import Background
from cloudtrail_collector.pipeline.digest_audit import find_section
from cloudtrail_collector.pipeline.ledger import Ledger
from cloudtrail_collector.pipeline.proofs import Proofs, ProofStore, Shelf
from cloudtrail_collector.ports import Message
from cloudtrail_collector.telemetry import Telemetry

LOOK_SECONDS = 300.0
# SQS keeps a message invisible for twelve hours at most. What is not proven then goes back, and waits again.
PATIENCE_SECONDS = 11 * 3600.0
TURN_SECONDS = 1.0
PARALLEL_LOOKS = 8
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Waiting:
    """A message, the log files of it that are not proven yet, and those that are. `since` is when it began to wait."""

    message: Message
    open: dict[ObjectRef, LogPlace]
    proofs: dict[ObjectRef, str] = field(default_factory=dict)
    since: float = 0.0
    shelves: frozenset[Shelf] = frozenset()


@dataclass(slots=True)
class _Section:
    """Messages that wait for digest files of one section, and how these were looked at last."""

    shelf: Shelf
    waiting: dict[str, _Waiting] = field(default_factory=dict)
    looked_at: float | None = None
    looked_from: datetime = NEVER
    is_blind: bool = False
    """The last look failed."""
    is_told: bool = False

    def is_due(self, now: float, today: datetime, pause: float) -> bool:
        """Tell whether to look: a digest file came, time has passed, or a message waits for an older one."""
        if self.is_told or (self.looked_at is not None and now - self.looked_at >= pause):
            return True
        # Within minutes of its delivery no digest file names a log file.
        ripe = [place for place in self.list_places() if today - place.delivered_at >= timedelta(seconds=pause)]
        return any(place.since < self.looked_from for place in ripe)

    def list_places(self) -> list[LogPlace]:
        """List the places of the log files that are not proven."""
        items = (item for one in self.waiting.values() for item in one.open.items())
        return [place for reference, place in items if (reference.bucket, place.section) == self.shelf]

    def has_looked_for(self, one: _Waiting, place: LogPlace) -> bool:
        """Tell whether all digest files that may name a log file were looked at since its message waits."""
        has_looked = self.looked_at is not None and self.looked_at > one.since and not self.is_blind
        return has_looked and self.looked_from <= place.since


class ProofGate(Background):
    """Lets a message through when its log files are proven; used by all workers, and a thread that looks."""

    def __init__(
        self,
        is_wanted: Callable[[ObjectRef], bool],
        proofs: ProofStore,
        ledger: Ledger,
        telemetry: Telemetry,
        *,
        look_seconds: float = LOOK_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`is_wanted` tells which objects are log files that are read."""
        super().__init__("proof-gate")
        self._is_wanted = is_wanted
        self._proofs = proofs
        self._ledger = ledger
        self._telemetry = telemetry
        self._look_seconds = look_seconds
        self._patience_seconds = patience_seconds
        self._changed = threading.Condition()
        self._sections: dict[Shelf, _Section] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._resume: Callable[[Message, Proofs], None] | None = None

    def connect(self, resume: Callable[[Message, Proofs], None]) -> None:
        """Say who goes on with a message and its proofs."""
        self._resume = resume

    def admit(self, message: Message) -> Proofs | None:
        """Return the proofs of a message's log files; None where it has to wait: it will be resumed."""
        found = self._list_log_files(message)
        one = _Waiting(message, found)
        self._settle(one)
        if not one.open:
            return one.proofs
        with self._changed:
            self._ledger.postpone(message.id)
            one.since = time.monotonic()
            self._waiting[message.id] = one
            one.shelves = frozenset((reference.bucket, place.section) for reference, place in one.open.items())
            for shelf in one.shelves:
                self._sections.setdefault(shelf, _Section(shelf)).waiting[message.id] = one
            self._telemetry.waiting_counted(len(self._waiting))
            self._changed.notify()
        return None

    def tell(self, bucket: str, key: DigestKey) -> None:
        """Note that a digest file has come."""
        with self._changed:
            if section := self._sections.get((bucket, find_section(key))):
                section.is_told = True
                self._changed.notify()

    def take_waiting(self) -> list[Message]:
        """Take back everything that waits, to return it."""
        with self._changed:
            taken = [one.message for one in self._waiting.values()]
            self._waiting.clear()
            self._sections.clear()
            self._telemetry.waiting_counted(0)
            return taken

    def stop(self) -> None:
        """Look no more."""
        super().stop()
        with self._changed:
            self._changed.notify()

    def _list_log_files(self, message: Message) -> dict[ObjectRef, LogPlace]:
        """List the log files that a message announces. One without a day in its key is named by no digest file."""
        try:
            objects = parse_notification(message.body).objects
        except UnknownNotificationError:
            return {}
        return {one: place for one in objects if self._is_wanted(one) and (place := find_log_place(one.key))}

    def _settle(self, one: _Waiting) -> None:
        """Look up what is known by now."""
        for reference, place in list(one.open.items()):
            if sha256 := self._proofs.find(reference, place):
                one.proofs[reference] = sha256
                del one.open[reference]

    def _run(self) -> None:
        with ThreadPoolExecutor(PARALLEL_LOOKS, thread_name_prefix="proof") as pool:
            while not self._stopping.is_set():
                try:
                    list(pool.map(self._look, self._list_due()))
                    self._release_overdue()
                except Exception as error:  # noqa: BLE001  (a task's boundary: looking must go on)
                    self._telemetry.crashed("proof gate", error)
                with self._changed:
                    if not self._stopping.is_set():
                        self._changed.wait(TURN_SECONDS)

    def _list_due(self) -> list[_Section]:
        now, today = time.monotonic(), datetime.now(UTC)
        with self._changed:
            due = [one for one in self._sections.values() if one.is_due(now, today, self._look_seconds)]
            for section in due:
                section.is_told = False
        return due

    def _look(self, section: _Section) -> None:
        """Look at the digest files of a section, and let through what each of them proves."""
        with self._changed:
            places, began = section.list_places(), time.monotonic()
        if not places:
            return
        since = min(place.since for place in places)
        until = min(max(place.until for place in places), datetime.now(UTC))
        try:
            self._release_proven(section)
            for _ in self._proofs.look(section.shelf, since, until):
                self._release_proven(section)
            section.is_blind = False
        except AwsError as failure:
            section.is_blind = True
            self._telemetry.look_failed(failure)
        finally:
            section.looked_at, section.looked_from = began, since

    def _release_proven(self, section: _Section) -> None:
        with self._changed:
            waiting = list(section.waiting.values())
            for one in waiting:
                self._settle(one)
            ready = [one for one in waiting if not one.open and self._drop(one)]
        self._let_go(ready)

    def _release_overdue(self) -> None:
        """Let go what no digest file will name any more, or what SQS will not keep invisible for longer: unproven."""
        now, today = time.monotonic(), datetime.now(UTC)
        with self._changed:
            late = [one for one in self._waiting.values() if self._is_overdue(one, now, today)]
            late = [one for one in late if self._drop(one)]
        self._let_go(late)

    def _is_overdue(self, one: _Waiting, now: float, today: datetime) -> bool:
        if now - one.since >= self._patience_seconds:
            return True
        return all(
            today > place.until and self._sections[reference.bucket, place.section].has_looked_for(one, place)
            for reference, place in one.open.items()
        )

    def _drop(self, one: _Waiting) -> bool:
        """Take a message out; False when somebody else has. Expects the lock to be held."""
        if self._waiting.pop(one.message.id, None) is None:
            return False
        for shelf in one.shelves:
            section = self._sections[shelf]
            del section.waiting[one.message.id]
            if not section.waiting:
                del self._sections[shelf]
        self._telemetry.waiting_counted(len(self._waiting))
        return True

    def _let_go(self, some: list[_Waiting]) -> None:
        for one in some:
            if self._ledger.resume(one.message.id) and self._resume is not None:
                self._resume(one.message, one.proofs)
