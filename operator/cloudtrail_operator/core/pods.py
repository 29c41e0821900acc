"""A Pod's JSON becomes what the operator wants to know of a collector: is it current, ready, or in trouble."""

from collections.abc import Iterator
from dataclasses import dataclass

from cloudtrail_operator.core.names import CONTAINER, HTTP_PORT, TEMPLATE_HASH_ANNOTATION, Manifest

FAILING_WAITS = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""Reasons of a waiting container that do not go away by waiting a moment."""

MANY_RESTARTS = 3


@dataclass(frozen=True, slots=True)
class CollectorPod:
    """One pod of a source."""

    name: str
    uid: str
    ip: str | None
    template_hash: str | None
    ready: bool
    running: bool
    going: bool
    """Being deleted: it drains."""
    ended: bool
    """Evicted or finished: Kubernetes keeps it for the record and replaces it."""
    trouble: str | None
    """Why it cannot start, or keeps ending."""
    last_words: str | None = None
    """How it failed, for one that has ended."""

    @property
    def address(self) -> str | None:
        """Base URL of its HTTP server, once it runs."""
        if self.ip is None or not self.running:
            return None
        return f"http://[{self.ip}]:{HTTP_PORT}" if ":" in self.ip else f"http://{self.ip}:{HTTP_PORT}"


def parse_pod(manifest: Manifest) -> CollectorPod:
    """Turn a Pod's JSON into a CollectorPod."""
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or []}
    container = _find_container(status)
    return CollectorPod(
        name=metadata["name"],
        uid=metadata["uid"],
        ip=status.get("podIP"),
        template_hash=(metadata.get("annotations") or {}).get(TEMPLATE_HASH_ANNOTATION),
        ready=conditions.get("Ready", {}).get("status") == "True",
        running="running" in container.get("state", {}),
        going="deletionTimestamp" in metadata,
        ended=status.get("phase") in ("Failed", "Succeeded"),
        trouble=next(_find_troubles(conditions, container), None),
        last_words=_describe_end(container.get("state", {}).get("terminated") or {}),
    )


def _find_container(status: Manifest) -> Manifest:
    containers = status.get("containerStatuses") or []
    return next((item for item in containers if item.get("name") == CONTAINER), {})


def _find_troubles(conditions: dict[str, Manifest], container: Manifest) -> Iterator[str]:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        yield _sentence("Unschedulable", scheduled.get("message"))
    waiting = container.get("state", {}).get("waiting") or {}
    if waiting.get("reason") in FAILING_WAITS:
        yield _sentence(waiting["reason"], _last_words(container) or waiting.get("message"))
    if container.get("restartCount", 0) >= MANY_RESTARTS and not container.get("ready"):
        yield _sentence("CrashLoopBackOff", _last_words(container))  # between two waits: it has not recovered


def _last_words(container: Manifest) -> str | None:
    """Say how the container ended last, for one that crashes."""
    return _describe_end((container.get("lastState") or {}).get("terminated") or {}, also_well=True)


def _describe_end(ended: Manifest, *, also_well: bool = False) -> str | None:
    if not ended or (ended.get("exitCode") == 0 and not also_well):
        return None
    words = f"exit code {ended.get('exitCode')}"
    if ended.get("reason") and ended["reason"] != "Error":
        words += f" ({ended['reason']})"
    return f"{words}: {ended['message'].strip()[-500:]}" if ended.get("message") else words


def _sentence(reason: str, message: str | None) -> str:
    return f"{reason}: {message}" if message else reason
