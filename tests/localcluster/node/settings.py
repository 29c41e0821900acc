"""What the node agent is told when it is started."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster.node.layout import NodeLayout


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Settings of one agent."""

    kubeconfig: Path
    name: str
    layout: NodeLayout
    path_prefix: str
    environment: Mapping[str, str]
    back_off_seconds: float
    leave_scheduling: bool  # to a real scheduler, whose word alone brings a Pod here
