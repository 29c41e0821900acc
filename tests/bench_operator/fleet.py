"""Many sources: applies them as their users would, plays the kubelet for their pods, and notes when what happened."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench_operator.api import MERGE, Api, Manifest, each
from bench_operator.collectors import Collectors, build_address
from support.pods import build_pod_status
from support.sources import QUEUE_ARN, build_source

NAMESPACE = "bench"
SOURCES = f"/apis/cloudtrail-operator.io/v1alpha1/namespaces/{NAMESPACE}/cloudtrailsources"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SOURCE_LABEL = "cloudtrail-operator.io/source"
OURS = "app.kubernetes.io/managed-by=cloudtrail-operator"
USER = "user"


def build_own(name: str) -> Manifest:
    """Build a source with a queue of its own."""
    return build_source(name, NAMESPACE, queueArn=f"{QUEUE_ARN}-{name}")


class Fleet:
    """The sources of a run and what was seen of them, by name: moments of the monotonic clock."""

    def __init__(self, api: Api, collectors: Collectors) -> None:
        self._api = api
        self.collectors = collectors
        self._pods: dict[str, str] = {}
        self.applied: dict[str, float] = {}
        self.deployed: dict[str, float] = {}
        self.ready: dict[str, float] = {}

    async def apply(self, names: list[str]) -> None:
        """Apply sources."""

        async def apply_one(name: str) -> None:
            self.applied[name] = time.monotonic()
            await self._api.apply(f"{SOURCES}/{name}", build_own(name), USER)

        await each(names, apply_one)

    async def wait(self, what: Callable[[], bool], words: str, seconds: float) -> None:
        """Wait until something is so. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                raise TimeoutError(f"in {seconds:.0f} s it did not happen that {words}")
            await asyncio.sleep(0.05)

    def watches(self) -> list[Any]:
        """Return what has to run beside everything else, until cancelled."""
        return [self._watch_sources(), self._watch_deployments(), self._run_pods()]

    @property
    def addresses(self) -> set[str]:
        """The addresses of all pods that run."""
        return set(self._pods.values())

    async def _watch_sources(self) -> None:
        async for event in self._api.watch(SOURCES):
            conditions = event["object"].get("status", {}).get("conditions", [])
            if any(item["type"] == "Ready" and item["status"] == "True" for item in conditions):
                _note(self.ready, event["object"]["metadata"]["name"])

    async def _watch_deployments(self) -> None:
        async for event in self._api.watch(DEPLOYMENTS, labelSelector=OURS):
            if event["type"] == "ADDED":
                _note(self.deployed, event["object"]["metadata"]["labels"][SOURCE_LABEL])

    async def _run_pods(self) -> None:
        """Start every new pod at once; several at a time, and in the order in which they came."""
        waiting: asyncio.Queue[Manifest] = asyncio.Queue()

        async def start() -> None:
            while True:
                await self._start_pod(await waiting.get())

        async with asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(start())
            async for event in self._api.watch(PODS, labelSelector=OURS):
                metadata = event["object"]["metadata"]
                if event["type"] == "ADDED" and metadata["uid"] not in self._pods:
                    self._pods[metadata["uid"]] = build_address(len(self._pods))
                    waiting.put_nowait(event["object"])

    async def _start_pod(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        address = self._pods[metadata["uid"]]
        await self.collectors.serve(address, metadata["annotations"]["cloudtrail-operator.io/config-hash"])
        await self._api.send("PATCH", f"{PODS}/{metadata['name']}/status", {"status": build_pod_status(address)}, MERGE)


@asynccontextmanager
async def running_fleet(kubeconfig: Path) -> AsyncIterator[tuple[Api, Fleet]]:
    """Run the watches and the kubelet of a fleet that has no source yet."""
    collectors = Collectors()
    async with Api(kubeconfig) as api, asyncio.TaskGroup() as tasks:
        fleet = Fleet(api, collectors)
        watches = [tasks.create_task(watch) for watch in fleet.watches()]
        try:
            yield api, fleet
        finally:
            for watch in watches:
                watch.cancel()
            collectors.close()


def _note(moments: dict[str, float], name: str) -> None:
    moments.setdefault(name, time.monotonic())
