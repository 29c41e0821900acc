"""Brings unbound Pods to this node where no scheduler runs. Deciding is pure; binding is one request."""

import logging
from datetime import UTC, datetime
from enum import Enum, auto

import aiohttp

from localcluster.node.api import Api, ApiError, Manifest
from localcluster.node.status import format_time

_LOG = logging.getLogger(__name__)
_MISMATCH = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."


class Placement(Enum):
    """What to do with a Pod."""

    IGNORE = auto()
    BIND = auto()
    REFUSE = auto()


def choose_placement(pod: Manifest, node_labels: dict[str, str]) -> Placement:
    """Choose by what a scheduler would look at: gates, the scheduler's name, and the node selector."""
    spec = pod["spec"]
    if spec.get("nodeName") or "deletionTimestamp" in pod["metadata"] or spec.get("schedulingGates"):
        return Placement.IGNORE
    if spec.get("schedulerName", "default-scheduler") != "default-scheduler":
        return Placement.IGNORE
    matches = (spec.get("nodeSelector") or {}).items() <= node_labels.items()
    return Placement.BIND if matches else Placement.REFUSE


async def place(api: Api, pod: Manifest, node: str, placement: Placement) -> None:
    """Bind the Pod to the node, or say in its status why not."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    names = {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    try:
        if placement is Placement.BIND:
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": names, "target": target}
            await api.post(f"{path}/binding", binding)
        elif placement is Placement.REFUSE and not pod.get("status", {}).get("conditions"):
            status = {"conditions": [_build_refusal()]}
            await api.merge(f"{path}/status", {"metadata": {"uid": metadata["uid"]}, "status": status})
    except ApiError as error:
        # Gone, or bound by somebody else meanwhile.
        if error.code not in (404, 409):
            _LOG.warning("pod %s was not placed: %s", path, error)
    except (aiohttp.ClientError, TimeoutError) as error:
        _LOG.warning("pod %s was not placed: %s", path, error)


def _build_refusal() -> Manifest:
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": _MISMATCH,
        "lastTransitionTime": format_time(datetime.now(UTC)),
    }
