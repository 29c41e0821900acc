"""The little that a backfill's worker asks of the Kubernetes API: read an object, and change it.

It is found as every client finds it: the file that KUBECONFIG names, else what is mounted into the pod.
"""

import base64
import json
import os
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from cloudtrail_collector.errors import ConfigurationError

MOUNTED = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_SECONDS = 15.0
MERGE_PATCH = "application/merge-patch+json"
# What an exchange may raise besides KubeApiError.
FAILURES = (OSError, HTTPException, ValueError)


class KubeApiError(Exception):
    """The API server's refusal."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class KubeAccess:
    """Where the API server is, whom to trust, and as whom to ask. The token's file is read each time: it is renewed."""

    server: str
    namespace: str
    tls: ssl.SSLContext
    token_file: Path | None = None
    token: str = ""

    def read_token(self) -> str:
        """Read the token."""
        return self.token_file.read_text(encoding="ascii").strip() if self.token_file else self.token


def find_access(environment: Mapping[str, str], mounted: Path = MOUNTED) -> KubeAccess:
    """Find the API server. Raises ConfigurationError."""
    try:
        if path := environment.get("KUBECONFIG"):
            return _read_kubeconfig(Path(path.split(os.pathsep)[0]))
        host = environment.get("KUBERNETES_SERVICE_HOST")
        if not host:
            raise ConfigurationError(
                ["neither KUBECONFIG nor a pod's access to the Kubernetes API: name --progress FILE"]
            )
        port = environment.get("KUBERNETES_SERVICE_PORT", "443")
        name = f"[{host}]" if ":" in host else host
        namespace = (mounted / "namespace").read_text(encoding="utf-8").strip()
        tls = ssl.create_default_context(cafile=str(mounted / "ca.crt"))
        return KubeAccess(f"https://{name}:{port}", namespace, tls, mounted / "token")
    except OSError as error:
        raise ConfigurationError(
            [f"the Kubernetes API cannot be reached: {error.filename or ''} {error.strerror}"]
        ) from error


def _read_kubeconfig(path: Path) -> KubeAccess:
    import yaml  # noqa: PLC0415  (only where there is such a file)

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        context = _find(document, "context", document["current-context"])
        cluster = _find(document, "cluster", context["cluster"])
        user = _find(document, "user", context.get("user"))
        token_file = user.get("tokenFile")
        return KubeAccess(
            server=str(cluster["server"]).rstrip("/"),
            namespace=str(context.get("namespace") or "default"),
            tls=_build_tls(cluster, user),
            token_file=Path(token_file) if token_file else None,
            token=str(user.get("token") or ""),
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"KUBECONFIG {path}: not a kubeconfig that can be used: {error}"]) from error


def _find(document: Any, kind: str, name: str | None) -> dict[str, Any]:
    entries = document.get(f"{kind}s") or []
    found: dict[str, Any] = next((entry[kind] for entry in entries if entry["name"] == name), {})
    return found


def _build_tls(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    data = cluster.get("certificate-authority-data")
    tls = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"), cadata=base64.b64decode(data).decode() if data else None
    )
    certificate, key = user.get("client-certificate"), user.get("client-key")
    if certificate and key:
        tls.load_cert_chain(certificate, key)
    elif user.get("client-certificate-data") and user.get("client-key-data"):
        _load_pair(tls, user)
    return tls


def _load_pair(tls: ssl.SSLContext, user: Mapping[str, Any]) -> None:
    """Load certificate and key that stand in the file itself: Python takes them from files only."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "certificate"), Path(folder, "key")
        certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
        key.touch(mode=0o600)
        key.write_bytes(base64.b64decode(user["client-key-data"]))
        tls.load_cert_chain(certificate, key)


class KubeApi:
    """An API server. Methods raise KubeApiError and FAILURES."""

    def __init__(self, access: KubeAccess) -> None:
        self._access = access
        # A proxy for the rest of the world is none for the cluster's own API.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=access.tls)
        )

    def get(self, path: str) -> dict[str, Any]:
        """Read an object."""
        return self._ask("GET", path, None)

    def merge(self, path: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """Change an object by a merge patch."""
        return self._ask("PATCH", path, json.dumps(change).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {"Accept": "application/json", "User-Agent": "cloudtrail-collector"}
        if token := self._access.read_token():
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = MERGE_PATCH
        request = urllib.request.Request(  # noqa: S310  (the API server's own URL)
            self._access.server + path, data=body, headers=headers, method=method
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                found: dict[str, Any] = json.loads(answer.read())
                return found
        except urllib.error.HTTPError as error:
            with error:
                raise KubeApiError(error.code, _read_message(error)) from error


def _read_message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["message"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"
