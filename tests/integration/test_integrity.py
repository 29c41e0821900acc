"""A running collector and digest files: what is proven, what is found, and what Enforce keeps back."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from integration.collector_process import Collector, Start, wait_until
from integration.http_sink import HttpSinkServer, to_sink
from integration.http_stand_in import HttpStandIn, Received, Reply
from integration.queues import count_messages, is_empty
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage
from support.digest_chain import REGION, DigestChain, build_integrity, make_key

MODES = ["Report", "Enforce"]
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def chain(storage: TrailStorage) -> DigestChain:
    return DigestChain(bucket=storage.bucket)


@pytest.fixture
def store(aws: AwsEndpoint, chain: DigestChain) -> Callable[..., None]:
    """Puts what the trail has written, or some of it, as CloudTrail does: each object is announced."""
    return partial(chain.upload, aws.client("s3"))


def read_report(collector: Collector) -> dict[str, Any]:
    figures: dict[str, Any] = collector.read_status()["integrity"]
    return figures


def list_events(chain: DigestChain, *keys: str) -> set[str]:
    return {record["eventID"] for key in keys for record in chain.read(key)["Records"]}


def list_found(*collectors: Collector) -> set[tuple[str, str]]:
    """List findings with the names of objects, as they stand in the log."""
    lines = (json.loads(line) for one in collectors for line in one.stderr.read_text().splitlines())
    return {(line["finding"], line["key"].rpartition("/")[2]) for line in lines if "finding" in line}


def name_of(key: str) -> str:
    return key.rpartition("/")[2]


def count_found(collector: Collector, finding: str) -> float:
    return collector.read_metric(f'integrity_findings_total{{finding="{finding}"}}')


@pytest.mark.parametrize("mode", MODES)
def test_t46_what_was_done_to_a_trail_is_found_and_named(
    mode: str,
    storage: TrailStorage,
    chain: DigestChain,
    store: Callable[..., None],
    start: Start,
    dead_letters: HttpSinkServer,
) -> None:
    """T-46: an altered and a missing log file, two digest files that are gone, one that was signed with another key."""
    chain.add_hours(10)
    logs = [chain.logs[number : number + 2] for number in range(0, 20, 2)]
    altered, missing = logs[2][0], logs[3][0]
    chain.alter(altered, json.dumps({"Records": [{"eventVersion": "1.11", "eventID": "forged"}]}).encode())
    chain.forge(chain.digests[8], make_key("thief"))
    chain.delete(missing, chain.digests[5], chain.digests[6])
    store()
    collector = start(integrity=build_integrity(mode), deadLetterSink=to_sink(dead_letters, "rejects"))

    def has_checked_all() -> bool:
        return (
            sum(
                collector.read_metric(f'integrity_digests_total{{result="{word}"}}')
                for word in ("trusted", "untrusted")
            )
            >= 8
        )

    wait_until(has_checked_all, "all digest files to be checked", 60)
    expected = {
        ("log_altered", name_of(altered)),
        ("log_missing", name_of(missing)),
        ("digest_missing", name_of(chain.digests[6])),
        ("digests_missing", name_of(chain.digests[7])),
        ("digest_altered", name_of(chain.digests[8])),
        ("digest_resigned", name_of(chain.digests[8])),
        ("log_unverifiable", name_of(chain.digests[8])),
        ("chain_started", name_of(chain.digests[0])),
    }
    withheld = [*logs[5], *logs[6], *logs[8]]
    if mode == "Enforce":
        wait_until(lambda: count_found(collector, "log_not_covered") >= 6, "the log files without proof", 60)
        expected |= {("log_not_covered", name_of(key)) for key in withheld}
    assert list_found(collector) == expected
    report = read_report(collector)
    assert (report["verified"], report["altered"], report["missing"], report["unverifiable"]) == (12, 1, 1, 2)
    assert report["mode"] == mode
    assert report["problem"]["reason"] == "IntegrityBroken"
    proven = set(chain.logs) - {altered, missing} - (set(withheld) if mode == "Enforce" else set())
    events = list_events(chain, *proven) | (set() if mode == "Enforce" else {"forged"})
    wait_until(lambda: len(collector.count_events()) >= len(events), "the events to be delivered")
    assert set(collector.count_events()) == events
    if mode == "Enforce":
        wait_until(dead_letters.read_lines, "the dead letter")
        (letter,) = dead_letters.read_dead_letters()
        assert (letter["reason"], letter["key"]) == ("altered", altered)
        assert "CloudTrail signed" in letter["error"]


def test_enforced_log_files_wait_for_their_digest_file(
    aws: AwsEndpoint, storage: TrailStorage, chain: DigestChain, store: Callable[..., None], start: Start
) -> None:
    """They are received once, though the queue's visibility timeout is short, and leave when the digest file has come."""
    logs = [chain.add_log(NOW - timedelta(minutes=20)) for _ in range(3)]
    store(*logs)
    collector = start(integrity=build_integrity("Enforce"))
    wait_until(lambda: collector.read_metric("integrity_waiting_messages") == 3, "the messages to wait")
    assert read_report(collector)["waiting"] == 3
    assert read_report(collector)["unconfirmedSince"] is not None
    assert collector.read_lines() == []
    assert count_messages(aws, storage.queue_url) == (0, 3)
    store(chain.add_hour(NOW - timedelta(minutes=5), logs=0, named=logs))
    wait_until(lambda: is_empty(aws, storage), "the messages to be done")
    assert collector.count_events() == Counter(list_events(chain, *logs))
    assert collector.read_metric("sqs_messages_received_total") == 4
    assert collector.read_metric("integrity_waiting_messages") == 0
    assert list_found(collector) == {("chain_started", name_of(chain.digests[0]))}


def test_what_waits_is_given_back_at_once_and_goes_on_elsewhere(
    aws: AwsEndpoint, storage: TrailStorage, chain: DigestChain, store: Callable[..., None], start: Start
) -> None:
    logs = [chain.add_log(NOW - timedelta(minutes=20)) for _ in range(3)]
    store(*logs)
    first = start(integrity=build_integrity("Enforce"))
    wait_until(lambda: first.read_metric("integrity_waiting_messages") == 3, "the messages to wait")
    assert first.stop() == 0
    assert count_messages(aws, storage.queue_url) == (3, 0)
    store(chain.add_hour(NOW - timedelta(minutes=5), logs=0, named=logs))
    second = start(integrity=build_integrity("Enforce"))
    wait_until(lambda: is_empty(aws, storage), "the messages to be done")
    assert first.read_lines() == []
    assert second.count_events() == Counter(list_events(chain, *logs))


def test_replicas_need_not_have_read_what_they_verify(
    aws: AwsEndpoint, storage: TrailStorage, chain: DigestChain, store: Callable[..., None], start: Start
) -> None:
    """One gets the log files and is gone before the digest files come: these go to the other, which reads them again."""
    chain.add_hours(3)
    store(*chain.logs)
    reader = start(integrity=build_integrity("Report"))
    wait_until(lambda: is_empty(aws, storage), "the log files to be delivered")
    reader.stop()
    verifier = start(integrity=build_integrity("Report"))
    store(*chain.digests)
    wait_until(lambda: is_empty(aws, storage), "the digest files to be checked")
    assert reader.count_events() == Counter(list_events(chain, *chain.logs))
    assert read_report(verifier)["verified"] == 6
    assert verifier.read_lines() == []


def test_replicas_find_digest_files_that_another_was_told_of(
    aws: AwsEndpoint, storage: TrailStorage, chain: DigestChain, store: Callable[..., None], start: Start
) -> None:
    logs = [chain.add_log(NOW - timedelta(minutes=20)) for _ in range(30)]
    collectors = [start({"CLOUDTRAIL_LOOK_SECONDS": "1"}, integrity=build_integrity("Enforce")) for _ in range(2)]
    store(*logs)

    def count_waiting() -> float:
        return sum(one.read_metric("integrity_waiting_messages") for one in collectors)

    wait_until(lambda: count_waiting() == 30, "the messages to wait")
    store(chain.add_hour(NOW - timedelta(minutes=5), logs=0, named=logs))
    wait_until(lambda: is_empty(aws, storage), "the messages to be done", 40)
    assert sum((one.count_events() for one in collectors), Counter()) == Counter(list_events(chain, *logs))
    assert sum(read_report(one)["verified"] for one in collectors) == 30


def test_what_was_read_counts_and_not_what_lies_there_later(
    aws: AwsEndpoint, storage: TrailStorage, chain: DigestChain, store: Callable[..., None], start: Start
) -> None:
    """Somebody alters a log file before it is read, and puts the right one back before the digest file comes."""
    chain.add_hours(1)
    right = chain.objects[chain.logs[0]]
    chain.alter(chain.logs[0])
    collector = start(integrity=build_integrity("Report"))
    store(*chain.logs)
    wait_until(lambda: collector.read_metric('files_processed_total{outcome="read",reason=""}') == 2, "the log files")
    chain.objects[chain.logs[0]] = right
    store()
    wait_until(lambda: is_empty(aws, storage), "everything to be done")
    assert ("log_altered", name_of(chain.logs[0])) in list_found(collector)
    report = read_report(collector)
    assert (report["verified"], report["altered"]) == (1, 1)


@pytest.fixture
def cloudtrail() -> Iterator[tuple["KeyServer", str]]:
    server = KeyServer()
    with HttpStandIn(server.decide) as running:
        yield server, running.url


class KeyServer:
    """Answers ListPublicKeys with our key, unless it is denied."""

    def __init__(self) -> None:
        self.denied = False
        self.asked = itertools.count()
        self.regions: list[str] = []

    def decide(self, received: Received) -> Reply:
        if self.denied:
            return Reply(400, b'{"__type": "AccessDeniedException", "message": "not allowed"}')
        self.regions.append(received.headers["Authorization"].split("/")[2])
        body = json.dumps({"PublicKeyList": [make_key().describe()]}).encode()
        return Reply(200, body, {"Content-Type": "application/x-amz-json-1.1"})


def test_public_keys_are_asked_for_once(
    aws: AwsEndpoint,
    storage: TrailStorage,
    chain: DigestChain,
    store: Callable[..., None],
    start: Start,
    cloudtrail: tuple[KeyServer, str],
) -> None:
    """While they may not be read, digest files stay in the queue, and the report says what is denied."""
    server, url = cloudtrail
    server.denied = True
    chain.add_hours(3)
    store(*chain.logs, chain.digests[0])
    collector = start(integrity={"mode": "Report"}, endpoints={"cloudtrail": url})
    wait_until(lambda: read_report(collector)["failure"], "the failure to be reported")
    failure = read_report(collector)["failure"]
    assert failure["reason"] == "AccessDenied"
    assert "cloudtrail:ListPublicKeys" in failure["message"]
    assert sum(count_messages(aws, storage.queue_url)) >= 1
    server.denied = False
    store(*chain.digests[1:])
    wait_until(lambda: read_report(collector)["verified"] >= 4, "the other digest files to be checked")
    assert read_report(collector)["failure"] is None
    assert server.regions == [REGION]


def test_a_public_key_that_is_not_known_leaves_things_open(
    aws: AwsEndpoint, storage: TrailStorage, chain: DigestChain, store: Callable[..., None], start: Start
) -> None:
    chain.add_hours(1)
    store()
    collector = start(integrity=build_integrity("Report", make_key("another")))
    wait_until(lambda: is_empty(aws, storage), "everything to be done")
    report = read_report(collector)
    assert report["unverifiable"] == 2
    assert report["problem"]["reason"] == "Unverifiable"
    assert {kind for kind, _ in list_found(collector)} >= {"public_key_unknown", "log_unverifiable"}


def test_digest_files_that_are_not_selected_are_passed_over(
    aws: AwsEndpoint, storage: TrailStorage, chain: DigestChain, store: Callable[..., None], start: Start
) -> None:
    chain.add_hours(1)
    store()
    collector = start(integrity=build_integrity("Report"), objects={"regions": ["eu-west-1"]})
    wait_until(lambda: is_empty(aws, storage), "everything to be done")
    assert collector.read_metric('files_processed_total{outcome="skipped",reason="digest"}') == 1
    assert read_report(collector)["lastDigestAt"] is None


def test_without_integrity_digest_files_are_skipped(
    aws: AwsEndpoint, storage: TrailStorage, chain: DigestChain, store: Callable[..., None], start: Start
) -> None:
    chain.add_hours(1)
    store()
    collector = start()
    wait_until(lambda: is_empty(aws, storage), "everything to be done")
    assert collector.read_status()["integrity"] is None
    assert "integrity_" not in "".join(line for line in collector.get("/metrics").splitlines() if "{" in line)
    assert not math.isnan(collector.read_metric("integrity_waiting_messages"))


def test_a_key_that_is_none_ends_the_start(tmp_path: Any, storage: TrailStorage, aws: AwsEndpoint) -> None:
    spec = {
        "mode": "Active", "bucket": storage.bucket, "queueArn": storage.queue_arn, "region": aws.region,
        "endpointUrl": aws.url, "sinks": [{"name": "out", "stdout": {}}],
        "integrity": {"mode": "Report", "publicKeys": [{"fingerprint": "0" * 32, "value": "A" * 120}]},
    }  # fmt: skip
    collector = Collector(tmp_path, spec, {})
    collector.launch()
    assert collector.wait() == 2
    assert "integrity.publicKeys" in collector.stderr.read_text()
