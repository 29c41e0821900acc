"""What clients ask before they ask anything else: version, groups, resources, and OpenAPI documents per group."""

from __future__ import annotations

import hashlib
from typing import Any

from localcluster.embedded.errors import unknown_path
from localcluster.embedded.jsontypes import Json
from localcluster.embedded.resources import Registry, Resource

VERSION: Json = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.3+embedded",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "python",
    "platform": "linux/amd64",
}
_SUBRESOURCE_KINDS: dict[str, Json] = {
    "scale": {"kind": "Scale", "group": "autoscaling", "version": "v1"},
    "token": {"kind": "TokenRequest", "group": "authentication.k8s.io", "version": "v1"},
    "binding": {"kind": "Binding"},
    "eviction": {"kind": "Eviction", "group": "policy", "version": "v1"},
    "proxy": {"kind": "PodProxyOptions"},
}
_SUBRESOURCE_VERBS = {
    "token": ["create"],
    "binding": ["create"],
    "eviction": ["create"],
    "log": ["get"],
    "proxy": ["create", "delete", "get", "patch", "update"],
    "finalize": ["update"],
}
_WRITE_PARAMETERS: list[Json] = [
    {"name": name, "in": "query", "schema": {"type": "string"}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]
_APPLY_PARAMETERS: list[Json] = [*_WRITE_PARAMETERS, {"name": "force", "in": "query", "schema": {"type": "boolean"}}]


def group_list(registry: Registry) -> Json:
    """GET /apis."""
    groups = [_group(name, versions) for name, versions in registry.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> Json:
    """GET /apis/GROUP."""
    versions = registry.groups().get(name)
    if not versions or not name:
        raise unknown_path()
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def _group(name: str, versions: list[str]) -> Json:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resource_list(registry: Registry, group_name: str, version: str) -> Json:
    """GET /api/v1 and /apis/GROUP/VERSION."""
    resources = registry.in_version(group_name, version)
    if not resources:
        raise unknown_path()
    entries = [entry for resource in resources for entry in (_entry(resource), *_subresource_entries(resource))]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": resources[0].api_version,
        "resources": entries,
    }


def _entry(resource: Resource) -> Json:
    entry: Json = {
        "name": resource.plural,
        "singularName": resource.singular or resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


def _subresource_entries(resource: Resource) -> list[Json]:
    return [
        {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": _SUBRESOURCE_VERBS.get(name, ["get", "patch", "update"]),
            **_SUBRESOURCE_KINDS.get(name, {}),
        }
        for name in sorted(resource.subresources)
    ]


def openapi_index(registry: Registry) -> Json:
    """GET /openapi/v3: a document per group version, under a hash that changes when a CRD changes."""
    paths = {}
    for name, versions in registry.groups().items():
        for version in versions:
            path = f"apis/{name}/{version}" if name else f"api/{version}"
            resources = registry.in_version(name, version)
            content = repr([(resource.plural, id(resource.schema)) for resource in resources])
            digest = hashlib.sha256(content.encode()).hexdigest().upper()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def openapi_document(registry: Registry, path: str) -> Json:
    """GET /openapi/v3/…: schemas for `kubectl explain`, and parameters that tell kubectl what the server can do."""
    *_, group_name, version = ["", *path.split("/")[1:]]
    resources = registry.in_version(group_name, version)
    if not resources:
        raise unknown_path()
    document: Json = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": {},
        "components": {"schemas": {}},
    }
    for resource in resources:
        _document_resource(document, resource)
    return document


def _document_resource(document: Json, resource: Resource) -> None:
    identity = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    name = ".".join([*reversed((resource.group or "core.api.k8s.io").split(".")), resource.version, resource.kind])
    prefix = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
    base = f"{prefix}/{'namespaces/{namespace}/' if resource.namespaced else ''}{resource.plural}"
    reference = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    def operation(action: str, parameters: list[Json]) -> Json:
        return {
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": identity,
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": reference}},
        }

    document["paths"][base] = {"get": operation("list", []), "post": operation("post", _WRITE_PARAMETERS)}
    document["paths"][base + "/{name}"] = {
        "get": operation("get", []),
        "put": operation("put", _WRITE_PARAMETERS),
        "patch": operation("patch", _APPLY_PARAMETERS),
        "delete": operation("delete", [_WRITE_PARAMETERS[0]]),
    }
    schema: dict[str, Any] = {**resource.schema, "x-kubernetes-group-version-kind": [identity]}
    document["components"]["schemas"][name] = schema
