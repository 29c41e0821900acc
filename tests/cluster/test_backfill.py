"""CloudTrailBackfills from `kubectl apply` to the last event: operator, Jobs, workers and API server are real processes,
and the stand-in for AWS enforces IAM."""

import gzip
import json
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudtrail_operator.aws_setup.documents import to_json
from cloudtrail_operator.aws_setup.policy import Surroundings, build_pod_policy
from cloudtrail_spec.source import CloudTrailSourceSpec
from localcluster.aws import AwsEndpoint, running_aws
from localcluster.cluster import LocalCluster
from localcluster.corpus import LogFile, generate_log_files
from localcluster.trail import Trail, create_trail, wait_until
from support.backfills import build_backfill, build_inline_source
from support.real_records import TEST_DATA

ACCOUNTS = ("111122223333", "222233334444", "333344445555")
FIRST_DAY = datetime(2026, 3, 25, tzinfo=UTC)
DAYS = 10
FILES = 5000
HOURS = (0.0, 7.25, 15.5, 23.98)
LARGEST_PAGE = 1000

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    with running_aws("ministack", tmp_path_factory.mktemp("aws"), enforce_iam=True) as endpoint:
        yield endpoint


@pytest.fixture
def trail(operator: LocalCluster, aws: AwsEndpoint, namespace: str) -> Trail:
    """A source that nobody has applied yet, whose role has the least policy with which it can be backfilled."""
    trail = create_trail(operator, aws, namespace=namespace, name="trail", storage_name=namespace)
    _give_generated_policy(trail, Surroundings(may_list=True))
    return trail


def _give_generated_policy(trail: Trail, surroundings: Surroundings) -> None:
    """Give the role exactly what `aws policy` prints for the source."""
    spec = CloudTrailSourceSpec.model_validate_json(json.dumps(trail.build_manifest("Paused")["spec"]))
    policy = to_json(build_pod_policy(spec, surroundings))
    role = trail.storage.role_arn.rsplit("/", 1)[1]
    trail.aws.client("iam").put_role_policy(RoleName=role, PolicyName="collect", PolicyDocument=policy)


@dataclass(frozen=True)
class Probe:
    """One backfill, and short ways to look at it."""

    trail: Trail
    name: str

    def apply(self, **changes: Any) -> None:
        """Apply it as a user does."""
        manifest = build_backfill(self.name, self.trail.namespace, **{"sourceRef": {"name": "trail"}} | changes)
        self.trail.cluster.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifest))

    def read(self) -> Manifest:
        return self.trail.cluster.get(f"ctb/{self.name}", namespace=self.trail.namespace)

    def condition(self, kind: str) -> Manifest:
        conditions = self.read()["status"].get("conditions", [])
        return next((entry for entry in conditions if entry["type"] == kind), {})

    def wait(self, condition: str, timeout: float = 60) -> None:
        """Wait as a user would: `kubectl wait`."""
        self.trail.cluster.wait(f"ctb/{self.name}", condition, namespace=self.trail.namespace, timeout=timeout)

    @property
    def selector(self) -> str:
        return f"cloudtrail-operator.io/backfill={self.name}"

    def running_pods(self) -> list[Manifest]:
        pods = self.trail.cluster.pods(self.trail.namespace, self.selector)
        return [
            pod
            for pod in pods
            if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
        ]

    def count_delivered(self) -> Counter[str]:
        """Count the eventIDs on the standard output of all pods that ever worked for it."""
        output = self.trail.cluster.pod_stdout(self.trail.namespace, self.selector)
        return Counter(json.loads(line)["eventID"] for lines in output.values() for line in lines)

    def children(self) -> list[str]:
        """Name what exists for it."""
        kinds = "jobs,configmaps,roles,rolebindings,serviceaccounts,pods"
        found = self.trail.cluster.kubectl("get", kinds, "-n", self.trail.namespace, "-l", self.selector, "-o", "name")
        return sorted(found.stdout.split())


def _upload(trail: Trail, files: list[LogFile]) -> None:
    s3 = trail.aws.client("s3")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda file: s3.put_object(Bucket=trail.storage.bucket, Key=file.key, Body=file.body), files))


def _count(files: list[LogFile]) -> Counter[str]:
    return Counter(event_id for file in files for event_id in file.event_ids)


def _make_history(days: int, first: datetime, files: int, seed: int) -> list[LogFile]:
    """Make log files of three accounts and two regions, all through some days."""
    places = [
        (account, first + timedelta(days=day, hours=hour))
        for account in ACCOUNTS
        for day in range(days)
        for hour in HOURS
    ]
    share, more = divmod(files, len(places))
    return [
        file
        for number, (account, end) in enumerate(places)
        for file in generate_log_files(
            share + (number < more), seed=seed + number, events_per_file=2, account=account, end=end
        )
    ]


def _show(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def test_history_is_delivered_exactly_while_pods_are_killed(trail: Trail) -> None:
    """5,000 log files of 3 accounts, 2 regions and 10 days; the days around them are not read."""
    files = _make_history(DAYS, FIRST_DAY, FILES, seed=1)
    assert len(files) == FILES
    before = _make_history(1, FIRST_DAY - timedelta(days=1), 24, seed=1001)
    after = _make_history(1, FIRST_DAY + timedelta(days=DAYS), 24, seed=2001)
    _upload(trail, [*before, *files, *after])
    trail.apply("Paused")
    end = FIRST_DAY + timedelta(days=DAYS) - timedelta(minutes=1)
    probe = Probe(trail, "history")
    probe.apply(interval=f"{_show(FIRST_DAY)}-{_show(end)}", shares=4, parallelism=2)

    kills = 0
    for disturb in (_kill, _delete, _rest):
        known = sum(probe.count_delivered().values())
        wait_until("more events", lambda: sum(probe.count_delivered().values()) > known + 100, timeout=60)  # noqa: B023
        kills += disturb(probe)
    assert len(probe.count_delivered()) < len(_count(files)), "the kills came too late to be in the middle"

    probe.wait("condition=Complete", timeout=180)
    delivered, wanted = probe.count_delivered(), _count(files)
    assert delivered.keys() == wanted.keys()
    largest_unit = max(Counter((file.key.rsplit("/", 1)[0]) for file in files).values())
    repeats = sum((delivered - wanted).values())
    assert repeats <= kills * min(largest_unit, LARGEST_PAGE) * 4, "a lost pod repeats at most one page"
    status = probe.read()["status"]
    assert status["interval"] == {"since": _show(FIRST_DAY), "until": _show(end)}
    assert status["progress"] == "100%"
    assert status["shares"] == {"total": 4, "active": 0, "done": 4, "failed": 0}
    assert status["objects"]["read"] >= FILES
    assert status["bytes"] >= sum(len(file.body) for file in files)
    assert status["cost"]["getRequests"] >= FILES
    assert float(status["cost"]["usd"]) > 0


def _kill(probe: Probe) -> int:
    """Kill a worker's process, as a lost node would."""
    pod = probe.running_pods()[0]
    probe.trail.cluster.kill_pod_process(pod, signal.SIGKILL)
    return 1


def _delete(probe: Probe) -> int:
    """Delete a worker's pod, as somebody who drains a node would."""
    name = probe.running_pods()[0]["metadata"]["name"]
    probe.trail.cluster.kubectl("delete", "pod", name, "-n", probe.trail.namespace, "--wait=false")
    return 1


def _rest(probe: Probe) -> int:
    """Suspend the backfill while both of its workers are at work, and let it go on."""
    spec = probe.read()["spec"]
    probe.apply(**spec | {"suspend": True})
    probe.wait("condition=Suspended")
    wait_until("the pods to stop", lambda: not probe.running_pods())
    probe.apply(**spec)
    wait_until("pods to be back", lambda: bool(probe.running_pods()))
    return 2


def test_backfill_waits_for_its_source_rests_goes_on_and_is_kept_as_the_record(trail: Trail) -> None:
    files = _make_history(2, FIRST_DAY, 120, seed=5000)
    _upload(trail, files)
    interval = f"{_show(FIRST_DAY)}-{_show(FIRST_DAY + timedelta(days=2))}"
    probe = Probe(trail, "rest")
    probe.apply(interval=interval, shares=2, parallelism=1, suspend=True)
    wait_until("the source to be missed", lambda: probe.condition("Ready").get("reason") == "SourceNotFound")
    assert "no CloudTrailSource trail" in probe.condition("Ready")["message"]
    assert probe.children() == []

    trail.apply("Paused")
    probe.wait("condition=Suspended")
    wait_until("the Job to be there", lambda: "job.batch/rest-backfill" in probe.children())
    assert probe.condition("Ready")["reason"] == "Suspended"
    assert probe.running_pods() == []

    probe.apply(interval=interval, shares=2, parallelism=2)
    probe.wait("condition=Complete", timeout=90)
    assert probe.count_delivered() == _count(files)
    assert probe.condition("Ready")["status"] == "True"
    wait_until("the figures to be written", lambda: probe.read()["status"]["objects"]["read"] == 120)
    version = probe.read()["metadata"]["resourceVersion"]

    probe.apply(interval=interval, shares=2, parallelism=2, ttlSecondsAfterFinished=0)
    wait_until("what is not needed to be gone", lambda: probe.children() == [], timeout=60)
    wait_until(
        "the status to be of the present spec",
        lambda: probe.read()["status"]["observedGeneration"] == probe.read()["metadata"]["generation"],
    )
    after = probe.read()
    assert after["metadata"]["resourceVersion"] != version
    assert probe.condition("Complete")["status"] == "True"
    assert after["status"]["events"]["emitted"] == sum(_count(files).values())


@pytest.mark.third_party_data
def test_real_log_files_are_found_by_their_names(trail: Trail) -> None:
    folder = TEST_DATA / "files"
    paths = sorted(path for path in (folder / "AWSLogs").rglob("*.json.gz") if "/CloudTrail/" in str(path))
    files = [LogFile(str(path.relative_to(folder)), path.read_bytes(), ()) for path in paths]
    _upload(trail, files)
    trail.apply("Paused")
    probe = Probe(trail, "real")
    probe.apply(interval="2023-07-10T12:00:00Z-2023-07-10T12:20:59Z", shares=1, parallelism=1)
    probe.wait("condition=Complete", timeout=90)
    wanted = [file for file in files if "20230710T1200Z" <= file.key.rsplit("_", 2)[1] <= "20230710T1220Z"]
    records = [record for file in wanted for record in json.loads(gzip.decompress(file.body))["Records"]]
    assert probe.count_delivered() == Counter(record["eventID"] for record in records)
    assert 0 < len(wanted) < len(files)


def test_refused_access_is_named_and_ends_the_backfill(
    operator: LocalCluster, aws: AwsEndpoint, namespace: str
) -> None:
    """With settings of its own, a ServiceAccount of its own, and a role that may not list."""
    trail = create_trail(operator, aws, namespace=namespace, name="trail", storage_name=namespace)
    probe = Probe(trail, "denied")
    iam = aws.client("iam")
    trust = iam.get_role(RoleName=trail.storage.role_arn.rsplit("/", 1)[1])["Role"]["AssumeRolePolicyDocument"]
    text = json.dumps(trust).replace(f"{namespace}:trail-collector", f"{namespace}:denied-backfill")
    iam.update_assume_role_policy(RoleName=trail.storage.role_arn.rsplit("/", 1)[1], PolicyDocument=text)
    _give_generated_policy(trail, Surroundings())
    source = build_inline_source(
        bucket=trail.storage.bucket, region=aws.region, roleArn=trail.storage.role_arn, endpointUrl=aws.url
    )
    probe.apply(sourceRef=None, source=source, interval="2d", shares=1, parallelism=1)
    probe.wait("condition=Failed", timeout=90)
    failed, ready, stalled = (probe.condition(kind) for kind in ("Failed", "Ready", "Stalled"))
    assert (failed["reason"], ready["status"], stalled["status"]) == ("AccessDenied", "False", "True")
    assert "s3:ListBucket" in failed["message"]
    assert f"arn:aws:s3:::{trail.storage.bucket}" in failed["message"]
    wait_until("the error to be in the status", lambda: probe.read()["status"].get("lastError"), timeout=20)
    assert probe.read()["status"]["lastError"]["action"] == "s3:ListBucket"
