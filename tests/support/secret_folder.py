"""A folder of Secrets as a collector sees it, and references to its values."""

from pathlib import Path
from typing import Any

from cloudtrail_collector.adapters.secret_files import SecretFiles


class SecretFolder:
    """Secrets that tests write and change."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = SecretFiles(directory)

    def write(self, name: str, key: str, value: bytes) -> dict[str, Any]:
        """Write a key of a Secret, at once as Kubernetes does; returns how a spec refers to it."""
        path = self.directory / name / key
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{key}")
        new.write_bytes(value)
        new.replace(path)
        return refer_to(name, key)


def refer_to(name: str, key: str) -> dict[str, Any]:
    """Refer to a key of a Secret as a spec does."""
    return {"secretKeyRef": {"name": name, "key": key}}
