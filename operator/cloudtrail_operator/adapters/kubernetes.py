"""The Kubernetes API over HTTP: the handful of calls that the operator makes."""

import json
from typing import Any, NoReturn, Self

import aiohttp

from cloudtrail_operator import telemetry
from cloudtrail_operator.adapters.access import Access
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import FIELD_MANAGER, Manifest
from cloudtrail_operator.errors import ClusterError, SourceGoneError

TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
PAGE_SIZE = 500
APPLY = "application/apply-patch+yaml"  # JSON is YAML


class KubernetesCluster:
    """Reads and writes resources. Use it as an async context manager."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._access.build_tls(), limit=32)
        self._session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Read a resource."""
        status, answer = await self._request("GET", kind.path(namespace, name))
        return None if status == 404 else _check(status, answer)

    async def list(self, kind: Kind, namespace: str | None, selector: str | None) -> list[Manifest]:
        """List the resources of a kind, page by page."""
        items: list[Manifest] = []
        params = {"limit": str(PAGE_SIZE)} | ({"labelSelector": selector} if selector else {})
        while True:
            page = _check(*await self._request("GET", kind.path(namespace), params=params))
            items += page["items"]
            following = page["metadata"].get("continue")
            if not following:
                break
            params["continue"] = following
        # The items of a list do not say what they are.
        return [{"apiVersion": kind.value.api_version, "kind": kind.value.kind} | item for item in items]

    async def apply(self, manifest: Manifest) -> Manifest:
        """Apply a manifest server-side and return the whole resource."""
        return _check(*await self._apply(manifest, None))

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Apply the status of a source."""
        status, answer = await self._apply(manifest, "status")
        if status == 404:
            raise SourceGoneError(_describe(status, answer))
        return _check(status, answer)

    async def delete(self, manifest: Manifest) -> None:
        """Delete this very resource; another one of its name is left alone."""
        metadata, kind = manifest["metadata"], Kind.of(manifest["kind"])
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": metadata["uid"]},
        }
        status, answer = await self._request("DELETE", kind.path(metadata["namespace"], metadata["name"]), body=body)
        if status not in (404, 409):  # gone, or another one
            _check(status, answer)
            telemetry.wrote("delete", kind.value.kind, metadata["name"])

    async def create_event(self, namespace: str, event: Manifest) -> None:
        """Create a Kubernetes Event. One that exists already is as good."""
        status, answer = await self._request(
            "POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", body=event
        )
        if status != 409:
            _check(status, answer)

    async def _apply(self, manifest: Manifest, subresource: str | None) -> tuple[int, Any]:
        metadata, kind = manifest["metadata"], Kind.of(manifest["kind"])
        status, answer = await self._request(
            "PATCH",
            kind.path(metadata["namespace"], metadata["name"], subresource),
            params={"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"},
            body=manifest,
        )
        if status < 400:
            telemetry.wrote("apply" if subresource is None else "status", kind.value.kind, metadata["name"])
        return status, answer

    async def _request(
        self, method: str, path: str, *, params: dict[str, str] | None = None, body: Manifest | None = None
    ) -> tuple[int, Any]:
        """Send a request; return the HTTP status and the decoded answer. Raises ClusterError when there is none."""
        if self._session is None:
            raise RuntimeError("the cluster is used outside of its context")
        headers = {"Content-Type": APPLY if method == "PATCH" else "application/json", "Accept": "application/json"}
        token = self._access.read_token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body)
        try:
            async with self._session.request(
                method, self._access.server + path, params=params, data=data, headers=headers
            ) as response:
                return response.status, await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ClusterError(f"{method} {path}: {type(error).__name__}: {error}") from error


def _check(status: int, answer: Any) -> Manifest:
    if status >= 400 or not isinstance(answer, dict):
        _refuse(status, answer)
    return answer


def _refuse(status: int, answer: Any) -> NoReturn:
    raise ClusterError(_describe(status, answer))


def _describe(status: int, answer: Any) -> str:
    message = answer.get("message") if isinstance(answer, dict) else None
    return f"Kubernetes answered {status}: {message or 'no message'}"
