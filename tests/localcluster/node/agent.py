"""The agent's loop: watch Pods, bind the unbound ones, run those that are bound to this node."""

import asyncio
import logging
import shutil
import time

import aiohttp

from localcluster.node.addresses import AddressPool, find_machine_addresses
from localcluster.node.api import Api, ApiError, Manifest, WatchExpired
from localcluster.node.layout import PodRecord
from localcluster.node.log_server import serving_logs
from localcluster.node.pod import PodRunner
from localcluster.node.registration import build_node, keep_heartbeat, register, unregister
from localcluster.node.scheduling import Placement, choose_placement, place
from localcluster.node.settings import NodeSettings

_LOG = logging.getLogger(__name__)
_PODS = "/api/v1/pods"
_RETRY_SECONDS = 0.5
# What a Pod gets at most when the agent itself is stopped.
_AGENT_GRACE_SECONDS = 10
REACHABLE = "cloudtrail-operator.io/reachable"
"""On a Pod, "true": it shall be reachable through the API server's proxy to pods, which refuses loopback addresses."""


class NodeAgent:
    """Runs until it is cancelled; then stops every process that it started."""

    def __init__(self, api: Api, settings: NodeSettings) -> None:
        self._api = api
        self._settings = settings
        self._labels: dict[str, str] = build_node(settings)["metadata"]["labels"]
        self._addresses = AddressPool(find_machine_addresses())
        self._runners: dict[str, PodRunner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._placements: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Register, then follow the Pods for ever."""
        async with serving_logs(self._api.access, self._settings.layout) as log_port:
            await self._register(log_port)
            heartbeat = asyncio.create_task(keep_heartbeat(self._api, self._settings))
            try:
                await self._follow()
            finally:
                heartbeat.cancel()
                await asyncio.gather(heartbeat, return_exceptions=True)
                await self._leave()

    async def _register(self, log_port: int) -> None:
        while True:
            try:
                await register(self._api, self._settings, log_port)
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                _LOG.warning("the node was not registered: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def _leave(self) -> None:
        await self._stop_all()
        self._settings.layout.ready.unlink(missing_ok=True)
        if self._settings.leave_scheduling:
            await unregister(self._api, self._settings)

    async def _follow(self) -> None:
        """List and watch; after any failure list anew, since what happened meanwhile is not told again."""
        while True:
            try:
                version = await self._list()
                await self._watch(version)
            except WatchExpired:
                _LOG.info("the watch has expired")
            except (ApiError, aiohttp.ClientError, TimeoutError, ValueError) as error:
                _LOG.warning("the watch was interrupted: %s: %s", type(error).__name__, error)
                await asyncio.sleep(_RETRY_SECONDS)

    @property
    def _query(self) -> dict[str, str]:
        return {"fieldSelector": f"spec.nodeName={self._settings.name}"} if self._settings.leave_scheduling else {}

    async def _list(self) -> str:
        answer = await self._api.get(_PODS, **self._query)
        known = {pod["metadata"]["uid"] for pod in answer["items"]}
        for uid, runner in self._runners.items():
            if uid not in known:
                runner.forget()
        await asyncio.to_thread(self._delete_leftovers, known)
        for pod in answer["items"]:
            self._see(pod)
        self._settings.layout.ready.touch()
        return str(answer["metadata"]["resourceVersion"])

    def _delete_leftovers(self, known: set[str]) -> None:
        """Remove the folders of Pods that were deleted while no agent ran; their processes died with the agent."""
        for folder in self._settings.layout.pods.glob("*"):
            if folder.name not in known and folder.name not in self._runners:
                shutil.rmtree(folder, ignore_errors=True)

    async def _watch(self, version: str) -> None:
        """Follow changes; a watch that ended in order goes on at the last version that was seen."""
        while True:
            async for kind, pod in self._api.watch(_PODS, version, **self._query):
                version = pod["metadata"]["resourceVersion"]
                if kind == "DELETED":
                    self._lose(pod["metadata"]["uid"])
                elif kind != "BOOKMARK":
                    self._see(pod)

    def _see(self, pod: Manifest) -> None:
        uid = pod["metadata"]["uid"]
        if pod["spec"].get("nodeName") == self._settings.name:
            self._start(pod)
            if runner := self._runners.get(uid):
                runner.update(pod)
        elif not self._settings.leave_scheduling:
            placement = choose_placement(pod, self._labels)
            if placement is not Placement.IGNORE:
                task = asyncio.create_task(place(self._api, pod, self._settings.name, placement))
                self._placements.add(task)
                task.add_done_callback(self._placements.discard)

    def _start(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        uid = metadata["uid"]
        if uid in self._runners:
            return
        self._settings.layout.pod(uid).mkdir(parents=True, exist_ok=True)
        record = PodRecord(time.time_ns(), uid, metadata["namespace"], metadata["name"], metadata.get("labels") or {})
        self._settings.layout.add_record(record)
        try:
            runner = PodRunner(self._api, self._settings, pod, self._take_address(pod))
        except (KeyError, TypeError, ValueError, OSError):
            _LOG.exception("pod %s/%s cannot be run", metadata["namespace"], metadata["name"])
            self._addresses.give_back(uid)
            return
        self._runners[uid] = runner
        self._tasks[uid] = asyncio.create_task(self._run_pod(runner))

    def _take_address(self, pod: Manifest) -> str:
        metadata, containers = pod["metadata"], pod["spec"]["containers"]
        if (metadata.get("annotations") or {}).get(REACHABLE) != "true":
            return self._addresses.take(metadata["uid"])
        ports = [int(port["containerPort"]) for container in containers for port in container.get("ports") or []]
        return self._addresses.take_outside(metadata["uid"], ports)

    def _lose(self, uid: str) -> None:
        if runner := self._runners.get(uid):
            runner.forget()

    async def _run_pod(self, runner: PodRunner) -> None:
        try:
            await runner.run()
        except Exception:  # noqa: BLE001 - one Pod's misfortune is not the others'
            _LOG.exception("pod %s was given up", runner.uid)
        finally:
            self._runners.pop(runner.uid, None)
            self._tasks.pop(runner.uid, None)
            self._addresses.give_back(runner.uid)

    async def _stop_all(self) -> None:
        for runner in list(self._runners.values()):
            runner.abandon(_AGENT_GRACE_SECONDS)
        await asyncio.gather(*self._tasks.values(), *self._placements, return_exceptions=True)
