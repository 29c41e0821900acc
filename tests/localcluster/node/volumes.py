"""Materialises a Pod's volumes as folders and maps a container's mount paths to them."""

from pathlib import Path, PurePosixPath
from typing import Any

from localcluster.node.api import Manifest
from localcluster.node.environment import resolve_resource
from localcluster.node.files import write_atomically
from localcluster.node.paths import MountPaths
from localcluster.node.references import ConfigError, References
from localcluster.node.tokens import TokenFile, TokenKeeper

_DEFAULT_MODE = 0o644
_DEFAULT_TOKEN_SECONDS = 3600


class VolumeWriter:
    """Writes the volumes of one Pod."""

    def __init__(self, pod: Manifest, directory: Path, references: References, tokens: TokenKeeper) -> None:
        self._pod = pod
        self._directory = directory
        self._references = references
        self._tokens = tokens

    async def write_all(self) -> None:
        """Write every volume. Raises ConfigError if one cannot be made; calling again is safe."""
        for volume in self._pod["spec"].get("volumes") or []:
            folder = self._directory / volume["name"]
            folder.mkdir(parents=True, exist_ok=True)
            await self._write(volume, folder)

    def map_mounts(self, container: Manifest) -> MountPaths:
        """Return where a container's mount paths really are."""
        return MountPaths({mount["mountPath"]: self._locate(mount) for mount in container.get("volumeMounts") or []})

    def create_sub_paths(self, container: Manifest) -> None:
        """Make the folders of sub-paths that no volume's content has brought."""
        for mount in container.get("volumeMounts") or []:
            if not self._locate(mount).exists():
                self._locate(mount).mkdir(parents=True)

    def _locate(self, mount: Manifest) -> Path:
        return self._directory / str(mount["name"]) / str(mount.get("subPath", ""))

    async def _write(self, volume: Manifest, folder: Path) -> None:
        if "emptyDir" in volume:
            return
        if "projected" in volume:
            mode = volume["projected"].get("defaultMode", _DEFAULT_MODE)
            for source in volume["projected"].get("sources") or []:
                await self._write_source(source, folder, mode)
            return
        # A volume's Secret is named `secretName`; a projection's is named like everything else.
        source = {key: value for key, value in volume.items() if key != "name"}
        if "secret" in source:
            source["secret"] = {"name": source["secret"]["secretName"], **source["secret"]}
        mode = next(iter(source.values())).get("defaultMode", _DEFAULT_MODE)
        await self._write_source(source, folder, mode)

    async def _write_source(self, source: Manifest, folder: Path, mode: int) -> None:
        kind, details = next(iter(source.items()))
        optional = details.get("optional", False)
        if kind == "configMap":
            data = await self._references.read_config_map(details["name"], optional=optional)
            write_items(folder, data, details, mode)
        elif kind == "secret":
            data = await self._references.read_secret(details["name"], optional=optional)
            write_items(folder, data, details, mode)
        elif kind == "downwardAPI":
            for item in details.get("items") or []:
                write_atomically(_inside(folder, item["path"]), self._describe(item).encode(), item.get("mode", mode))
        elif kind == "serviceAccountToken":
            seconds = details.get("expirationSeconds", _DEFAULT_TOKEN_SECONDS)
            path = _inside(folder, details["path"])
            # Processes run as the agent's own user: nobody else needs to read a token, whatever the mode says.
            await self._tokens.write(TokenFile(path, details.get("audience"), seconds))
        else:
            raise ConfigError(f"volumes of kind {kind} are not supported")

    def _describe(self, item: Manifest) -> str:
        if "fieldRef" in item:
            return self._references.resolve_field(item["fieldRef"]["fieldPath"])
        reference = item["resourceFieldRef"]
        containers: list[Manifest] = self._pod["spec"]["containers"]
        return resolve_resource(
            next(container for container in containers if container["name"] == reference["containerName"]), reference
        )


def write_items(folder: Path, data: dict[str, bytes], details: dict[str, Any], mode: int) -> None:
    """Write all keys of a ConfigMap or Secret, or only the items chosen, under their paths and modes."""
    items = details.get("items")
    if items is None:
        items = [{"key": key, "path": key} for key in data]
    for item in items:
        if item["key"] in data:
            write_atomically(_inside(folder, item["path"]), data[item["key"]], item.get("mode", mode))
        elif not details.get("optional", False):
            raise ConfigError(f"references non-existent config key: {item['key']}")


def _inside(folder: Path, path: str) -> Path:
    """Join a path that may not leave the folder."""
    if ".." in PurePosixPath(path).parts or path.startswith("/"):
        raise ConfigError(f"path {path} leaves its volume")
    return folder / path
