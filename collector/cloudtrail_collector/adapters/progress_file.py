"""Keeps the progress of one share in a file, for a backfill without Kubernetes."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from cloudtrail_collector.errors import ProgressConflictError, ProgressRefusedError
from cloudtrail_collector.ports import NotedProgress
from cloudtrail_spec.backfill_task import BackfillProgress


class ProgressFile:
    """A file that is replaced whole. Its content is its version."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> NotedProgress:
        """Read what is noted. Raises ProgressRefusedError."""
        try:
            text = self._path.read_bytes() if self._path.exists() else b""
            progress = BackfillProgress.model_validate_json(text) if text else None
        except (OSError, ValidationError) as error:
            raise ProgressRefusedError(f"{self._path}: {_explain(error)}") from error
        return NotedProgress(progress, _hash(text))

    def write(self, progress: BackfillProgress, version: str) -> str:
        """Replace a version. Raises ProgressConflictError, ProgressRefusedError."""
        text = progress.model_dump_json(by_alias=True, exclude_defaults=True).encode() + b"\n"
        try:
            with self._lock():
                current = self._path.read_bytes() if self._path.exists() else b""
                if _hash(current) != version:
                    raise ProgressConflictError(f"{self._path} has changed")
                new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
                new.write_bytes(text)
                new.replace(self._path)
        except OSError as error:
            raise ProgressRefusedError(f"{self._path}: {_explain(error)}") from error
        return _hash(text)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with self._path.with_name(f".{self._path.name}.lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _explain(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "is not the progress of a backfill"
