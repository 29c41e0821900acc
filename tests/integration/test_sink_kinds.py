"""One source with a sink of every kind at once, each kind as the dead-letter sink, and Secrets that come late."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudtrail_spec.sinks import SinkTarget
from integration.collector_process import Start, wait_until
from integration.http_sink import HttpSinkServer, to_sink
from integration.queues import ids_of, is_empty, put
from integration.sink_outlets import KINDS, Outlets
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import LogFile, generate_log_files
from support.secret_folder import SecretFolder

WITH_SECRETS = ("http", "splunkHec", "elasticsearch", "otlpHttp")
BROKEN = b'{"eventID":"broken","eventName":Nothing}'


@pytest.fixture
def outlets(aws: AwsEndpoint, secrets: SecretFolder, tmp_path: Path) -> Iterator[Outlets]:
    with Outlets(aws, secrets, tmp_path) as opened:
        yield opened


def spoil(file: LogFile) -> LogFile:
    """Put a record that is no JSON behind the first one."""
    first, *others = [json.dumps(record).encode() for record in json.loads(gzip.decompress(file.body))["Records"]]
    body = gzip.compress(b'{"Records":[' + b",".join([first, BROKEN, *others]) + b"]}")
    return LogFile(file.key, body, file.event_ids)


def test_no_kind_is_forgotten() -> None:
    kinds = {field.alias or name for name, field in SinkTarget.model_fields.items()}
    assert kinds - {"name", "batch", "retry", "timeoutSeconds"} == {"stdout", "discard", *KINDS}


def test_a_sink_of_every_kind_gets_every_event_once(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, outlets: Outlets
) -> None:
    files = list(generate_log_files(12, seed=401))
    opened = {kind: outlets.open(kind) for kind in KINDS}
    collector = start(
        {"CLOUDTRAIL_SECRETS_DIRECTORY": str(outlets.secrets.directory)},
        sinks=[
            {"name": "out", "stdout": {}},
            {"name": "nowhere", "discard": {}},
            *(outlet.build_spec(kind.lower()) for kind, outlet in opened.items()),
        ],
    )
    put(aws, storage, *files)
    wait_until(lambda: is_empty(aws, storage), "the messages to be deleted", 40)
    assert collector.count_events() == ids_of(*files)
    total = ids_of(*files).total()
    for kind, outlet in opened.items():
        assert Counter(event["eventID"] for event in outlet.read(total)) == ids_of(*files), kind
        # A store that goes by ids hides what comes twice; this count does not.
        assert collector.read_metric(f'events_emitted_total{{sink="{kind.lower()}"}}') == total, kind
    status = collector.read_status()
    assert (status["messages"]["deleted"], status["messages"]["returned"]) == (len(files), 0)
    assert collector.read_check("SinksAccepting")["status"] == "True"
    assert collector.stop() == 0


def test_what_all_kinds_have_accepted_does_not_come_again_because_one_sink_has_failed(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, outlets: Outlets, sink: HttpSinkServer
) -> None:
    """And where no sink is for dead letters, all get them."""
    file = spoil(*generate_log_files(1, seed=405))
    sink.status = 503
    opened = {kind: outlets.open(kind) for kind in KINDS}
    collector = start(
        {"CLOUDTRAIL_SECRETS_DIRECTORY": str(outlets.secrets.directory)},
        sinks=[
            to_sink(sink, retry={"maxAttempts": 1}),
            *(outlet.build_spec(kind.lower()) for kind, outlet in opened.items()),
        ],
    )
    put(aws, storage, file)
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be given back")
    sink.status = 200
    wait_until(lambda: is_empty(aws, storage), "the message to be received again and deleted", 60)
    total = len(file.event_ids) + 1
    for kind, outlet in opened.items():
        arrived = outlet.read(total)
        events = Counter(one["eventID"] for one in arrived if "deadLetter" not in one)
        assert events == ids_of(file), kind
        assert [one["record"].encode() for one in arrived if "deadLetter" in one] == [BROKEN], kind
        assert collector.read_metric(f'events_emitted_total{{sink="{kind.lower()}"}}') == len(file.event_ids), kind


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_takes_dead_letters(
    kind: str,
    aws: AwsEndpoint,
    storage: TrailStorage,
    start: Start,
    outlets: Outlets,
    sink: HttpSinkServer,
) -> None:
    file = spoil(*generate_log_files(1, seed=402))
    refused = file.event_ids[3]
    sink.decide = lambda body: 400 if refused.encode() in body else 200
    outlet = outlets.open(kind)
    collector = start(
        {"CLOUDTRAIL_SECRETS_DIRECTORY": str(outlets.secrets.directory)},
        sinks=[to_sink(sink)],
        deadLetterSink=outlet.build_spec("rejects"),
    )
    put(aws, storage, file)
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    assert sink.count_events() == ids_of(file) - Counter([refused])
    letters = {letter["deadLetter"]["reason"]: letter for letter in outlet.read(2)}
    assert len(outlet.read(2)) == len(letters) == 2
    broken, rejected = letters["undecodable"], letters["rejected"]
    assert broken["record"].encode() == BROKEN
    assert json.loads(rejected["record"])["eventID"] == refused
    about = [(letter["deadLetter"]["key"], letter["deadLetter"]["index"]) for letter in (broken, rejected)]
    assert about == [(file.key, 1), (file.key, 4)]
    assert rejected["deadLetter"]["sink"] == "siem"
    assert collector.read_status()["messages"]["returned"] == 0


@pytest.mark.parametrize("kind", WITH_SECRETS)
def test_a_secret_that_comes_late_is_named_and_then_used(
    kind: str, aws: AwsEndpoint, storage: TrailStorage, start: Start, outlets: Outlets
) -> None:
    (file,) = generate_log_files(1, seed=403)
    outlet = outlets.open(kind, with_secrets=False)
    collector = start(
        {"CLOUDTRAIL_SECRETS_DIRECTORY": str(outlets.secrets.directory)},
        sinks=[outlet.build_spec("store", retry={"maxAttempts": 100, "maxDelaySeconds": 1})],
    )
    put(aws, storage, file)
    wait_until(lambda: collector.read_check("SinksAccepting")["status"] == "False", "the missing Secret to be noticed")
    check = collector.read_check("SinksAccepting")
    ((name, key, _),) = outlet.secrets
    assert check["reason"] == "SinkMisconfigured"
    assert check["message"] == f"Sink store: Secret {name} has no key {key}, or does not exist."
    assert not is_empty(aws, storage)
    outlets.write_secrets(outlet)
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    assert Counter(event["eventID"] for event in outlet.read(len(file.event_ids))) == ids_of(file)
    assert collector.read_check("SinksAccepting")["status"] == "True"


def test_a_kafka_login_without_its_secret_names_it(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, outlets: Outlets
) -> None:
    password = {"secretKeyRef": {"name": "kafka", "key": "password"}}
    spec = outlets.open("kafka").build_spec("bus")
    spec["kafka"]["sasl"] = {"mechanism": "PLAIN", "username": "collector", "password": password}
    collector = start({"CLOUDTRAIL_SECRETS_DIRECTORY": str(outlets.secrets.directory)}, sinks=[spec])
    put(aws, storage, *generate_log_files(1, seed=404))
    wait_until(lambda: collector.read_check("SinksAccepting")["status"] == "False", "the missing Secret to be noticed")
    check = collector.read_check("SinksAccepting")
    assert (check["reason"], "Secret kafka has no key password" in check["message"]) == ("SinkMisconfigured", True)
