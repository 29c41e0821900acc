"""Rewrites mount paths, which exist only in a container, to the folders that stand in for the volumes."""

import re
from collections.abc import Mapping
from pathlib import Path


class MountPaths:
    """A mapping of mount paths to real paths, applied to text."""

    def __init__(self, mounts: Mapping[str, Path]) -> None:
        self._mounts = {path.rstrip("/"): str(real) for path, real in mounts.items() if path.rstrip("/")}
        # The longest first: a volume may be mounted inside another one.
        longest = sorted(self._mounts, key=len, reverse=True)
        # A path starts after a separator such as "=" and ends before "/", but not inside a longer name.
        self._pattern = re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, longest))})(?![\w.-])") if longest else None

    def rewrite(self, text: str) -> str:
        """Replace each mount path in a text."""
        return self._pattern.sub(lambda found: self._mounts[found.group()], text) if self._pattern else text

    def find(self, mount_path: str) -> Path | None:
        """Return the real path of exactly this mount path."""
        real = self._mounts.get(mount_path.rstrip("/"))
        return Path(real) if real else None
