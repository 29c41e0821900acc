"""Looks up what a Pod refers to: ConfigMaps, Secrets, and fields of its own manifest."""

import base64
import re
from typing import Any

from localcluster.node.api import Api, ApiError, Manifest

_SUBSCRIPT = re.compile(r"(?P<map>metadata\.(?:labels|annotations))\['(?P<key>[^']+)'\]")


class ConfigError(Exception):
    """The Pod cannot start until somebody else does something; the message says what is missing."""


class References:
    """What one Pod refers to in its namespace. Each ConfigMap or Secret is read when it is asked for."""

    def __init__(self, api: Api, pod: Manifest, address: str) -> None:
        self._api = api
        self._pod = pod
        self._address = address

    async def read_config_map(self, name: str, *, optional: bool = False) -> dict[str, bytes]:
        """Read a ConfigMap's text and binary data. Raises ConfigError when it is missing and not optional."""
        manifest = await self._read("configmap", name, optional=optional)
        text = {key: value.encode() for key, value in (manifest.get("data") or {}).items()}
        return text | _decode(manifest.get("binaryData"))

    async def read_secret(self, name: str, *, optional: bool = False) -> dict[str, bytes]:
        """Read a Secret's data. Raises ConfigError when it is missing and not optional."""
        return _decode((await self._read("secret", name, optional=optional)).get("data"))

    async def _read(self, kind: str, name: str, *, optional: bool) -> Manifest:
        namespace = self._pod["metadata"]["namespace"]
        try:
            return await self._api.get(f"/api/v1/namespaces/{namespace}/{kind}s/{name}")
        except ApiError as error:
            if error.code != 404:
                raise
            if optional:
                return {}
            raise ConfigError(f'{kind} "{name}" not found') from None

    def resolve_field(self, path: str) -> str:
        """Return what a fieldRef names. Raises ConfigError for a field that is not supported."""
        if subscript := _SUBSCRIPT.fullmatch(path):
            return str(self._dig(subscript["map"]).get(subscript["key"], ""))
        if path in ("metadata.labels", "metadata.annotations"):
            return "\n".join(f'{key}="{value}"' for key, value in sorted(self._dig(path).items()))
        addresses = {"status.podIP": self._address, "status.podIPs": self._address, "status.hostIP": "127.0.0.1"}
        if path in addresses:
            return addresses[path]
        if path in ("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"):
            return str(self._dig(path) or "")
        raise ConfigError(f"field {path} is not supported")

    def _dig(self, path: str) -> Any:
        value: Any = self._pod
        for part in path.split("."):
            value = value.get(part) or {}
        return value


def _decode(data: dict[str, str] | None) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (data or {}).items()}
