"""Writes Kubernetes Events about Pods, which `kubectl describe pod` shows. Losing one does no harm."""

import asyncio
import logging
from datetime import UTC, datetime

import aiohttp

from localcluster.node.api import Api, ApiError, Manifest
from localcluster.node.status import format_time

_LOG = logging.getLogger(__name__)


class NoteWriter:
    """Writes the Events of one Pod; one that says the same as the last one is not repeated."""

    def __init__(self, api: Api, pod: Manifest, node: str) -> None:
        self._api = api
        self._pod = pod
        self._node = node
        self._last: tuple[str, str] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def write(self, kind: str, reason: str, message: str) -> None:
        """Write an Event of a type (Normal, Warning) in the background."""
        if (reason, message) != self._last:
            self._last = (reason, message)
            task = asyncio.create_task(self._post(kind, reason, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _post(self, kind: str, reason: str, message: str) -> None:
        metadata, now = self._pod["metadata"], format_time(datetime.now(UTC))
        names = {"name": metadata["name"], "namespace": metadata["namespace"]}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", "uid": metadata["uid"], **names},
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": "node-agent", "host": self._node},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._api.post(f"/api/v1/namespaces/{metadata['namespace']}/events", event)
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            _LOG.info("no Event was written for pod %s: %s", metadata["name"], error)
