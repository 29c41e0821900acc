"""Gives a Pod's programs access to the API as its ServiceAccount: a kubeconfig in place of the in-cluster files."""

import base64
from pathlib import Path

import yaml

from localcluster.node.api import Access, Api, ApiError, Manifest
from localcluster.node.files import write_atomically
from localcluster.node.tokens import TokenFile, TokenKeeper

# Where an API server with the ServiceAccount admission plugin mounts the token that it adds to a Pod.
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_SECONDS = 3600


async def write_kubeconfig(api: Api, pod: Manifest, directory: Path, tokens: TokenKeeper) -> Path | None:
    """Write a kubeconfig with a token of the Pod's ServiceAccount, or nothing if the Pod does not want one."""
    if not await wants_token(api, pod):
        return None
    token = directory / "token"
    await tokens.write(TokenFile(token, None, _TOKEN_SECONDS))
    kubeconfig = directory / "kubeconfig"
    content = build_kubeconfig(api.access, token, pod["metadata"]["namespace"])
    write_atomically(kubeconfig, yaml.safe_dump(content).encode(), 0o600)
    return kubeconfig


async def wants_token(api: Api, pod: Manifest) -> bool:
    """Whether a token is to be mounted: the Pod's word counts before its ServiceAccount's."""
    spec = pod["spec"]
    if spec.get("automountServiceAccountToken") is not None:
        return bool(spec["automountServiceAccountToken"])
    name = spec.get("serviceAccountName") or "default"
    try:
        account = await api.get(f"/api/v1/namespaces/{pod['metadata']['namespace']}/serviceaccounts/{name}")
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    return account.get("automountServiceAccountToken") is not False


def build_kubeconfig(access: Access, token: Path, namespace: str) -> Manifest:
    """Build a kubeconfig whose token is read from a file, since it is renewed there."""
    cluster = {"server": access.server}
    if access.authority:
        cluster["certificate-authority-data"] = base64.b64encode(access.authority).decode()
    context = {"cluster": "cluster", "user": "pod", "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": "pod", "user": {"tokenFile": str(token)}}],
        "contexts": [{"name": "pod", "context": context}],
        "current-context": "pod",
    }
