"""The life of one Pod on this node: volumes, init containers, containers, status, end."""

import asyncio
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from localcluster.node.api import Api, ApiError, Manifest
from localcluster.node.backoff import BackOff
from localcluster.node.containers import Container, ContainerPlan
from localcluster.node.environment import build_command, build_environment
from localcluster.node.logs import ContainerLogs
from localcluster.node.notes import NoteWriter
from localcluster.node.paths import MountPaths
from localcluster.node.processes import Program
from localcluster.node.references import ConfigError, References
from localcluster.node.service_account import write_kubeconfig
from localcluster.node.service_names import ServiceNames
from localcluster.node.settings import NodeSettings
from localcluster.node.status import ContainerView, PodView, Terminated, Waiting, build_status
from localcluster.node.stopping import StopOrder
from localcluster.node.tokens import TokenKeeper
from localcluster.node.volumes import VolumeWriter

SPLIT_STDOUT = "cloudtrail-operator.io/split-stdout"

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0
_TRANSIENT = (ApiError, aiohttp.ClientError, TimeoutError)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the Pod's containers share."""

    references: References
    volumes: VolumeWriter
    tokens: TokenKeeper


class PodRunner:
    """Runs one Pod from the moment it is bound here until it is deleted."""

    def __init__(self, api: Api, settings: NodeSettings, pod: Manifest, address: str) -> None:
        self._api = api
        self._settings = settings
        self._pod = pod
        self._address = address
        self._started_at = datetime.now(UTC)
        self._stop = StopOrder()
        self._deleted = asyncio.Event()
        self._abandoned = False
        # It ended under a former agent: its status stays.
        self._over = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        self._dirty = asyncio.Event()
        self._directory = settings.layout.pod(self.uid)
        self._notes = NoteWriter(api, pod, settings.name)
        tokens = TokenKeeper(api, pod)
        references = References(api, pod, address)
        self._parts = _Parts(references, VolumeWriter(pod, self._directory / "volumes", references, tokens), tokens)
        self._kubeconfig: Path | None = None
        self._init_containers = self._build_containers("initContainers", "initContainerStatuses")
        self._containers = self._build_containers("containers", "containerStatuses")

    @property
    def uid(self) -> str:
        """The Pod's uid."""
        return str(self._pod["metadata"]["uid"])

    @property
    def _path(self) -> str:
        metadata = self._pod["metadata"]
        return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"

    @property
    def _grace_seconds(self) -> float:
        return float(self._pod["spec"].get("terminationGracePeriodSeconds", 30))

    def update(self, pod: Manifest) -> None:
        """Take over what the API server says now; a deletion time means: stop within the grace period."""
        self._pod = pod
        if "deletionTimestamp" in pod["metadata"]:
            self._deleted.set()
            self._stop.give(pod["metadata"].get("deletionGracePeriodSeconds") or 0)

    def forget(self) -> None:
        """The Pod is gone from the API server: stop at once, as after a forced deletion."""
        self._abandoned = True
        self._deleted.set()
        self._stop.give(1)

    def abandon(self, grace: float) -> None:
        """The agent ends: stop the processes, but leave the Pod as it is for the next agent."""
        self._abandoned = True
        self._deleted.set()
        self._stop.give(min(grace, self._grace_seconds))

    async def run(self) -> None:
        """Run the Pod to its end, and delete it when it was deleted."""
        reporter = asyncio.create_task(self._report())
        renewal: asyncio.Task[None] | None = None
        try:
            if not self._over:
                await self._prepare()
                renewal = asyncio.create_task(self._parts.tokens.renew())
                await self._run_containers()
            await self._deleted.wait()
        finally:
            for task in filter(None, (reporter, renewal)):
                task.cancel()
            await asyncio.gather(*filter(None, (reporter, renewal)), return_exceptions=True)
        await self._finish()
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def _prepare(self) -> None:
        """Write volumes and the kubeconfig; try again until it works or the Pod is to stop."""
        self._dirty.set()
        while not self._stop.given:
            try:
                await self._parts.volumes.write_all()
                self._kubeconfig = await write_kubeconfig(
                    self._api, self._pod, self._directory / "api-access", self._parts.tokens
                )
            except ConfigError as error:
                self._notes.write("Warning", "FailedMount", f"MountVolume.SetUp failed: {error}")
            except _TRANSIENT as error:
                _LOG.warning("pod %s waits for the API server: %s", self._path, error)
            else:
                return
            await self._stop.sleep(_RETRY_SECONDS)

    async def _run_containers(self) -> None:
        for container in self._init_containers:
            await container.supervise()
            state = container.view.state
            if not (isinstance(state, Terminated) and state.exit_code == 0):
                return
        async with asyncio.TaskGroup() as group:
            for container in self._containers:
                group.create_task(container.supervise())

    async def _report(self) -> None:
        """Write the status after each change, the newest only, until cancelled."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            if not self._abandoned and not await self._write_status():
                await asyncio.sleep(_RETRY_SECONDS)
                self._dirty.set()

    async def _write_status(self) -> bool:
        """Write the status; False if the API server could not be asked."""
        view = PodView(
            address=self._address,
            started_at=self._started_at,
            init_containers=[container.view for container in self._init_containers],
            containers=[container.view for container in self._containers],
        )
        status = build_status(view, self._pod, datetime.now(UTC))
        try:
            # The uid makes the server refuse it for a new Pod of the same name.
            self._pod = await self._api.merge(f"{self._path}/status", {"metadata": {"uid": self.uid}, "status": status})
        except ApiError as error:
            if error.code in (404, 409):
                return True
            _LOG.warning("status of %s was refused: %s", self._path, error)
            return False
        except (aiohttp.ClientError, TimeoutError) as error:
            _LOG.warning("status of %s was not written: %s", self._path, error)
            return False
        return True

    async def _finish(self) -> None:
        """Write the last status and let the API server forget the Pod; try until it answers."""
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        while not self._abandoned:
            try:
                if not self._over:
                    await self._write_status()
                await self._api.delete(self._path, options)
            except ApiError as error:
                if error.code in (404, 409):
                    return
                _LOG.warning("%s was not deleted: %s", self._path, error)
            except (aiohttp.ClientError, TimeoutError) as error:
                _LOG.warning("%s was not deleted: %s", self._path, error)
            else:
                return
            await asyncio.sleep(_RETRY_SECONDS)

    def _build_containers(self, section: str, statuses: str) -> list[Container]:
        found = {status["name"]: status for status in self._pod.get("status", {}).get(statuses) or []}
        policy = self._pod["spec"].get("restartPolicy", "Always")
        if section == "initContainers" and policy == "Always":
            policy = "OnFailure"
        return [
            self._build_container(manifest, policy, found.get(manifest["name"], {}))
            for manifest in self._pod["spec"].get(section) or []
        ]

    def _build_container(self, manifest: Manifest, policy: str, found: Manifest) -> Container:
        split = (self._pod["metadata"].get("annotations") or {}).get(SPLIT_STDOUT) == "true"
        mounts = self._parts.volumes.map_mounts(manifest)
        message = self._settings.layout.termination_message(self.uid, manifest["name"])
        names = ServiceNames(self._api)

        async def build_program() -> Program:
            self._parts.volumes.create_sub_paths(manifest)
            environment = await build_environment(
                manifest, self._parts.references, mounts, self._build_base_environment(mounts, message)
            )
            directory = mounts.find(manifest.get("workingDir") or "") or self._directory
            command = [await names.replace(part) for part in build_command(manifest, environment, mounts)]
            return Program(command, environment, directory)

        plan = ContainerPlan(
            manifest=rewrite_commands(manifest, mounts),
            restart_policy=policy,
            grace_seconds=self._grace_seconds,
            address=self._address,
            logs=ContainerLogs(self._settings.layout.pod_logs(self.uid), manifest["name"], split),
            message=message,
            process_id=self._settings.layout.process_id(self.uid, manifest["name"]),
            build_program=build_program,
            note=self._notes.write,
        )
        back_off = BackOff(self._settings.back_off_seconds)
        return Container(plan, build_first_view(manifest, found), self._stop, back_off, self._dirty.set)

    def _build_base_environment(self, mounts: MountPaths, message: Path) -> Mapping[str, str]:
        temporary = mounts.find("/tmp") or self._directory / "tmp"  # noqa: S108 - a mount path, not a file of ours
        temporary.mkdir(parents=True, exist_ok=True)
        base = {
            "PATH": self._settings.path_prefix + "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self._directory),
            "HOSTNAME": self._pod["spec"].get("hostname") or self._pod["metadata"]["name"],
            "TMPDIR": str(temporary),
            "LANG": "C.UTF-8",
            "CLOUDTRAIL_LISTEN_HOST": self._address,
            "CLOUDTRAIL_TERMINATION_LOG": str(message),
            **self._settings.environment,
        }
        return base | ({"KUBECONFIG": str(self._kubeconfig)} if self._kubeconfig else {})


def build_first_view(manifest: Manifest, found: Manifest) -> ContainerView:
    """Describe a container before its first start; if a former agent ran it, this start is a restart."""
    view = ContainerView(manifest["name"], manifest.get("image", ""), state=Waiting("ContainerCreating"))
    running = (found.get("state") or {}).get("running")
    if not running:
        return replace(view, restart_count=found.get("restartCount", 0))
    # Its process died with that agent, by SIGKILL.
    started_at = datetime.fromisoformat(running["startedAt"])
    lost = Terminated(137, "ContainerStatusUnknown", started_at, datetime.now(UTC), "the node agent was restarted")
    return replace(view, restart_count=found.get("restartCount", 0) + 1, last=lost)


def rewrite_commands(value: Any, mounts: MountPaths) -> Any:
    """Rewrite mount paths in the commands of probes and hooks, wherever they stand in a manifest."""
    if isinstance(value, dict):
        return {
            key: {"command": [mounts.rewrite(part) for part in inner["command"]]}
            if key == "exec"
            else rewrite_commands(inner, mounts)
            for key, inner in value.items()
        }
    return [rewrite_commands(inner, mounts) for inner in value] if isinstance(value, list) else value
