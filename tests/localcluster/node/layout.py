"""Where the node agent keeps what: the folders of its Pods, their logs, and a record of every Pod that it ever ran."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A Pod that ran here; kept when the Pod is gone, as its logs are."""

    sequence: int
    uid: str
    namespace: str
    name: str
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class NodeLayout:
    """Paths under the agent's folder. The agent writes them; the local cluster reads them."""

    directory: Path

    @property
    def ready(self) -> Path:
        """A file that exists once the Node is registered and Pods are watched."""
        return self.directory / "ready"

    @property
    def logs(self) -> Path:
        """Logs of all Pods, `<pod uid>/<container>.log`."""
        return self.directory / "logs"

    @property
    def pods(self) -> Path:
        """Folders of the Pods that exist."""
        return self.directory / "pods"

    @property
    def _records(self) -> Path:
        return self.directory / "records"

    def pod_logs(self, uid: str) -> Path:
        """Folder of one Pod's logs."""
        return self.logs / uid

    def pod(self, uid: str) -> Path:
        """Folder of one Pod's volumes and process ids."""
        return self.pods / uid

    def process_id(self, uid: str, container: str) -> Path:
        """File that holds the process id of a running container."""
        return self.pod(uid) / f"{container}.pid"

    def termination_message(self, uid: str, container: str) -> Path:
        """File in which a container's program may say why it ends, in place of /dev/termination-log."""
        return self.pod(uid) / f"{container}.termination-message"

    def read_process_id(self, uid: str, container: str) -> int:
        """Read the process id of a running container. Raises RuntimeError when it does not run."""
        try:
            return int(self.process_id(uid, container).read_text(encoding="ascii"))
        except FileNotFoundError:
            raise RuntimeError(f"container {container} of pod {uid} does not run") from None

    def add_record(self, record: PodRecord) -> None:
        """Remember a Pod, once."""
        self._records.mkdir(parents=True, exist_ok=True)
        path = self._records / f"{record.uid}.json"
        if not path.exists():
            path.write_text(json.dumps(asdict(record)), encoding="utf-8")

    def records(self, namespace: str, labels: dict[str, str]) -> list[PodRecord]:
        """Return the Pods that ever ran in a namespace with these labels, in the order in which they came."""
        paths = self._records.glob("*.json")
        found = [PodRecord(**json.loads(path.read_text(encoding="utf-8"))) for path in paths]
        chosen = [
            record for record in found if record.namespace == namespace and labels.items() <= record.labels.items()
        ]
        return sorted(chosen, key=lambda record: record.sequence)
