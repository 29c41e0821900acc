"""Where the API server is and how to prove who we are: from a kubeconfig, or from the pod that we run in.

Both kopf and our own client are built on it, so that there is one way in.
"""

import base64
import json
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cloudtrail_operator.aws_setup.problems import SetupError
from cloudtrail_operator.aws_setup.trust import read_issuer

POD_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class AccessError(Exception):
    """There is no usable way to the API server."""


@dataclass(frozen=True, slots=True)
class Access:
    """A way to the API server."""

    server: str
    ca_data: bytes | None = None
    insecure: bool = False
    token_file: Path | None = None
    fixed_token: str | None = field(default=None, repr=False)
    certificate_data: bytes | None = field(default=None, repr=False)
    key_data: bytes | None = field(default=None, repr=False)

    def read_token(self) -> str | None:
        """Read the token anew: Kubernetes replaces a ServiceAccount's token about every hour."""
        if self.token_file is not None:
            return self.token_file.read_text(encoding="utf-8").strip()
        return self.fixed_token

    def find_issuer(self) -> str | None:
        """Find the cluster's OIDC issuer in our own token; None for another kind of proof, or an issuer IAM cannot know."""
        try:
            claims = (self.read_token() or "").split(".")[1]
            issuer = str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iss"])
            return read_issuer(issuer) if issuer.startswith("https://") else None
        except (IndexError, KeyError, TypeError, ValueError, OSError, SetupError):
            return None

    def build_tls(self) -> ssl.SSLContext:
        """Build the TLS settings."""
        context = ssl.create_default_context(cadata=self.ca_data.decode() if self.ca_data else None)
        # The certificates of many clusters lack an extension that Python 3.13 began to ask for.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate_data and self.key_data:
            _load_certificate(context, self.certificate_data + b"\n" + self.key_data)
        return context


def find_access() -> Access:
    """Find the way in: `KUBECONFIG` if set, else the pod's ServiceAccount, else ~/.kube/config. Raises AccessError."""
    named = os.environ.get("KUBECONFIG")
    if named:
        return read_kubeconfig(Path(named.split(os.pathsep)[0]))
    if "KUBERNETES_SERVICE_HOST" in os.environ and (POD_DIRECTORY / "token").exists():
        return _find_pod_access()
    return read_kubeconfig(Path.home() / ".kube" / "config")


def _find_pod_access() -> Access:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_data=(POD_DIRECTORY / "ca.crt").read_bytes(),
        token_file=POD_DIRECTORY / "token",
    )


def read_kubeconfig(path: Path) -> Access:
    """Read the current context of a kubeconfig. Raises AccessError."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        context = _find(document["contexts"], document["current-context"])["context"]
        cluster = _find(document["clusters"], context["cluster"])["cluster"]
        user = _find(document.get("users") or [], context.get("user", "")).get("user") or {}
        return _build_access(path.parent, cluster, user)
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise AccessError(f"cannot use the kubeconfig {path}: {type(error).__name__}: {error}") from error


def _build_access(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Access:
    unsupported = sorted(user.keys() & {"exec", "auth-provider", "username"})
    if unsupported:
        raise ValueError(f"credentials of type {', '.join(unsupported)} are not supported, use a token or certificate")
    token_file = user.get("tokenFile")
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        ca_data=_read_data(folder, cluster, "certificate-authority"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        token_file=folder / token_file if token_file else None,
        fixed_token=user.get("token"),
        certificate_data=_read_data(folder, user, "client-certificate"),
        key_data=_read_data(folder, user, "client-key"),
    )


def _find(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next((entry for entry in entries if entry["name"] == name), {})


def _read_data(folder: Path, section: dict[str, Any], field_name: str) -> bytes | None:
    """Read what stands inline in base64, or in a file beside the kubeconfig."""
    inline, file = section.get(f"{field_name}-data"), section.get(field_name)
    if inline:
        return base64.b64decode(inline)
    return (folder / file).read_bytes() if file else None


def _load_certificate(context: ssl.SSLContext, pem: bytes) -> None:
    """Load certificate and key; Python's ssl takes them from files only."""
    with tempfile.NamedTemporaryFile() as file:  # readable by us alone
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
