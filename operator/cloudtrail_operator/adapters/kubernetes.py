"""The Kubernetes API as the operator uses it: a handful of calls. Every write needs the permit of whoever may act."""

from collections.abc import AsyncIterator
from typing import Any

from cloudtrail_operator import telemetry
from cloudtrail_operator.adapters.api_client import REQUEST_SECONDS, Answer, ApiClient, check, describe
from cloudtrail_operator.core.kinds import Kind
from cloudtrail_operator.core.names import FIELD_MANAGER, Manifest
from cloudtrail_operator.core.refusals import is_rejection
from cloudtrail_operator.errors import SourceGoneError, WorkloadRejectedError
from cloudtrail_operator.ports import Page, Permit

PAGE_SIZE = 100  # a Pod takes some 50 kB once it is decoded


class KubernetesCluster:
    """Reads and writes resources."""

    def __init__(self, client: ApiClient, permit: Permit) -> None:
        self._client = client
        self._permit = permit

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Read a resource."""
        answer = await self._client.request("GET", kind.path(namespace, name))
        return None if answer.status == 404 else check(answer)

    async def list_served(self, api_version: str) -> frozenset[str]:
        """List the plurals that the API server serves in a version of a group; none if it has no such version."""
        answer = await self._client.request("GET", f"/apis/{api_version}")
        return frozenset() if answer.status == 404 else frozenset(item["name"] for item in check(answer)["resources"])

    async def list(self, kind: Kind, namespace: str | None, selector: str | None) -> AsyncIterator[Page]:
        """List the resources of a kind, page by page."""
        params = {"limit": str(PAGE_SIZE)} | ({"labelSelector": selector} if selector else {})
        while True:
            page = check(await self._client.request("GET", kind.path(namespace), params=params))
            # The items of a list do not say what they are.
            said = {"apiVersion": kind.value.api_version, "kind": kind.value.kind}
            yield Page([said | item for item in page["items"]], int(page["metadata"]["resourceVersion"]))
            following = page["metadata"].get("continue")
            if not following:
                return
            params["continue"] = following

    async def apply(self, manifest: Manifest, *, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply a manifest server-side and return the whole resource. Raises WorkloadRejectedError."""
        answer = await self._apply(manifest, None, manager)
        if is_rejection(answer.status, answer.message):
            raise WorkloadRejectedError(f"{manifest['kind']} {manifest['metadata']['name']}: {answer.message}")
        return check(answer)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Apply the status of a source or a backfill."""
        answer = await self._apply(manifest, "status", FIELD_MANAGER)
        if answer.status == 404:
            raise SourceGoneError(describe(answer))
        return check(answer)

    async def delete(self, manifest: Manifest) -> None:
        """Delete this very resource; another one of its name is left alone."""
        metadata, kind = manifest["metadata"], Kind.of(manifest["kind"])
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": metadata["uid"]},
        }
        answer = await self._write("DELETE", kind.path(metadata["namespace"], metadata["name"]), body)
        if answer.status not in (404, 409):  # gone, or another one
            check(answer)
            telemetry.wrote("delete", kind.value.kind, metadata["name"])

    async def create_event(self, namespace: str, event: Manifest) -> None:
        """Create a Kubernetes Event. One that exists already is as good."""
        answer = await self._write("POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", event)
        if answer.status != 409:
            check(answer)

    async def _apply(self, manifest: Manifest, subresource: str | None, manager: str) -> Answer:
        metadata, kind = manifest["metadata"], Kind.of(manifest["kind"])
        path = kind.path(metadata["namespace"], metadata["name"], subresource)
        params = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        answer = await self._write("PATCH", path, manifest, params)
        if answer.status < 400:
            telemetry.wrote("apply" if subresource is None else "status", kind.value.kind, metadata["name"])
        return answer

    async def _write(self, method: str, path: str, body: Any, params: dict[str, str] | None = None) -> Answer:
        """Send a write, if this process may. It gives up on it before another one could act."""
        async with self._client.turn:  # the permit may run out meanwhile
            seconds = min(self._permit.seconds_to_write(), REQUEST_SECONDS)
            return await self._client.send(method, path, params=params, body=body, seconds=seconds)
