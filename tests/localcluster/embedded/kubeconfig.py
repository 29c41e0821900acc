"""A kubeconfig for the administrator of an embedded server."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import yaml

from localcluster.embedded.server import Endpoint


def write_kubeconfig(path: Path, endpoint: Endpoint) -> None:
    """Write it so that only the owner can read it, and never half written."""
    anchor = base64.b64encode(endpoint.trust_anchor.encode()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "embedded", "cluster": {"server": endpoint.url, "certificate-authority-data": anchor}}],
        "users": [{"name": "admin", "user": {"token": endpoint.token}}],
        "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "admin", "namespace": "default"}}],
        "current-context": "embedded",
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        yaml.safe_dump(config, file)
    temporary.replace(path)
