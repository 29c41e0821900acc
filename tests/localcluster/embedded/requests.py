"""One HTTP request as the API sees it: path, query, headers and body -> what is wanted of which resource."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from aiohttp import web

from localcluster.embedded import patches, protobuf
from localcluster.embedded.access import Action
from localcluster.embedded.errors import bad_request
from localcluster.embedded.lifecycle import DeleteOptions, WriteOptions

_METHOD_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_ENDPOINTS = frozenset({"status", "finalize"})


@dataclass(frozen=True, slots=True)
class Location:
    """Where a path points: a resource (plural set), an API version or group, or something else (path only)."""

    path: str
    group: str = ""
    version: str = ""
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def locate(path: str) -> Location:
    """Read an URL path."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) >= 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        group, version, rest = parts[1] if parts[:1] == ["apis"] and len(parts) == 2 else "", "", []
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2 and not (len(rest) == 3 and rest[2] in _NAMESPACE_ENDPOINTS):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = [*rest[:3], "", "", ""][:3]
    if plural == "namespaces" and not group:
        namespace = name
    return Location("/" + "/".join(parts), group, version, plural, namespace, name, subresource)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A located request with its body and the warnings to answer with."""

    raw: web.Request
    location: Location
    body: bytes
    warnings: list[str] = field(default_factory=list)

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        return self.raw.query

    def flag(self, name: str) -> bool:
        """A boolean query parameter."""
        return self.query.get(name, "").lower() in ("true", "1")

    @property
    def content_type(self) -> str:
        """The media type of the body."""
        return self.raw.headers.get("Content-Type", "").split(";")[0].strip()

    @property
    def is_watch(self) -> bool:
        """Whether a stream of changes is asked for."""
        return self.raw.method == "GET" and self.flag("watch")

    @property
    def accept(self) -> str:
        """The media types that the client prefers."""
        return self.raw.headers.get("Accept", "")

    def action(self) -> Action:
        """For authorization."""
        place, method = self.location, self.raw.method
        if not place.plural:
            return Action("get" if method in ("GET", "HEAD") else method.lower(), path=place.path or "/")
        if method in ("GET", "HEAD"):
            verb = "watch" if self.is_watch else "get" if place.name else "list"
        else:
            verb = _METHOD_VERBS.get(method, method.lower())
        if verb == "delete" and not place.name:
            verb = "deletecollection"
        name = place.name or _named_by_field_selector(self.query.get("fieldSelector", ""))
        return Action(verb, place.group, place.plural, place.subresource, place.namespace, name)

    def decode(self) -> Any:
        """The body as JSON."""
        if self.content_type == protobuf.MEDIA_TYPE or self.body.startswith(protobuf.MAGIC):
            return protobuf.decode_body(self.body)
        if not self.body:
            return {}
        try:
            if "yaml" in self.content_type:
                return yaml.safe_load(self.body)
            return json.loads(self.body)
        except (ValueError, yaml.YAMLError) as error:
            raise bad_request(f"the object provided is unrecognized (must be of type …): {error}") from error

    def decode_object(self) -> dict[str, Any]:
        """The body as an object."""
        body = self.decode()
        if not isinstance(body, dict):
            raise bad_request("the object provided is unrecognized: an object is expected")
        return body

    def write_options(self) -> WriteOptions:
        """How the client wants the write to be treated."""
        agent = self.raw.headers.get("User-Agent", "unknown").split("/")[0] or "unknown"
        is_apply = self.content_type == patches.APPLY_PATCH
        manager = self.query.get("fieldManager")
        if is_apply and not manager:
            raise bad_request(
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
            )
        return WriteOptions(
            manager=manager or agent,
            dry_run=self.query.get("dryRun") == "All",
            field_validation=self.query.get("fieldValidation") or "Warn",
            force=self.flag("force"),
            warnings=(self.warnings,),
        )

    def delete_options(self) -> DeleteOptions:
        """How the client wants the deletion to go: from the body, or the query."""
        body = self.decode_object() if self.body else {}
        conditions = body.get("preconditions") or {}
        grace = body.get("gracePeriodSeconds", self.query.get("gracePeriodSeconds"))
        if body.get("orphanDependents"):
            body["propagationPolicy"] = "Orphan"
        return DeleteOptions(
            grace_seconds=None if grace is None else int(grace),
            propagation=body.get("propagationPolicy") or self.query.get("propagationPolicy") or "Background",
            uid=conditions.get("uid"),
            resource_version=conditions.get("resourceVersion"),
            dry_run="All" in (body.get("dryRun") or []) or self.query.get("dryRun") == "All",
        )


def _named_by_field_selector(selector: str) -> str:
    """RBAC with resourceNames lets a client list and watch one object by name."""
    for term in selector.split(","):
        key, _, value = term.partition("=")
        if key == "metadata.name":
            return value.lstrip("=")
    return ""
