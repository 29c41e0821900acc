"""ServiceAccount tokens of a Pod: asked for by TokenRequest, written to files, renewed at 80 % of their life."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from localcluster.node.api import Api, ApiError, Manifest
from localcluster.node.files import write_atomically

_LOG = logging.getLogger(__name__)
_RENEW_AT = 0.8
_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A token that a Pod wants to find in a file."""

    path: Path
    audience: str | None
    expiration_seconds: int
    mode: int = 0o600


class TokenKeeper:
    """Writes a Pod's tokens and keeps them fresh until the task that runs `renew` is cancelled."""

    def __init__(self, api: Api, pod: Manifest) -> None:
        metadata, account = pod["metadata"], pod["spec"].get("serviceAccountName") or "default"
        self._api = api
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        # Bound to the Pod: the API server refuses the token as soon as the Pod is gone.
        self._pod = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        self._renewals: dict[TokenFile, float] = {}

    async def write(self, file: TokenFile) -> str:
        """Ask for a token, write it, remember when to renew it; returns the token."""
        spec: Manifest = {"expirationSeconds": file.expiration_seconds, "boundObjectRef": self._pod}
        if file.audience:
            spec["audiences"] = [file.audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        status = (await self._api.post(self._path, body))["status"]
        write_atomically(file.path, status["token"].encode(), file.mode)
        # The server may shorten or lengthen the life that was asked for.
        life = (datetime.fromisoformat(status["expirationTimestamp"]) - datetime.now(UTC)).total_seconds()
        self._renewals[file] = asyncio.get_running_loop().time() + life * _RENEW_AT
        return str(status["token"])

    async def renew(self) -> None:
        """Renew each token when its time comes, for ever."""
        clock = asyncio.get_running_loop().time
        while self._renewals:
            file = min(self._renewals, key=self._renewals.__getitem__)
            await asyncio.sleep(max(0, self._renewals[file] - clock()))
            try:
                await self.write(file)
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                _LOG.warning("token %s was not renewed: %s", file.path, error)
                self._renewals[file] = clock() + _RETRY_SECONDS
