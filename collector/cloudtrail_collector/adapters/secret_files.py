"""Secrets that are mounted as files, `<directory>/<Secret>/<key>`; a change of a file is followed."""

import threading
from pathlib import Path

from cloudtrail_collector.errors import SecretMissingError
from cloudtrail_spec.secrets import SecretValue


class SecretFiles:
    """Reads values of secrets. Used by all threads at once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[tuple[int, int, int], bytes]] = {}

    def read(self, value: SecretValue) -> bytes:
        """Return the value, without line ends behind it. Raises SecretMissingError.

        Costs a stat; the file is read again when it has changed.
        """
        path = self.find(value)
        try:
            stat = path.stat()
            version = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            with self._lock:
                known = self._known.get(path)
            if known is None or known[0] != version:
                known = (version, path.read_bytes().rstrip(b"\r\n"))
                with self._lock:
                    self._known[path] = known
        except OSError as error:
            ref = value.secret_key_ref
            raise SecretMissingError(f"Secret {ref.name} has no key {ref.key}, or does not exist") from error
        if not known[1]:
            ref = value.secret_key_ref
            raise SecretMissingError(f"key {ref.key} of Secret {ref.name} is empty")
        return known[1]

    def find(self, value: SecretValue) -> Path:
        """Return where the value is kept, for clients that want a file."""
        return self._directory / value.secret_key_ref.name / value.secret_key_ref.key
