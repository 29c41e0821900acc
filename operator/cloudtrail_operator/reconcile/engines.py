"""The engines of sources and of backfills as one: each is told all that is seen, and keeps what is its own."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from cloudtrail_operator import telemetry
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.core.source import SourceKey
from cloudtrail_operator.reconcile.engine import Engine


@dataclass(frozen=True, slots=True)
class Engines:
    """Some engines, each for a kind of ours."""

    engines: tuple[Engine, ...]

    def note_change(self, kind: Kind, manifest: Manifest, *, deleted: bool) -> None:
        """Take in a watched change."""
        telemetry.watched(kind.value.kind)
        for engine in self.engines:
            engine.note_change(kind, manifest, deleted=deleted)

    def note_page(self, kind: Kind, manifests: Iterable[Manifest]) -> int:
        """Take in a part of a list; count what is news."""
        page = list(manifests)
        return sum(engine.note_page(kind, page) for engine in self.engines)

    def note_gone(self, kind: Kind, namespace: str | None, uids: Iterable[str], version: int | None) -> int:
        """Forget what a whole list, of a version, does not have; count how much that is."""
        listed = frozenset(uids)
        return sum(engine.note_gone(kind, namespace, listed, version) for engine in self.engines)

    def look_at_all(self, within_seconds: float) -> None:
        """Look at everything, spread over a time."""
        for engine in self.engines:
            engine.look_at_all(within_seconds)

    def watched_since(self, kind: Kind, moment: float) -> bool:
        """Say whether the watch of a kind has told of anything since a moment of the monotonic clock."""
        return any(engine.watched_since(kind, moment) for engine in self.engines)

    def count_due(self) -> int:
        """Count what is due for a look. May be called from any thread."""
        return sum(engine.count_due() for engine in self.engines)

    @property
    def stuck(self) -> list[SourceKey]:
        """What is looked at without end."""
        return [key for engine in self.engines for key in engine.stuck]

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for engine in self.engines:
                tasks.create_task(engine.run())
