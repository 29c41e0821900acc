"""One stored object, several API versions: what is renamed on the way in and out."""

from __future__ import annotations

from localcluster.embedded.jsontypes import Json
from localcluster.embedded.resources import Resource

_EVENT_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
"""core/v1 name -> events.k8s.io/v1 name. Events are stored as core/v1."""
_CORE_NAMES = {new: old for old, new in _EVENT_NAMES.items()}


def present(resource: Resource, obj: Json) -> Json:
    """A stored object as this resource shows it."""
    if obj.get("apiVersion") == resource.api_version:
        return obj
    shown = {**obj, "apiVersion": resource.api_version}
    if resource.key == ("", "events"):
        return {_EVENT_NAMES.get(key, key): value for key, value in shown.items()}
    return shown


def is_converted(resource: Resource) -> bool:
    """Whether bodies sent to this resource have to be renamed before they are stored."""
    return resource.group == "events.k8s.io"


def to_stored_event(body: Json) -> Json:
    """An events.k8s.io/v1 body as core/v1 stores it."""
    return {**{_CORE_NAMES.get(key, key): value for key, value in body.items()}, "apiVersion": "v1"}
