"""The HTTP front: authentication, authorization, and the way from a path to its handler."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from localcluster.embedded import discovery, proxying, subresources
from localcluster.embedded.access import (
    ADMIN,
    ANONYMOUS,
    Action,
    Authorizer,
    User,
    bootstrap_objects,
    service_account_user,
)
from localcluster.embedded.authority import create_authority
from localcluster.embedded.controllers import Controllers
from localcluster.embedded.errors import ApiError, method_not_allowed, unauthorized, unknown_path
from localcluster.embedded.handlers import ObjectHandlers
from localcluster.embedded.jsontypes import Json
from localcluster.embedded.lifecycle import Lifecycle, WriteOptions
from localcluster.embedded.namespaces import NamespaceContents
from localcluster.embedded.requests import ApiRequest, locate
from localcluster.embedded.resources import Registry, Resource
from localcluster.embedded.store import Store
from localcluster.embedded.tokens import TokenIssuer

MAX_BODY_BYTES = 3 * 1024 * 1024
"""The limit of the real server."""
INITIAL_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")

_Handler = Callable[[ApiRequest, Resource, User], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a started server is, and with which token an administrator comes in."""

    url: str
    token: str
    trust_anchor: str


class ApiServer:
    """The whole server: start it, use its endpoint, stop it."""

    def __init__(self) -> None:
        self._store = Store()
        self._registry = Registry()
        self._lifecycle = Lifecycle(self._store, self._registry)
        self._authorizer = Authorizer(self._store)
        self._controllers = Controllers(self._store, self._registry, self._lifecycle)
        self._token = secrets.token_urlsafe(24)
        self._stopping = False
        self._objects = ObjectHandlers(self._store, self._registry, self._lifecycle, lambda: self._stopping)
        self._runner: web.AppRunner | None = None
        self._issuer: TokenIssuer | None = None

    async def start(self, port: int = 0) -> Endpoint:
        """Listen on 127.0.0.1 (port 0: any free one) and start the controllers."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        authority = create_authority()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024, ssl_context=authority.server_context())
        await site.start()
        host, bound_port = self._runner.addresses[0][:2]
        url = f"https://{host}:{bound_port}"
        self._issuer = TokenIssuer(url, self._store)
        self._bootstrap(authority.anchor)
        self._controllers.start()
        return Endpoint(url, self._token, authority.anchor)

    async def stop(self) -> None:
        """End the controllers, the open watches and the listener."""
        self._stopping = True
        await self._controllers.stop()
        if self._runner:
            await self._runner.cleanup()

    def _bootstrap(self, anchor: str) -> None:
        contents = NamespaceContents(self._lifecycle, self._registry, anchor)
        self._store.listen(contents.on_change)
        options = WriteOptions(manager="kube-apiserver")
        for plural, obj in bootstrap_objects():
            self._lifecycle.create(self._registry.builtin(plural, "rbac.authorization.k8s.io"), "", obj, options)
        for name in INITIAL_NAMESPACES:
            self._lifecycle.create(self._registry.builtin("namespaces"), "", {"metadata": {"name": name}}, options)

    @property
    def issuer(self) -> TokenIssuer:
        """Signs ServiceAccount tokens; there once the server is started."""
        if self._issuer is None:
            raise RuntimeError("the server is not started")
        return self._issuer

    async def _serve(self, raw: web.Request) -> web.StreamResponse:
        try:
            user = self._user(raw)
            request = ApiRequest(raw, locate(raw.path), await raw.read())
            self._authorizer.require(user, request.action())
            return await self._route(request, user)
        except ApiError as error:
            headers = {"Retry-After": "1"} if "retryAfterSeconds" in error.details else None
            return web.json_response(error.status(), status=error.code, headers=headers)

    def _user(self, raw: web.Request) -> User:
        scheme, _, token = raw.headers.get("Authorization", "").partition(" ")
        if not token:
            return ANONYMOUS
        user = ADMIN if secrets.compare_digest(token, self._token) else self.issuer.user_of(token)
        if user is None or scheme.lower() != "bearer":
            raise unauthorized()
        return self._impersonated(raw, user)

    def _impersonated(self, raw: web.Request, user: User) -> User:
        name = raw.headers.get("Impersonate-User")
        if not name:
            return user
        self._authorizer.require(user, Action("impersonate", resource="users", name=name))
        if name.startswith("system:serviceaccount:"):
            return service_account_user(*name.split(":")[2:4])
        return User(name, (*raw.headers.getall("Impersonate-Group", []), "system:authenticated"))

    async def _route(self, request: ApiRequest, user: User) -> web.StreamResponse:
        place = request.location
        if not place.plural:
            return self._informational(request)
        resource = self._registry.find(place.group, place.version, place.plural)
        if resource is None or (place.subresource and place.subresource not in resource.subresources):
            raise unknown_path()
        if "list" not in resource.verbs:
            return subresources.review(request, resource, user, self._authorizer, self.issuer)
        if not place.name:
            return await self._objects.collection(request, resource)
        if place.subresource in ("", "status", "finalize"):
            return await self._objects.item(request, resource)
        if place.subresource == "proxy":
            return await proxying.proxy(request, resource, self._store)
        return await self._subresource(request, resource)

    async def _subresource(self, request: ApiRequest, resource: Resource) -> web.StreamResponse:
        obj = self._objects.current(request, resource)
        name, method = request.location.subresource, request.raw.method
        if name == "scale":
            return subresources.scale(request, resource, obj, self._lifecycle)
        if name == "log":
            return await subresources.stream_log(request, obj, self._store)
        if method != "POST":
            raise method_not_allowed()
        if name == "binding":
            return subresources.bind(request, resource, obj, self._lifecycle)
        if name == "eviction":
            return subresources.evict(request, resource, obj, self._lifecycle)
        return subresources.issue_token(request, obj, self.issuer, self._store)

    def _informational(self, request: ApiRequest) -> web.Response:
        path = request.location.path
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if path == "/openapi/v2":
            # kubectl falls back to it for a group that v3 does not list, and finds there as much: nothing.
            return web.Response(body=b"", content_type="application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
        if path.startswith("/openapi/v3/"):
            return web.json_response(discovery.openapi_document(self._registry, path.removeprefix("/openapi/v3/")))
        return web.json_response(self._document(request))

    def _document(self, request: ApiRequest) -> Json:
        place = request.location
        fixed: dict[str, Callable[[], Json]] = {
            "/": lambda: {"paths": ["/api", "/apis", "/healthz", "/openapi/v3", "/version"]},
            "/version": lambda: discovery.VERSION,
            "/api": lambda: {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
            "/apis": lambda: discovery.group_list(self._registry),
            "/openapi/v3": lambda: discovery.openapi_index(self._registry),
            "/.well-known/openid-configuration": self.issuer.discovery,
            "/openid/v1/jwks": self.issuer.keys,
        }
        if place.path in fixed:
            return fixed[place.path]()
        if place.version:
            return discovery.resource_list(self._registry, place.group, place.version)
        return discovery.group(self._registry, place.group)
