"""Turns a folder with one file for each key, as a mounted Secret is, into keys that follow its changes at once."""

import threading
from pathlib import Path

from botocore.credentials import ReadOnlyCredentials

REQUIRED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OPTIONAL = "AWS_SESSION_TOKEN"
# Kubernetes changes all files at once, by switching a link: a second try is rare, a third never needed.
ATTEMPTS = 3

Stamp = tuple[tuple[int, int, int] | None, ...]


class KeyFiles:
    """The folder. Its files have the names of the variables that AWS's tools read; the session token may be absent."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._read: tuple[Stamp, ReadOnlyCredentials] | None = None

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the keys, read anew when the files are others than before. Raises OSError or ValueError."""
        read = self._read
        if read is not None and read[0] == self._look():
            return read[1]
        with self._lock:
            for _ in range(ATTEMPTS):
                stamp, keys = self._look(), self._read_keys()
                if stamp == self._look():
                    self._read = stamp, keys
                    return keys
        raise OSError(f"{self._directory} changes faster than it can be read")

    def _look(self) -> Stamp:
        return tuple(_stamp(self._directory / name) for name in (*REQUIRED, OPTIONAL))

    def _read_keys(self) -> ReadOnlyCredentials:
        key_id, secret = (_read(self._directory / name) for name in REQUIRED)
        token = self._directory / OPTIONAL
        return ReadOnlyCredentials(key_id, secret, _read(token) if token.exists() else None, None)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _read(path: Path) -> str:
    """Read a key. Line ends around it are none of it: files are often made with `echo`."""
    text = path.read_text(encoding="utf-8").strip()
    if not text:
        raise ValueError(f"{path} is empty")
    return text
