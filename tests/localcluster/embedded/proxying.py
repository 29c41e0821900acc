"""`…/pods/[SCHEME:]NAME[:PORT]/proxy/PATH`: one request of a client -> one to the pod, and its answer back.

Unlike the real server, this one goes to loopback addresses, which it refuses for safety: here they are where pods live.
Upgrades (WebSocket) are not passed on.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from localcluster.embedded.errors import ApiError, bad_request, not_found
from localcluster.embedded.jsontypes import Json
from localcluster.embedded.lifecycle import PODS
from localcluster.embedded.requests import ApiRequest
from localcluster.embedded.resources import Resource
from localcluster.embedded.store import Store

_SCHEMES = ("", "http", "https")
_PREFIX_PARTS = len(["", "api", "v1", "namespaces", "NAMESPACE", "pods", "NAME", "proxy"])
_OF_ONE_CONNECTION = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length"}
)
_OURS = frozenset({"authorization", "host", "accept-encoding"})


async def proxy(request: ApiRequest, resource: Resource, store: Store) -> web.StreamResponse:
    """Pass a request on to a pod, and its answer back."""
    scheme, name, port = _split(request.location.name)
    pod = store.get(PODS, request.location.namespace, name)
    if pod is None:
        raise not_found(resource.target(name))
    host = _find_address(pod)
    # Not decoded and encoded again: the pod shall get what the client wrote.
    target, _, query = request.raw.raw_path.partition("?")
    prefix, path = _split_path(target)
    behind = f"?{query}" if query else ""
    if not path and request.raw.method in ("GET", "HEAD"):
        return web.Response(status=301, headers={"Location": f"{prefix}/{behind}"})
    base = URL.build(scheme=scheme or "http", host=host, port=int(port or _find_port(pod)))
    url = URL(f"{base}".rstrip("/") + (path or "/") + behind, encoded=True)
    headers = _pass_on(request.raw.headers.items(), _OURS)
    headers["X-Forwarded-Uri"] = prefix + path
    return await _forward(request, url, headers)


async def _forward(request: ApiRequest, url: URL, headers: CIMultiDict[str]) -> web.StreamResponse:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        try:
            async with session.request(
                request.raw.method, url, data=request.body, headers=headers, allow_redirects=False, ssl=False
            ) as answer:
                body = await answer.read()
                return web.Response(status=answer.status, body=body, headers=_pass_on(answer.headers.items()))
        except aiohttp.ClientError as error:
            raise ApiError(503, "ServiceUnavailable", f"error trying to reach service: {error}") from error


def _pass_on(headers: Iterable[tuple[str, str]], without: frozenset[str] = frozenset()) -> CIMultiDict[str]:
    kept = CIMultiDict[str]()
    for name, value in headers:
        if name.lower() not in _OF_ONE_CONNECTION | without:
            kept.add(name, value)
    return kept


def _split(identity: str) -> tuple[str, str, str]:
    """`name`, `name:port` or `scheme:name:port` -> the three, empty where they are not said."""
    parts = identity.split(":")
    scheme, name, port = {1: ["", *parts, ""], 2: ["", *parts], 3: parts}.get(len(parts), ["", "", ""])
    if not name or scheme not in _SCHEMES or (len(parts) > 1 and not port):
        raise bad_request(f'invalid pod request "{identity}"')
    return scheme, name, port


def _split_path(path: str) -> tuple[str, str]:
    """The part that ends with the word proxy, and the path behind it, which is the pod's."""
    head = "/".join(path.split("/")[:_PREFIX_PARTS])
    return head, path[len(head) :]


def _find_address(pod: Json) -> str:
    addresses = (pod.get("status") or {}).get("podIPs") or []
    try:
        address = ip_address(addresses[0]["ip"] if addresses else "")
    except ValueError:
        raise bad_request("address not allowed") from None
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        raise bad_request("address not allowed")
    return str(address)


def _find_port(pod: Json) -> int:
    ports = (port for container in pod["spec"]["containers"] for port in container.get("ports") or [])
    return next((int(port["containerPort"]) for port in ports), 80)
