"""The verbs of the API on collections and on single objects: a located request -> a response."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from localcluster.embedded import patches
from localcluster.embedded.conversion import is_converted, present, to_stored_event
from localcluster.embedded.errors import (
    ApiError,
    Cause,
    Target,
    bad_request,
    invalid,
    method_not_allowed,
    not_found,
    unsupported_media_type,
)
from localcluster.embedded.jsontypes import Json, clone
from localcluster.embedded.lifecycle import NAMESPACES, PODS, Lifecycle
from localcluster.embedded.requests import ApiRequest
from localcluster.embedded.resources import Registry, Resource
from localcluster.embedded.selectors import Predicate, parse_fields, parse_labels
from localcluster.embedded.store import Store
from localcluster.embedded.tables import table
from localcluster.embedded.watching import WatchRequest, watch


class ObjectHandlers:
    """Everything but the special subresources."""

    def __init__(self, store: Store, registry: Registry, lifecycle: Lifecycle, stopping: Callable[[], bool]) -> None:
        self._store = store
        self._registry = registry
        self._lifecycle = lifecycle
        self._stopping = stopping

    async def collection(self, request: ApiRequest, resource: Resource) -> web.StreamResponse:
        """LIST, WATCH, POST and DELETE on a collection."""
        match request.raw.method:
            case "GET" if request.is_watch:
                return await self._watch(request, resource)
            case "GET":
                return self._list(request, resource)
            case "POST":
                storage, body = self._incoming(resource, request.decode_object())
                created = self._lifecycle.create(storage, request.location.namespace, body, request.write_options())
                return self._respond(request, resource, created, 201)
            case "DELETE":
                return self._delete_collection(request, resource)
            case _:
                raise method_not_allowed()

    def current(self, request: ApiRequest, resource: Resource) -> Json:
        """The stored object that the request names; raises NotFound (404)."""
        obj = self._store.get(resource.key, _home(request, resource), request.location.name)
        if obj is None:
            raise not_found(resource.target(request.location.name))
        return obj

    async def item(self, request: ApiRequest, resource: Resource) -> web.StreamResponse:
        """GET, PUT, PATCH and DELETE on one object or its status."""
        if request.is_watch:
            return await self._watch(request, resource)
        method = request.raw.method
        if method == "PATCH":
            return self._patch(request, resource)
        obj = self.current(request, resource)
        match method:
            case "GET":
                return self._respond(request, resource, obj)
            case "PUT":
                return self._put(request, resource, obj)
            case "DELETE" if not request.location.subresource:
                return self._delete(request, resource, obj)
            case _:
                raise method_not_allowed()

    def _incoming(self, resource: Resource, body: Json) -> tuple[Resource, Json]:
        if is_converted(resource):
            return self._registry.builtin("events"), to_stored_event(body)
        return resource, body

    def _selection(self, request: ApiRequest, resource: Resource) -> Predicate:
        labels = parse_labels(request.query.get("labelSelector", ""))
        fields = parse_fields(request.query.get("fieldSelector", ""), resource.selectable)
        namespace = request.location.namespace if resource.namespaced else ""
        name = request.location.name

        def matches(obj: Json) -> bool:
            metadata = obj["metadata"]
            if (namespace and metadata.get("namespace") != namespace) or (name and metadata["name"] != name):
                return False
            return labels(metadata.get("labels") or {}) and fields(present(resource, obj))

        return matches

    def _list(self, request: ApiRequest, resource: Resource) -> web.Response:
        wanted_version = request.query.get("resourceVersion") or "0"
        self._store.require_known(int(wanted_version))
        matches = self._selection(request, resource)
        home = request.location.namespace if resource.namespaced else ""
        found = [present(resource, obj) for obj in self._store.list(resource.key, home) if matches(obj)]
        list_meta: Json = {"resourceVersion": str(self._store.version)}
        found = _page(request, found, list_meta)
        if "as=Table" in request.accept:
            include = request.query.get("includeObject", "Metadata")
            return _json(request, table(resource, found, list_meta, include))
        kind, version = f"{resource.kind}List", resource.api_version
        if "as=PartialObjectMetadataList" in request.accept:
            kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
            found = [_partial(obj) for obj in found]
        return _json(request, {"kind": kind, "apiVersion": version, "metadata": list_meta, "items": found})

    def _put(self, request: ApiRequest, resource: Resource, obj: Json) -> web.Response:
        storage, body = self._incoming(resource, request.decode_object())
        if resource.crd and not (body.get("metadata") or {}).get("resourceVersion"):
            cause = Cause("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")
            raise invalid(resource.target(obj["metadata"]["name"]), [cause])
        subresource = request.location.subresource
        updated = self._lifecycle.update(storage, obj, body, request.write_options(), subresource)
        return self._respond(request, resource, updated)

    def _patch(self, request: ApiRequest, resource: Resource) -> web.Response:
        options, place = request.write_options(), request.location
        if request.content_type == patches.APPLY_PATCH:
            home, config = _home(request, resource), request.decode_object()
            applied, created = self._lifecycle.apply(resource, home, place.name, config, options, place.subresource)
            return self._respond(request, resource, applied, 201 if created else 200)
        obj = self.current(request, resource)
        patched = _patched(request, resource, present(resource, obj))
        storage, body = self._incoming(resource, patched)
        try:
            updated = self._lifecycle.update(storage, obj, body, options, place.subresource)
        except ApiError as error:
            raise _as_patch_error(error, patched) from error
        return self._respond(request, resource, updated)

    def _delete(self, request: ApiRequest, resource: Resource, obj: Json) -> web.Response:
        deleted, gone = self._lifecycle.delete(resource, obj, request.delete_options())
        if not gone or resource.key == PODS:
            return self._respond(request, resource, deleted)
        metadata = deleted["metadata"]
        details = {"name": metadata["name"], "group": resource.group, "kind": resource.plural, "uid": metadata["uid"]}
        details = {key: value for key, value in details.items() if value}
        return _json(
            request,
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details},
        )

    def _delete_collection(self, request: ApiRequest, resource: Resource) -> web.Response:
        if "deletecollection" not in resource.verbs:
            raise method_not_allowed()
        matches, options = self._selection(request, resource), request.delete_options()
        found = [obj for obj in self._store.list(resource.key) if matches(obj)]
        for obj in found:
            self._lifecycle.delete(resource, obj, options)
        list_meta = {"resourceVersion": str(self._store.version)}
        kind, version = f"{resource.kind}List", resource.api_version
        return _json(request, {"kind": kind, "apiVersion": version, "metadata": list_meta, "items": found})

    def _respond(self, request: ApiRequest, resource: Resource, obj: Json, code: int = 200) -> web.Response:
        shown = present(resource, obj)
        if "as=Table" in request.accept and request.raw.method == "GET":
            list_meta = {"resourceVersion": shown["metadata"]["resourceVersion"]}
            shown = table(resource, [shown], list_meta, request.query.get("includeObject", "Metadata"))
        elif "as=PartialObjectMetadata" in request.accept:
            shown = _partial(shown)
        return _json(request, shown, code)

    async def _watch(self, request: ApiRequest, resource: Resource) -> web.StreamResponse:
        query = request.query
        wanted = WatchRequest(
            resource=resource,
            matches=self._selection(request, resource),
            since=query.get("resourceVersion", ""),
            timeout_seconds=float(query.get("timeoutSeconds") or 0),
            bookmarks=request.flag("allowWatchBookmarks"),
            initial_events=request.flag("sendInitialEvents"),
            namespace=request.location.namespace if resource.namespaced else "",
        )
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request.raw)
        render = _WatchRenderer(request, resource)
        with contextlib.suppress(ConnectionError):  # A client that has gone ends its watch.
            async for kind, obj in watch(self._store, wanted, self._stopping):
                await response.write(render.line(kind, obj))
            await response.write_eof()
        return response


class _WatchRenderer:
    """Renders watch events in the form that the client asked for."""

    def __init__(self, request: ApiRequest, resource: Resource) -> None:
        self._resource = resource
        self._as_table = "as=Table" in request.accept
        self._as_metadata = "as=PartialObjectMetadata" in request.accept
        self._include = request.query.get("includeObject", "Metadata")
        self._announced = False

    def line(self, kind: str, obj: Json) -> bytes:
        """One event as a line."""
        if kind != "ERROR":
            obj = self._shown(kind, obj)
        return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"

    def _shown(self, kind: str, obj: Json) -> Json:
        if self._as_table:
            rows = table(self._resource, [], obj["metadata"]) if kind == "BOOKMARK" else self._row(obj)
            if self._announced:
                rows["columnDefinitions"] = None
            self._announced = True
            return rows
        shown = obj if kind == "BOOKMARK" else present(self._resource, obj)
        return _partial(shown) if self._as_metadata else shown

    def _row(self, obj: Json) -> Json:
        list_meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        return table(self._resource, [present(self._resource, obj)], list_meta, self._include)


def _patched(request: ApiRequest, resource: Resource, obj: Json) -> Json:
    content_type, patch = request.content_type, request.decode()
    accepted = [patches.JSON_PATCH, patches.MERGE_PATCH, patches.APPLY_PATCH]
    if content_type == patches.JSON_PATCH:
        return patches.apply_json_patch(obj, patch)
    if not isinstance(patch, dict):
        raise bad_request("the patch must be an object")
    patched: Json
    if content_type == patches.MERGE_PATCH:
        patched = patches.apply_merge_patch(obj, patch)
        return clone(patched)
    if content_type == patches.STRATEGIC_PATCH and not resource.crd:
        patched = patches.apply_strategic_patch(obj, patch, resource.schema)
        return clone(patched)
    raise unsupported_media_type(*accepted)


def _as_patch_error(error: ApiError, patched: Json) -> ApiError:
    """Unknown fields in the result of a patch are reported as an invalid patch."""
    _, found, fields = error.message.partition("strict decoding error: ")
    if error.code != 400 or not found:
        return error
    shown = json.dumps(json.dumps(patched, separators=(",", ":"), sort_keys=True))
    return invalid(Target("", "", "", ""), [Cause("patch", f"Invalid value: {shown}: {found}{fields}")])


def _page(request: ApiRequest, found: list[Json], list_meta: Json) -> list[Json]:
    """Cut a list to what `limit` and `continue` ask for."""
    start = request.query.get("continue")
    if start:
        try:
            after = tuple(json.loads(base64.urlsafe_b64decode(start)))
        except ValueError as error:
            raise bad_request("continue key is not valid") from error
        found = [obj for obj in found if _position(obj) > after]
    limit = int(request.query.get("limit") or 0)
    if limit and len(found) > limit:
        last = json.dumps(_position(found[limit - 1])).encode()
        list_meta["continue"] = base64.urlsafe_b64encode(last).decode()
        list_meta["remainingItemCount"] = len(found) - limit
        return found[:limit]
    return found


def _position(obj: Json) -> tuple[str, str]:
    return obj["metadata"].get("namespace") or "", obj["metadata"]["name"]


def _home(request: ApiRequest, resource: Resource) -> str:
    return request.location.namespace if resource.namespaced and resource.key != NAMESPACES else ""


def _partial(obj: Json) -> Json:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _json(request: ApiRequest, body: Any, code: int = 200) -> web.Response:
    response = web.json_response(body, status=code)
    for warning in request.warnings:
        response.headers.add("Warning", f"299 - {json.dumps(warning)}")
    return response
