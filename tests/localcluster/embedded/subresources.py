"""The endpoints below an object that are not its status: scale, log, token, binding, eviction; and access reviews."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from localcluster.embedded import patches
from localcluster.embedded.access import Action, Authorizer, User
from localcluster.embedded.errors import (
    ApiError,
    Target,
    bad_request,
    conflict,
    method_not_allowed,
    not_found,
    unsupported_media_type,
)
from localcluster.embedded.jsonpaths import read_path, write_path
from localcluster.embedded.jsontypes import Json, clone, dig, timestamp
from localcluster.embedded.lifecycle import PODS, Lifecycle
from localcluster.embedded.requests import ApiRequest
from localcluster.embedded.resources import Resource
from localcluster.embedded.store import Store
from localcluster.embedded.tokens import TokenIssuer, token_request

LOG_DIR_ANNOTATION = "cloudtrail-operator.io/log-dir"
"""On a Node: the directory that holds <pod uid>/<container>.log."""
FOLLOW_POLL_SECONDS = 0.2


def scale(request: ApiRequest, resource: Resource, obj: Json, lifecycle: Lifecycle) -> web.Response:
    """GET, PUT and PATCH of the replica count."""
    shown = _scale_of(resource, obj)
    if request.raw.method == "GET":
        return web.json_response(shown)
    body = request.decode()
    match request.raw.method, request.content_type:
        case "PUT", _:
            wanted = body
        case "PATCH", patches.JSON_PATCH:
            wanted = patches.apply_json_patch(shown, body)
        case "PATCH", (patches.MERGE_PATCH | patches.STRATEGIC_PATCH):
            wanted = patches.apply_merge_patch(shown, body)
        case "PATCH", _:
            raise unsupported_media_type(patches.JSON_PATCH, patches.MERGE_PATCH)
        case _:
            raise method_not_allowed()
    scaled = clone(obj)
    write_path(scaled, resource.scale_paths[0], dig(wanted, "spec", "replicas") or 0)
    scaled["metadata"]["resourceVersion"] = dig(wanted, "metadata", "resourceVersion") or ""
    return web.json_response(_scale_of(resource, lifecycle.update(resource, obj, scaled, request.write_options())))


def _scale_of(resource: Resource, obj: Json) -> Json:
    fields = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Json = {"replicas": read_path(obj, resource.scale_paths[1]) or 0}
    replicas = read_path(obj, resource.scale_paths[0])
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: obj["metadata"][key] for key in fields if key in obj["metadata"]},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def bind(request: ApiRequest, resource: Resource, pod: Json, lifecycle: Lifecycle) -> web.Response:
    """POST …/pods/NAME/binding: give the pod to a node."""
    node = dig(request.decode_object(), "target", "name")
    if not node:
        raise bad_request("target.name: Required value")
    if pod["spec"].get("nodeName"):
        why = f'pod {pod["metadata"]["name"]} is already assigned to node "{pod["spec"]["nodeName"]}"'
        raise conflict(Target("", "pods/binding", "Pod", pod["metadata"]["name"]), why)
    bound = clone(pod)
    bound["spec"]["nodeName"] = node
    options = request.write_options()
    bound = lifecycle.update(resource, pod, bound, options)
    if not options.dry_run:
        scheduled = clone(bound)
        conditions = [item for item in dig(bound, "status", "conditions") or [] if item["type"] != "PodScheduled"]
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp(), "lastProbeTime": None}
        scheduled["status"] = {**(bound.get("status") or {}), "conditions": [*conditions, condition]}
        lifecycle.update(resource, bound, scheduled, options, "status")
    return web.json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, status=201)


def evict(request: ApiRequest, resource: Resource, pod: Json, lifecycle: Lifecycle) -> web.Response:
    """POST …/pods/NAME/eviction: delete the pod. PodDisruptionBudgets are not consulted."""
    lifecycle.delete(resource, pod, request.delete_options())
    return web.json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, status=201)


def issue_token(request: ApiRequest, account: Json, issuer: TokenIssuer, store: Store) -> web.Response:
    """POST …/serviceaccounts/NAME/token."""
    spec = request.decode_object().get("spec") or {}
    reference = spec.get("boundObjectRef")
    if reference and reference.get("kind") == "Pod":
        pod = store.get(PODS, account["metadata"]["namespace"], reference["name"])
        if pod is None or reference.get("uid", pod["metadata"]["uid"]) != pod["metadata"]["uid"]:
            raise not_found(Target("", "pods", "Pod", reference["name"]))
        reference["uid"] = pod["metadata"]["uid"]
    spec.setdefault("expirationSeconds", 3600)
    if not spec.get("audiences"):
        spec["audiences"] = [issuer.issuer]
    return web.json_response(token_request(account, spec, issuer.issue(account, spec)), status=201)


async def stream_log(request: ApiRequest, pod: Json, store: Store) -> web.StreamResponse:
    """GET …/pods/NAME/log: the file that the node agent writes for one container."""
    if request.flag("previous"):
        container = request.query.get("container") or pod["spec"]["containers"][0]["name"]
        name = pod["metadata"]["name"]
        raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
    path = _log_path(request, pod, store)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    await response.prepare(request.raw)
    content = _read_from(path, 0)
    await response.write(_tail(content, request.query.get("tailLines")))
    if request.flag("follow"):
        await _follow(response, path, len(content), pod, store)
    await response.write_eof()
    return response


def _log_path(request: ApiRequest, pod: Json, store: Store) -> Path:
    name, containers = pod["metadata"]["name"], [item["name"] for item in pod["spec"]["containers"]]
    container = request.query.get("container") or (containers[0] if len(containers) == 1 else "")
    if not container:
        listed = " ".join(containers)
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{listed}]")
    if container not in containers:
        raise bad_request(f"container {container} is not valid for pod {name}")
    node_name = pod["spec"].get("nodeName")
    node = store.get(("", "nodes"), "", node_name) if node_name else None
    directory = dig(node, "metadata", "annotations", LOG_DIR_ANNOTATION)
    if not directory:
        message = f'container "{container}" in pod "{name}" is waiting to start: no node has taken the pod'
        raise ApiError(400, "BadRequest", message)
    return Path(str(directory), str(pod["metadata"]["uid"]), f"{container}.log")


def _tail(content: bytes, lines: str | None) -> bytes:
    if lines is None:
        return content
    kept = content.splitlines(keepends=True)
    return b"".join(kept[len(kept) - int(lines) :] if int(lines) < len(kept) else kept)


def _read_from(path: Path, position: int) -> bytes:
    """What a log has beyond a position; log files are small and local, so this does not need a thread."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(position)
        return file.read()


async def _follow(response: web.StreamResponse, path: Path, position: int, pod: Json, store: Store) -> None:
    """Send what is appended until the pod is gone or has finished."""
    namespace, name, uid = (pod["metadata"][key] for key in ("namespace", "name", "uid"))
    running = True
    while running:
        current = store.get(PODS, namespace, name)
        finished = dig(current, "status", "phase") in ("Succeeded", "Failed")
        running = dig(current, "metadata", "uid") == uid and not finished
        chunk = _read_from(path, position)
        if chunk:
            position += len(chunk)
            await response.write(chunk)
        elif running:
            await asyncio.sleep(FOLLOW_POLL_SECONDS)


def review(
    request: ApiRequest, resource: Resource, user: User, authorizer: Authorizer, issuer: TokenIssuer
) -> web.Response:
    """POST of the reviews that are answered and not stored."""
    if request.raw.method != "POST":
        raise method_not_allowed()
    body = request.decode_object()
    answer = {**body, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
    spec = body.get("spec") or {}
    match resource.kind:
        case "SelfSubjectAccessReview":
            answer["status"] = _access(user, spec, authorizer)
        case "SubjectAccessReview":
            other = User(spec.get("user") or "", tuple(spec.get("groups") or ()))
            answer["status"] = _access(other, spec, authorizer)
        case "SelfSubjectRulesReview":
            answer["status"] = _rules(user, spec.get("namespace") or "", authorizer)
        case "SelfSubjectReview":
            answer["status"] = {"userInfo": _user_info(user)}
        case _:
            found = issuer.user_of(spec.get("token") or "")
            answer["status"] = {"authenticated": bool(found), **({"user": _user_info(found)} if found else {})}
    return web.json_response(answer, status=201)


def _user_info(user: User) -> Json:
    return {"username": user.name, "uid": user.uid, "groups": list(user.groups)}


def _access(user: User, spec: Json, authorizer: Authorizer) -> Json:
    wanted, path = spec.get("resourceAttributes") or {}, spec.get("nonResourceAttributes") or {}
    if path:
        action = Action(path.get("verb", ""), path=path.get("path", ""))
    else:
        names = ("verb", "group", "resource", "subresource", "namespace", "name")
        action = Action(**{name: wanted.get(name) or "" for name in names})
    return {"allowed": authorizer.allows(user, action)}


def _rules(user: User, namespace: str, authorizer: Authorizer) -> Json:
    rules = list(authorizer.rules(user, namespace))
    if "system:masters" in user.groups:
        rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]}]
    return {
        "incomplete": False,
        "resourceRules": [rule for rule in rules if rule.get("resources")],
        "nonResourceRules": [rule for rule in rules if rule.get("nonResourceURLs")],
    }
