"""Turns what the containers of a Pod do into the Pod's status. Pure; the time is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from localcluster.node.api import Manifest

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not started yet, or between two starts."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """A process runs."""

    started_at: datetime


@dataclass(frozen=True, slots=True)
class Terminated:
    """A process ended."""

    exit_code: int
    reason: str
    started_at: datetime
    finished_at: datetime
    message: str = ""


ContainerState = Waiting | Running | Terminated


@dataclass(frozen=True, slots=True)
class ContainerView:
    """What can be seen of a container at one moment."""

    name: str
    image: str
    container_id: str = ""
    state: ContainerState = Waiting("ContainerCreating")
    last: Terminated | None = None
    restart_count: int = 0
    started: bool = False
    ready: bool = False
    finished: bool = False  # it will not be started again


@dataclass(frozen=True, slots=True)
class PodView:
    """What can be seen of a Pod at one moment."""

    address: str
    started_at: datetime
    init_containers: Sequence[ContainerView]
    containers: Sequence[ContainerView]


def build_status(view: PodView, pod: Manifest, now: datetime) -> Manifest:
    """Build the status to write: conditions keep their transition time unless they flip; foreign ones are kept."""
    phase = find_phase(view)
    return {
        "phase": phase,
        "conditions": _build_conditions(view, phase, pod, now),
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": view.address,
        "podIPs": [{"ip": view.address}],
        "startTime": format_time(view.started_at),
        **({"initContainerStatuses": _build_containers(view.init_containers)} if view.init_containers else {}),
        "containerStatuses": _build_containers(view.containers),
    }


def find_phase(view: PodView) -> Phase:
    """Tell the phase as the kubelet does."""
    if any(container.finished and _exit_code(container) for container in view.init_containers):
        return "Failed"
    if not is_initialized(view) or any(
        isinstance(container.state, Waiting) and container.last is None for container in view.containers
    ):
        return "Pending"
    if all(container.finished for container in view.containers):
        return "Failed" if any(_exit_code(container) for container in view.containers) else "Succeeded"
    return "Running"


def is_initialized(view: PodView) -> bool:
    """Whether every init container ended well."""
    return all(container.finished and _exit_code(container) == 0 for container in view.init_containers)


def _exit_code(container: ContainerView) -> int:
    return container.state.exit_code if isinstance(container.state, Terminated) else 0


def _build_conditions(view: PodView, phase: Phase, pod: Manifest, now: datetime) -> list[Manifest]:
    unready = [container.name for container in view.containers if not container.ready]
    done = "PodCompleted" if phase == "Succeeded" else "PodFailed" if phase == "Failed" else ""
    why = (done or "ContainersNotReady", "" if done else f"containers with unready status: [{' '.join(unready)}]")
    pending = [container.name for container in view.init_containers if not container.finished]
    # A Pod that is being deleted stays ready until its containers stop being so; Services look at its deletion time.
    facts: dict[str, tuple[bool, str, str]] = {
        "PodReadyToStartContainers": (True, "", ""),
        "Initialized": (
            is_initialized(view),
            "ContainersNotInitialized",
            f"containers with incomplete status: [{' '.join(pending)}]",
        ),
        "ContainersReady": (not unready, *why),
        "Ready": (not unready, *why),
        "PodScheduled": (True, "", ""),
    }
    found = {condition["type"]: condition for condition in pod.get("status", {}).get("conditions") or []}
    foreign = [condition for kind, condition in found.items() if kind not in facts]
    return foreign + [_build_condition(kind, fact, found.get(kind), now) for kind, fact in facts.items()]


def _build_condition(kind: str, fact: tuple[bool, str, str], found: Manifest | None, now: datetime) -> Manifest:
    holds, reason, message = fact
    status = "True" if holds else "False"
    same = found is not None and found["status"] == status
    since = found["lastTransitionTime"] if found and same and found.get("lastTransitionTime") else format_time(now)
    condition = {"type": kind, "status": status, "lastTransitionTime": since}
    if not holds:
        condition |= {"reason": reason, **({"message": message} if message else {})}
    return condition


def _build_containers(containers: Sequence[ContainerView]) -> list[Manifest]:
    return [
        {
            "name": container.name,
            "image": container.image,
            "imageID": "",
            "containerID": container.container_id,
            "ready": container.ready,
            "started": container.started,
            "restartCount": container.restart_count,
            "state": _build_state(container.state, container.container_id),
            "lastState": _build_state(container.last, "") if container.last else {},
        }
        for container in containers
    ]


def _build_state(state: ContainerState, container_id: str) -> Manifest:
    match state:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        case Running(started_at):
            return {"running": {"startedAt": format_time(started_at)}}
        case Terminated():
            ended: Manifest = {
                "exitCode": state.exit_code,
                "reason": state.reason,
                "startedAt": format_time(state.started_at),
                "finishedAt": format_time(state.finished_at),
                "containerID": container_id,
            }
            return {"terminated": ended | ({"message": state.message} if state.message else {})}


def format_time(time: datetime) -> str:
    """Format a time as the API writes it: UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
