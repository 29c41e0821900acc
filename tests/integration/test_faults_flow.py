"""Nothing waits for what it does not need: files in work at once, slow ones beside fast ones, and sinks that hang."""

import gzip
import json
import re
from functools import partial
from pathlib import Path

import pytest

from integration.collector_process import Collector, Start, wait_until
from integration.http_sink import NO_ANSWER, HttpSinkServer, to_sink
from integration.queues import announce, announce_by_hand, build_s3_body, count_messages, ids_of, is_empty, put
from localcluster.aws import AwsEndpoint
from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.faults import Delay, Silence, Trickle, Where
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import generate_log_files


@pytest.mark.parametrize("status", [400, 413, 422, 404, 301])
def test_t3_whatever_a_sink_answers_but_2xx_keeps_the_events(
    status: int, aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    (file,) = generate_log_files(1, seed=100)
    sink.status = status
    put(aws, storage, file)
    collector = start(sinks=[to_sink(sink)])
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be returned")
    assert count_messages(aws, storage.queue_url) == (0, 1)
    events = collector.read_status()["events"]
    assert (events["emitted"], events["failed"]) == (0, len(file.event_ids))
    assert 'sqs_messages_released_total{reason="sink"} 1.0' in collector.get("/metrics")
    check = collector.read_check("SinksAccepting")
    assert (check["status"], check["reason"]) == ("False", "SinkRejected")
    assert str(status) in check["message"]


def test_t24_dedupe_drops_what_was_delivered_before_and_counts_it(
    aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    announce_by_hand(aws, storage)
    first, second = generate_log_files(2, seed=101)
    put(aws, storage, first, second)
    collector = start({"CLOUDTRAIL_WORKERS": "1"}, dedupe={"windowSize": 1000})
    announce(aws, storage, build_s3_body(storage.bucket, first.key))
    wait_until(lambda: is_empty(aws, storage), "the first message to be deleted")
    announce(aws, storage, build_s3_body(storage.bucket, first.key, second.key, first.key))
    wait_until(lambda: is_empty(aws, storage), "the second message to be deleted")
    assert collector.count_events() == ids_of(first, second)
    wait_until(lambda: collector.read_status()["messages"]["deleted"] == 2, "both to be counted")
    events = collector.read_status()["events"]
    assert events["repeated"] == 2 * len(first.event_ids)
    assert events["emitted"] == len(first.event_ids) + len(second.event_ids)


def test_t24_without_dedupe_every_announcement_is_delivered(
    aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    announce_by_hand(aws, storage)
    (file,) = generate_log_files(1, seed=102)
    put(aws, storage, file)
    announce(aws, storage, build_s3_body(storage.bucket, file.key, file.key))
    collector = start()
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    assert collector.count_events() == ids_of(file, file)


def test_t24_what_a_sink_refused_is_no_repetition(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    announce_by_hand(aws, storage)
    (file,) = generate_log_files(1, seed=103)
    put(aws, storage, file)
    answers = iter([500])
    sink.decide = lambda _: next(answers, 200)
    collector = start(sinks=[to_sink(sink, retry={"maxAttempts": 1})], dedupe={"windowSize": 1000})
    announce(aws, storage, build_s3_body(storage.bucket, file.key))
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the refusal")
    announce(aws, storage, build_s3_body(storage.bucket, file.key))
    wait_until(lambda: sink.count_events() == ids_of(file), "the delivery")


def test_t28_no_file_waits_for_another_one_to_fill_a_batch(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    """The sink has each file before the next exists, however little is in it."""
    files = list(generate_log_files(6, seed=104, events_per_file=3))
    start(sinks=[to_sink(sink)])
    for count, file in enumerate(files, start=1):
        put(aws, storage, file)
        expected = ids_of(*files[:count])
        wait_until(partial(sink.has_exactly, expected), "the file to arrive")
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    assert len(sink.accepted) == len(files)


def test_t30_one_file_downloads_while_another_ships_and_a_third_passes(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer, proxy: FaultProxy
) -> None:
    shipping, loading, passing = generate_log_files(3, seed=105)

    def decide(body: bytes) -> int:
        if shipping.event_ids[0].encode() in body:
            sink.hold.wait(60)
        return 200

    sink.decide = decide
    proxy.put("slow", Trickle(100, 0.5), Where(key=loading.key))
    put(aws, storage, shipping, loading)
    start({"CLOUDTRAIL_WORKERS": "3"}, sinks=[to_sink(sink)], endpointUrl=proxy.url)
    wait_until(sink.arrived.is_set, "the first to ship")
    wait_until(
        lambda: loading.key in [e.call.key for e in proxy.read_journal("GetObject")], "the second to be asked for"
    )
    put(aws, storage, passing)
    wait_until(lambda: sink.count_events() == ids_of(passing), "the third")
    (download,) = [e for e in proxy.read_journal("GetObject") if e.call.key == loading.key]
    assert download.answered_at is None, "the download was too quick to prove anything"
    sink.hold.set()
    proxy.rules.clear()
    wait_until(lambda: sink.count_events().keys() >= ids_of(passing, shipping).keys(), "the first")


def test_t31_a_sink_that_hangs_has_a_deadline(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    (file,) = generate_log_files(1, seed=106)
    sink.gate.clear()
    put(aws, storage, file)
    collector = start(sinks=[to_sink(sink, timeoutSeconds=1, retry={"maxAttempts": 1})])
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be given back")
    check = collector.read_check("SinksAccepting")
    assert (check["status"], check["reason"]) == ("False", "SinkUnreachable")
    assert 'sqs_messages_released_total{reason="sink"} 1.0' in collector.get("/metrics")
    assert 'delivery_timeouts_total{sink="siem"} 1.0' in collector.get("/metrics")
    assert collector.read_status()["lastError"]["code"] == "AckTimeout"
    assert count_messages(aws, storage.queue_url) == (0, 1)


def test_t31_a_sink_that_hangs_up_without_an_answer_has_accepted_nothing(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    sink.decide = lambda _: NO_ANSWER
    put(aws, storage, *generate_log_files(1, seed=107))
    collector = start(sinks=[to_sink(sink)])
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be given back")
    assert collector.read_check("SinksAccepting")["reason"] == "SinkUnreachable"
    assert count_messages(aws, storage.queue_url) == (0, 1)


def test_t31_a_bucket_that_never_answers_does_not_keep_the_others_waiting(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    silent, *others = generate_log_files(9, seed=108)
    proxy.put("silence", Silence(), Where(key=silent.key))
    proxy.put("late", Delay(0.2), Where(action="GetObject"))
    put(aws, storage, silent)
    collector = start({"CLOUDTRAIL_WORKERS": "2"}, endpointUrl=proxy.url)
    wait_until(
        lambda: silent.key in [e.call.key for e in proxy.read_journal("GetObject")], "the silent one to be asked for"
    )
    put(aws, storage, *others)
    wait_until(lambda: count_messages(aws, storage.queue_url) == (0, 1), "the others to be deleted")
    assert collector.count_events() == ids_of(*others)


@pytest.mark.parametrize(("is_own", "expected"), [(True, ("False", "ReadsItself")), (False, ("True", "Succeeded"))])
def test_t36_a_trail_that_logs_the_collector_s_own_reads_is_noticed(
    is_own: bool, expected: tuple[str, str], aws: AwsEndpoint, storage: TrailStorage, start: Start
) -> None:
    role = storage.role_arn if is_own else "arn:aws:iam::123456789012:role/somebody-else"
    read = {
        "eventName": "GetObject",
        "userIdentity": {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role}}},
        "requestParameters": {"bucketName": storage.bucket, "key": "k"},
    }
    records = [{"eventID": f"read-{number}", **read} for number in range(8)]
    records += [{"eventID": f"other-{number}", "eventName": "PutObject"} for number in range(8)]
    body = gzip.compress(json.dumps({"Records": records}).encode())
    for file in generate_log_files(10, seed=110):
        aws.client("s3").put_object(Bucket=storage.bucket, Key=file.key, Body=body)
    collector = start(assumeRole={"roleArn": storage.role_arn})
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    check = collector.read_check("NoFeedbackLoop")
    assert (check["status"], check["reason"]) == expected


def read_memory(collector: Collector) -> int:
    """Read the resident size of the process, in KiB."""
    match = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{collector.pid}/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1])


def test_t34_memory_does_not_grow_with_what_was_seen(aws: AwsEndpoint, storage: TrailStorage, start: Start) -> None:
    """Objects with keys of their own: a registry of 1 KB an object would show as 4 MB."""
    announce_by_hand(aws, storage)
    present = next(generate_log_files(1, seed=109)).key
    body = gzip.compress(json.dumps({"Records": [{"eventID": "same"}]}).encode())
    aws.client("s3").put_object(Bucket=storage.bucket, Key=present, Body=body)
    collector = start(objects={"missing": "Drop"}, sinks=[{"name": "nowhere", "discard": {}}])

    def collect(first: int, count: int) -> None:
        for number in range(first, first + count, 100):
            missing = [f"{present.removesuffix('.json.gz')}-{one}.json.gz" for one in range(number, number + 20)]
            digests = [
                f"AWSLogs/111122223333/CloudTrail-Digest/us-east-1/{one}.json.gz" for one in range(number, number + 60)
            ]
            announce(aws, storage, build_s3_body(storage.bucket, *missing, *digests, *[present] * 20))
        wait_until(lambda: is_empty(aws, storage), "an empty queue", 120)

    collect(0, 2000)
    before = read_memory(collector)
    collect(2000, 4000)
    files = collector.read_status()["files"]
    assert (files["read"], files["skipped"]) == (1200, 4800)
    assert read_memory(collector) - before < 3000
