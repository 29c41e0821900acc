"""kopf's watches of sources, children and pods. Each hands what it sees to the engine, and writes nothing.

Handlers for events only leave no finalizer and no annotation behind; their errors would be ignored, so they do nothing
that can fail.
"""

from typing import Any

import kopf

from cloudtrail_operator.core.kinds import CHILD_KINDS, Kind
from cloudtrail_operator.core.names import CHILD_SELECTOR
from cloudtrail_operator.reconcile.engine import Engine


def register_watches(registry: kopf.OperatorRegistry, settings: kopf.OperatorSettings, engine: Engine) -> None:
    """Register a watch for every kind that the operator reads."""
    for kind in (Kind.SOURCE, *CHILD_KINDS, Kind.POD):
        group, _, version = kind.value.api_version.rpartition("/")
        _register_watch(registry, engine, kind, group, version)
        if kind is not Kind.SOURCE:
            # Let the API server filter: it knows of many ConfigMaps and Pods that are none of our business.
            settings.watching.label_selectors[group, version, kind.value.plural] = CHILD_SELECTOR


def _register_watch(registry: kopf.OperatorRegistry, engine: Engine, kind: Kind, group: str, version: str) -> None:
    async def note(event: Any, **_: Any) -> None:
        engine.note_change(kind, dict(event["object"]), deleted=event["type"] == "DELETED")

    kopf.on.event(group=group, version=version, plural=kind.value.plural, id=kind.value.plural, registry=registry)(note)
