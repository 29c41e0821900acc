"""Watches: the events of one kind -> a stream of lines, filtered per client, with bookmarks and a time limit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from localcluster.embedded.errors import ApiError
from localcluster.embedded.jsontypes import Json
from localcluster.embedded.resources import Resource
from localcluster.embedded.selectors import Predicate
from localcluster.embedded.store import Event, Store

BOOKMARK_SECONDS = 30.0
"""The real server sends one about every minute; clients only rely on there being some."""

Change = tuple[str, Json]
"""The type of a watch event and its object."""


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What a client wants to see."""

    resource: Resource
    matches: Predicate
    since: str = ""
    timeout_seconds: float = 0.0
    bookmarks: bool = False
    initial_events: bool = False
    namespace: str = ""


async def watch(store: Store, request: WatchRequest, stopped: Callable[[], bool]) -> AsyncIterator[Change]:
    """Yield changes until the time is over: first what is there (or happened since a version), then what happens."""
    queue = store.subscribe(request.resource.key)
    try:
        seen = store.version
        try:
            for change in _beginning(store, request):
                yield change
        except ApiError as error:
            yield "ERROR", error.status()
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + (request.timeout_seconds or random.uniform(1800, 3600))
        while not stopped() and (left := end - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                    event = await queue.get()
            except TimeoutError:
                if request.bookmarks and end - loop.time() > 0:
                    yield "BOOKMARK", _bookmark(request.resource, store.version)
                continue
            if event.version > seen:
                for change in _select(event, request.matches):
                    yield change
    finally:
        store.unsubscribe(request.resource.key, queue)


def _beginning(store: Store, request: WatchRequest) -> list[Change]:
    resource = request.resource
    if request.initial_events or request.since in ("", "0"):
        found = [("ADDED", obj) for obj in store.list(resource.key, request.namespace) if request.matches(obj)]
        if request.initial_events and request.bookmarks:
            mark = _bookmark(resource, store.version)
            mark["metadata"]["annotations"] = {"k8s.io/initial-events-end": "true"}
            return [*found, ("BOOKMARK", mark)]
        return found
    since = int(request.since)
    store.require_known(since)
    return [change for event in store.events_since(resource.key, since) for change in _select(event, request.matches)]


def _bookmark(resource: Resource, version: int) -> Json:
    return {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {"resourceVersion": str(version), "creationTimestamp": None},
    }


def _select(event: Event, matches: Predicate) -> list[Change]:
    """An object that starts to match is an addition for this client, one that stops to match a deletion.

    What is deleted in this sense is shown as it was when it still matched: clients look at its labels.
    """
    previous = event.previous if event.previous is not None and matches(event.previous) else None
    if event.type != "DELETED" and matches(event.obj):
        return [("MODIFIED" if previous else "ADDED", event.obj)]
    if previous is None:
        return []
    last = {**previous, "metadata": {**previous["metadata"], "resourceVersion": str(event.version)}}
    return [("DELETED", last)]
