"""Makes this machine known to the API server as a Node, and keeps its heartbeat."""

import asyncio
import logging
import os
import platform
from datetime import UTC, datetime
from typing import Any

import aiohttp

from localcluster.node.api import Api, ApiError, Manifest
from localcluster.node.settings import NodeSettings
from localcluster.node.status import format_time

LOG_DIRECTORY = "cloudtrail-operator.io/log-dir"
TAINT = "cloudtrail-operator.io/local"

_LOG = logging.getLogger(__name__)
_HEARTBEAT_SECONDS = 10
_LEASE_SECONDS = 40
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


async def register(api: Api, settings: NodeSettings, log_port: int) -> None:
    """Create the Node, or take over the one that a former agent left."""
    node = build_node(settings)
    try:
        await api.post("/api/v1/nodes", node)
    except ApiError as error:
        if error.code != 409:
            raise
        await api.merge(f"/api/v1/nodes/{settings.name}", {"metadata": node["metadata"], "spec": node["spec"]})
    if log_port:
        endpoint = {"daemonEndpoints": {"kubeletEndpoint": {"Port": log_port}}}
        await api.merge(f"/api/v1/nodes/{settings.name}/status", {"status": endpoint})
    await _report_ready(api, settings)


async def keep_heartbeat(api: Api, settings: NodeSettings) -> None:
    """Renew the lease for ever; the Node's own status follows at a slower pace, as a kubelet's does."""
    while True:
        try:
            await _renew_lease(api, settings.name)
            await _report_ready(api, settings)
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            _LOG.warning("no heartbeat: %s", error)
        await asyncio.sleep(_HEARTBEAT_SECONDS)


async def unregister(api: Api, settings: NodeSettings) -> None:
    """Remove the Node from a cluster that is not ours."""
    try:
        await api.delete(f"/api/v1/nodes/{settings.name}", {})
    except (ApiError, aiohttp.ClientError, TimeoutError) as error:
        _LOG.warning("node %s was not removed: %s", settings.name, error)


def build_node(settings: NodeSettings) -> Manifest:
    """Build the Node's manifest."""
    labels = {
        "kubernetes.io/hostname": settings.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
    }
    # A real scheduler shall bring only the Pods that tolerate a node without containers.
    taints = [{"key": TAINT, "value": "true", "effect": "NoSchedule"}] if settings.leave_scheduling else []
    annotations = {LOG_DIRECTORY: str(settings.layout.logs)}
    metadata = {"name": settings.name, "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": taints}}


async def _report_ready(api: Api, settings: NodeSettings) -> None:
    path = f"/api/v1/nodes/{settings.name}"
    found = (await api.get(path)).get("status", {}).get("conditions") or []
    since = next((entry["lastTransitionTime"] for entry in found if entry["type"] == "Ready"), None)
    now = format_time(datetime.now(UTC))
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "NodeAgentReady",
        "message": "the node agent runs Pods as local processes",
        "lastHeartbeatTime": now,
        "lastTransitionTime": since or now,
    }
    amounts = {"cpu": str(os.cpu_count() or 1), "memory": f"{_memory_bytes() // 1024}Ki", "pods": "110"}
    status: dict[str, Any] = {
        "conditions": [ready],
        # No host name: the API server would prefer it when it asks for logs, and it does not resolve.
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "capacity": amounts,
        "allocatable": amounts,
    }
    await api.merge(f"{path}/status", {"status": status})


async def _renew_lease(api: Api, name: str) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": name, "leaseDurationSeconds": _LEASE_SECONDS, "renewTime": now}
    try:
        await api.merge(f"{_LEASES}/{name}", {"spec": spec})
    except ApiError as error:
        if error.code != 404:
            raise
        metadata = {"name": name, "namespace": "kube-node-lease"}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        await api.post(_LEASES, lease)


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
