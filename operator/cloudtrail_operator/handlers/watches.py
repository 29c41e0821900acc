"""kopf's watches of sources, children and pods. Each hands what it sees to the engine, and writes nothing.

Handlers for events only leave no finalizer and no annotation behind; their errors would be ignored, so they do nothing
that can fail.
"""

from dataclasses import dataclass
from typing import Any

import kopf

from cloudtrail_operator.core.kinds import CHILD_KINDS, Kind
from cloudtrail_operator.core.names import CHILD_SELECTOR
from cloudtrail_operator.reconcile.engine import Engine
from cloudtrail_operator.reconcile.resync import Resync


@dataclass(frozen=True, slots=True)
class Inbox:
    """Who takes what the watches see."""

    engine: Engine
    resync: Resync

    def take(self, kind: Kind, event: Any) -> None:
        """Take a watched event. One without a type comes from the list with which a watch begins."""
        if event["type"] is None:
            self.resync.ask()
        self.engine.note_change(kind, dict(event["object"]), deleted=event["type"] == "DELETED")


def register_watches(registry: kopf.OperatorRegistry, settings: kopf.OperatorSettings, inbox: Inbox) -> None:
    """Register a watch for every kind that the operator reads."""
    for kind in (Kind.SOURCE, *CHILD_KINDS, Kind.POD):
        group, _, version = kind.value.api_version.rpartition("/")
        _register_watch(registry, inbox, kind, group, version)
        if kind is not Kind.SOURCE:
            # Let the API server filter: it knows of many ConfigMaps and Pods that are none of our business.
            settings.watching.label_selectors[group, version, kind.value.plural] = CHILD_SELECTOR


def _register_watch(registry: kopf.OperatorRegistry, inbox: Inbox, kind: Kind, group: str, version: str) -> None:
    async def note(event: Any, **_: Any) -> None:
        inbox.take(kind, event)

    kopf.on.event(group=group, version=version, plural=kind.value.plural, id=kind.value.plural, registry=registry)(note)
