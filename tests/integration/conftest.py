"""The collector as a process against a stand-in for AWS over HTTP, and a sink that a test commands."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.collector_process import Collector, Start
from integration.http_sink import HttpSinkServer
from integration.strict_account import Account
from localcluster.aws import AwsEndpoint, running_aws
from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.provision import TrailStorage, create_trail_storage
from support.secret_folder import SecretFolder

_names = itertools.count(1)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach the stand-ins directly, whatever proxy the machine has."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def secrets(tmp_path: Path) -> SecretFolder:
    """Secrets as they are mounted; there is none yet."""
    return SecretFolder(tmp_path / "secrets")


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    with running_aws("moto", tmp_path_factory.mktemp("aws")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def strict_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEndpoint]:
    """Enforces IAM."""
    with running_aws("ministack", tmp_path_factory.mktemp("strict-aws"), enforce_iam=True) as endpoint:
        yield endpoint


@pytest.fixture
def account(strict_aws: AwsEndpoint, tmp_path: Path) -> Iterator[Account]:
    """An account of `strict_aws` to set up; collectors that run in it end with the test."""
    account = Account(strict_aws, tmp_path, f"setup-{next(_names)}", [])
    yield account
    for collector in account.started:
        collector.kill()


@pytest.fixture
def storage(aws: AwsEndpoint) -> TrailStorage:
    """A trail whose queue is empty: S3's test event, sent when notifications are set up, is gone."""
    storage = create_trail_storage(aws, f"trail-{next(_names)}", visibility_timeout_seconds=30)
    aws.client("sqs").purge_queue(QueueUrl=storage.queue_url)
    return storage


@pytest.fixture
def sink() -> Iterator[HttpSinkServer]:
    with HttpSinkServer() as server:
        yield server


@pytest.fixture
def dead_letters() -> Iterator[HttpSinkServer]:
    with HttpSinkServer() as server:
        yield server


@pytest.fixture
def proxy(aws: AwsEndpoint) -> Iterator[FaultProxy]:
    """The stand-in as a collector sees it with `endpointUrl=proxy.url`; tests themselves go past it."""
    with FaultProxy(aws.url) as running:
        yield running


@pytest.fixture
def start(aws: AwsEndpoint, storage: TrailStorage, tmp_path: Path) -> Iterator[Start]:
    """Start collectors of the test's own trail; `changes` go into the configuration, None removes a field."""
    started: list[Collector] = []

    def start_one(environment: dict[str, str] | None = None, **changes: Any) -> Collector:
        spec = {
            "mode": "Active",
            "bucket": storage.bucket,
            "queueArn": storage.queue_arn,
            "region": aws.region,
            "endpointUrl": aws.url,
            "sinks": [{"name": "out", "stdout": {}}],
        } | changes
        directory = tmp_path / f"collector-{len(started)}"
        directory.mkdir()
        kept = {name: value for name, value in spec.items() if value is not None}
        collector = Collector(directory, kept, environment or {})
        started.append(collector)
        collector.start()
        return collector

    yield start_one
    for collector in started:
        collector.kill()
