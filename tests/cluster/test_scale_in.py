"""Scale-in on the whole path: collectors that work on messages are stopped, as an autoscaler does, and nothing is lost."""

import json
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from threading import Event

import pytest

from integration.http_stand_in import HttpStandIn, Received, Reply
from localcluster.aws import AwsEndpoint, running_aws
from localcluster.cluster import LocalCluster
from localcluster.corpus import LogFile, generate_log_files
from localcluster.trail import Trail, create_trail, wait_until

WORKLOAD = "trail-collector"


class GatedSink(HttpStandIn):
    """A sink that refuses everything while its gate is closed, so that what was sent to it stays in work."""

    def __init__(self) -> None:
        self.gate = Event()
        self.accepted_requests: list[Received] = []
        super().__init__(self._answer)

    def _answer(self, request: Received) -> Reply:
        if not self.gate.is_set():
            return Reply(503)
        self.accepted_requests.append(request)
        return Reply()

    def count_accepted(self) -> Counter[str]:
        """Count the events that were accepted, by eventID."""
        return Counter(
            json.loads(line)["eventID"] for request in list(self.accepted_requests) for line in request.lines
        )


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    with running_aws("ministack", tmp_path_factory.mktemp("aws"), enforce_iam=True) as endpoint:
        yield endpoint


@pytest.fixture
def trail(operator: LocalCluster, aws: AwsEndpoint, namespace: str) -> Trail:
    return create_trail(operator, aws, namespace=namespace, name="trail", storage_name=namespace)


@pytest.fixture
def sink() -> Iterator[GatedSink]:
    with GatedSink() as sink:
        yield sink


def _list_events(files: list[LogFile]) -> list[str]:
    return [event_id for file in files for event_id in file.event_ids]


def _scale(trail: Trail, replicas: int) -> None:
    trail.cluster.kubectl("scale", f"deployment/{WORKLOAD}", "-n", trail.namespace, f"--replicas={replicas}")


def _wait_ready(trail: Trail, count: int) -> None:
    wait_until(
        f"{count} ready collectors and no others",
        lambda: trail.read_source()["status"].get("readyReplicas") == count == len(trail.list_pods()),
    )


def _all_hold_messages(trail: Trail) -> bool:
    """Ask the collectors themselves whether each has messages in work."""
    for pod in trail.list_pods():
        with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080/status", timeout=5) as answer:
            if json.load(answer)["messages"]["inFlight"] == 0:
                return False
    return True


def _are_told_to_stop(trail: Trail) -> bool:
    return sum("deletionTimestamp" in pod["metadata"] for pod in trail.list_pods()) == 2


def _are_gone(trail: Trail) -> bool:
    return len(trail.list_pods()) == 1


@pytest.mark.parametrize(
    ("grace", "until"),
    [
        pytest.param(30, _are_told_to_stop, id="they finish in time"),
        pytest.param(10, _are_gone, id="they cannot finish and give back"),
    ],
)
def test_t37_scale_in_loses_nothing(trail: Trail, sink: GatedSink, grace: int, until: Callable[[Trail], bool]) -> None:
    """T-37: scaled from 3 to 1 to 2 while messages flow, each event of each file is delivered once, and nothing else.

    The sink accepts nothing from before the scale-in until the two collectors are told to stop, or until they are gone.
    """
    files = list(generate_log_files(240, seed=37, events_per_file=5))
    first, second, third = files[:120], files[120:180], files[180:]
    gated = {"name": "gated", "http": {"url": sink.url}, "retry": {"maxAttempts": 100, "maxDelaySeconds": 1}}
    collector = {"terminationGracePeriodSeconds": grace}
    trail.apply("Active", scaling={"max": 3}, sinks=[gated], collector=collector)
    wait_until("a collector", lambda: bool(trail.list_pods()))
    _scale(trail, 3)
    _wait_ready(trail, 3)
    working = trail.list_pod_names()
    trail.upload(first)
    wait_until("messages in work everywhere", lambda: _all_hold_messages(trail))

    _scale(trail, 1)
    wait_until("two collectors that stop", lambda: until(trail))
    assert trail.read_queue_depth().kept >= len(first)
    sink.gate.set()
    trail.upload(second)
    _wait_ready(trail, 1)
    assert trail.list_pod_names() < working
    _scale(trail, 2)
    trail.upload(third)
    _wait_ready(trail, 2)

    wanted = Counter(_list_events(files))
    wait_until("every event", lambda: wanted.keys() <= sink.count_accepted().keys(), timeout=120)
    wait_until("the queue to drain", lambda: trail.read_queue_depth().kept == 0)
    assert sink.count_accepted() == wanted
    assert trail.read_queue_depth().dead == 0
    deployment = trail.cluster.get(f"deployment/{WORKLOAD}", namespace=trail.namespace)
    assert deployment["spec"]["replicas"] == 2
