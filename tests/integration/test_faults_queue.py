"""What a collector asks of its queue, in which order, and what it does when SQS fails or refuses."""

import itertools
import json
import signal
import time
from typing import Any

from integration.collector_process import Start, wait_until
from integration.http_sink import HttpSinkServer, to_sink
from integration.queues import (
    announce,
    announce_by_hand,
    build_s3_body,
    count_messages,
    ids_of,
    is_empty,
    put,
    set_visibility_timeout,
)
from localcluster.aws import AwsEndpoint
from localcluster.aws.fault_proxy import Exchange, FaultProxy
from localcluster.aws.faults import AwsFailure, FailedEntries, LostAnswer, Reset, Where
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import generate_log_files


def list_deleted_receipts(exchange: Exchange) -> list[str]:
    """List the receipts that a delete was asked for, single or in a batch."""
    arguments = exchange.call.arguments
    return [entry["ReceiptHandle"] for entry in arguments.get("Entries", [arguments])]


def read_received(proxy: FaultProxy) -> dict[str, dict[str, Any]]:
    """Read what was received, by receipt."""
    answers = [json.loads(exchange.answer or b"{}") for exchange in proxy.read_journal("ReceiveMessage")]
    return {message["ReceiptHandle"]: message for answer in answers for message in answer.get("Messages", ())}


def test_t2_every_delete_comes_after_the_sink_has_acknowledged_all_that_the_message_announced(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer, proxy: FaultProxy
) -> None:
    announce_by_hand(aws, storage)
    files = list(generate_log_files(24, seed=81))
    put(aws, storage, *files)
    for number in range(0, len(files), 3):
        announce(aws, storage, build_s3_body(storage.bucket, *(file.key for file in files[number : number + 3])))
    start(sinks=[to_sink(sink)], endpointUrl=proxy.url)
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    accepted_at = {json.loads(line)["eventID"]: entry.at for entry in sink.journal for line in entry.body.splitlines()}
    by_key = {file.key: file for file in files}
    received = read_received(proxy)
    receipts = [
        (exchange, r) for exchange in proxy.read_journal("DeleteMessage*") for r in list_deleted_receipts(exchange)
    ]
    assert len(receipts) == len(files) / 3
    for exchange, receipt in receipts:
        keys = [record["s3"]["object"]["key"] for record in json.loads(received[receipt]["Body"])["Records"]]
        events = [event for key in keys for event in by_key[key].event_ids]
        assert max(accepted_at[event] for event in events) <= exchange.asked_at


def test_t10_a_message_that_failed_ever_so_often_is_not_deleted(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer, proxy: FaultProxy
) -> None:
    aws.client("sqs").set_queue_attributes(QueueUrl=storage.queue_url, Attributes={"RedrivePolicy": ""})
    (file,) = generate_log_files(1, seed=82)
    put(aws, storage, file)
    _receive_and_return(aws, storage, times=12)
    sink.status = 400
    collector = start(sinks=[to_sink(sink)], endpointUrl=proxy.url)
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be returned")
    assert proxy.count("DeleteMessage*") == 0
    assert count_messages(aws, storage.queue_url) == (0, 1)
    queue = collector.read_status()["queue"]
    assert (queue["deadLetterQueueArn"], queue["maxReceiveCount"]) == (None, None)
    check = collector.read_check("TestModeSafe")
    assert (check["status"], check["reason"]) == ("False", "NoDeadLetterQueue")


def _receive_and_return(aws: AwsEndpoint, storage: TrailStorage, times: int) -> None:
    """Make a message look as if it had failed before."""
    sqs = aws.client("sqs")
    for _ in range(times):
        (message,) = sqs.receive_message(QueueUrl=storage.queue_url, WaitTimeSeconds=2)["Messages"]
        receipt = message["ReceiptHandle"]
        sqs.change_message_visibility(QueueUrl=storage.queue_url, ReceiptHandle=receipt, VisibilityTimeout=0)


def test_t11_only_what_sqs_says_is_deleted_counts_as_deleted_and_nothing_is_moved(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer, proxy: FaultProxy
) -> None:
    set_visibility_timeout(aws, storage, 4)
    proxy.put("refuse", FailedEntries("InternalError", sender_fault=False), Where(action="DeleteMessageBatch"), times=3)
    files = list(generate_log_files(12, seed=83))
    put(aws, storage, *files)
    collector = start(sinks=[to_sink(sink)], endpointUrl=proxy.url)
    wait_until(lambda: is_empty(aws, storage), "an empty queue", 40)
    assert proxy.rules.count_strikes() == {"refuse": 3}
    answers = [json.loads(exchange.answer) for exchange in proxy.read_journal("DeleteMessageBatch")]
    deleted = sum(len(answer.get("Successful", ())) for answer in answers)
    assert deleted == len(files)
    wait_until(lambda: collector.read_status()["messages"]["deleted"] == len(files), "the last delete to be counted")
    assert sink.count_events().keys() == ids_of(*files).keys()
    assert proxy.count("SendMessage*") == proxy.count("*MoveTask") == 0


def test_a_delete_that_fails_as_a_whole_is_made_good(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer, proxy: FaultProxy
) -> None:
    set_visibility_timeout(aws, storage, 4)
    proxy.put("reset", Reset(), Where(action="DeleteMessage*"), times=4)
    proxy.put("lost", LostAnswer(), Where(action="DeleteMessage*"), times=2)
    files = list(generate_log_files(6, seed=84))
    put(aws, storage, *files)
    collector = start(sinks=[to_sink(sink)], endpointUrl=proxy.url)
    wait_until(lambda: is_empty(aws, storage), "an empty queue", 40)
    assert sink.count_events().keys() == ids_of(*files).keys()
    assert collector.get("/healthz") == "ok\n"


def test_t19_a_message_is_deleted_when_it_is_done_whatever_its_neighbours_do(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer, proxy: FaultProxy
) -> None:
    files = list(generate_log_files(10, seed=85))
    slow = files[4].event_ids[0].encode()

    def decide(body: bytes) -> int:
        if slow in body:
            sink.hold.wait(60)
        return 200

    sink.decide = decide
    put(aws, storage, *files)
    # Each event by itself, so that none waits for having been put into one batch with the slow one.
    collector = start(sinks=[to_sink(sink, batch={"maxEvents": 1})], endpointUrl=proxy.url)
    wait_until(lambda: count_messages(aws, storage.queue_url) == (0, 1), "nine messages to be deleted")
    batches = [len(answer.get("Messages", ())) for answer in _read_answers(proxy, "ReceiveMessage")]
    assert max(batches) > 1, "the slow message came alone"
    assert sink.count_events() == ids_of(*files[:4], *files[5:])
    sink.hold.set()
    wait_until(lambda: is_empty(aws, storage), "the slow one")
    wait_until(lambda: collector.read_status()["messages"]["deleted"] == 10, "all ten to be counted")


def _read_answers(proxy: FaultProxy, action: str) -> list[dict[str, Any]]:
    return [json.loads(exchange.answer or b"{}") for exchange in proxy.read_journal(action)]


def test_t20_the_queue_s_own_visibility_timeout_holds_when_none_is_set(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer, proxy: FaultProxy
) -> None:
    set_visibility_timeout(aws, storage, 3)
    sink.gate.clear()
    put(aws, storage, *generate_log_files(1, seed=86))
    start(sinks=[to_sink(sink)], endpointUrl=proxy.url)
    wait_until(lambda: proxy.count("ChangeMessageVisibility*") >= 2, "two extensions")
    assert {"VisibilityTimeout" in call.arguments for call in _list_calls(proxy, "ReceiveMessage")} == {False}
    assert _list_extensions(proxy) == {3}


def test_t20_a_visibility_timeout_that_is_set_holds_from_the_receive_on(
    storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    start(endpointUrl=proxy.url, visibilityTimeoutSeconds=45)
    wait_until(lambda: proxy.count("ReceiveMessage") >= 1, "a receive")
    assert {call.arguments["VisibilityTimeout"] for call in _list_calls(proxy, "ReceiveMessage")} == {45}


def _list_calls(proxy: FaultProxy, action: str) -> list[Any]:
    return [exchange.call for exchange in proxy.read_journal(action)]


def _list_extensions(proxy: FaultProxy) -> set[int]:
    calls = _list_calls(proxy, "ChangeMessageVisibility*")
    entries = [entry for call in calls for entry in call.arguments.get("Entries", [call.arguments])]
    return {entry["VisibilityTimeout"] for entry in entries}


def test_t22_a_receipt_that_is_no_longer_valid_is_neither_extended_nor_fatal(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer, proxy: FaultProxy
) -> None:
    set_visibility_timeout(aws, storage, 3)
    invalid = FailedEntries("ReceiptHandleIsInvalid", sender_fault=True, count=None)
    proxy.put("extend", invalid, Where(action="ChangeMessageVisibilityBatch"))
    proxy.put("delete", invalid, Where(action="DeleteMessageBatch"))
    refused = AwsFailure(404, "ReceiptHandleIsInvalid")
    proxy.put("delete one", refused, Where(action="DeleteMessage"))
    sink.gate.clear()
    first, second = generate_log_files(2, seed=87)
    put(aws, storage, first)
    collector = start({"CLOUDTRAIL_WORKERS": "1"}, sinks=[to_sink(sink)], endpointUrl=proxy.url)
    wait_until(lambda: proxy.count("ChangeMessageVisibilityBatch") == 1, "an extension")
    received = collector.read_status()["messages"]["received"]
    # The lease is lost: SQS hands the message out again, and that receipt is a new claim which is refused in its turn.
    wait_until(lambda: collector.read_status()["messages"]["received"] >= received + 2, "two more receives", 30)
    extended = [
        entry["ReceiptHandle"]
        for call in _list_calls(proxy, "ChangeMessageVisibilityBatch")
        for entry in call.arguments["Entries"]
    ]
    assert len(extended) == len(set(extended)), "a receipt was extended again after it had been refused"
    sink.gate.set()
    wait_until(lambda: collector.read_metric("sqs_messages_lost_total") >= 1, "the delete to be refused")
    assert collector.read_status()["messages"]["deleted"] == 0
    proxy.rules.clear()
    put(aws, storage, second)
    wait_until(lambda: is_empty(aws, storage), "both messages to be deleted", 40)
    assert sink.count_events().keys() == ids_of(first, second).keys()
    assert collector.get("/healthz") == "ok\n"


def test_t23_a_message_that_has_failed_often_waits_long(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer, proxy: FaultProxy
) -> None:
    put(aws, storage, *generate_log_files(1, seed=88))
    _receive_and_return(aws, storage, times=3)
    sink.status = 503
    collector = start(sinks=[to_sink(sink)], endpointUrl=proxy.url)
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be returned")
    (delay,) = _list_extensions(proxy)
    assert 180 <= delay <= 240  # the fourth failure: 30 s x 2^3, the last quarter jittered


def test_t32_a_queue_that_cannot_be_received_from_is_asked_less_and_less(
    storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    proxy.put("deny", AwsFailure(403, "AccessDeniedException", "no policy allows it"), Where(action="ReceiveMessage"))
    collector = start(endpointUrl=proxy.url)
    wait_until(lambda: proxy.count("ReceiveMessage") == 3, "the third refusal")
    check = collector.read_check("QueueReachable")
    assert (check["status"], check["reason"]) == ("False", "AccessDenied")
    asked = [exchange.asked_at for exchange in proxy.read_journal("ReceiveMessage")]
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert pauses == sorted(pauses)
    assert pauses[0] > 0.8
    proxy.rules.clear()
    wait_until(lambda: collector.read_check("QueueReachable")["status"] == "True", "the queue to be reachable", 30)


def test_t35_over_limit_stops_receiving_but_not_deleting(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer, proxy: FaultProxy
) -> None:
    files = list(generate_log_files(6, seed=89))
    sink.gate.clear()
    put(aws, storage, *files)
    collector = start(sinks=[to_sink(sink)], endpointUrl=proxy.url)
    wait_until(lambda: collector.read_status()["messages"]["inFlight"] == 6, "all messages to be received")
    proxy.put("limit", AwsFailure(403, "OverLimit", "too many messages in flight"), Where(action="ReceiveMessage"))
    wait_until(lambda: collector.read_check("QueueReachable")["status"] == "False", "the limit to be seen")
    assert collector.read_check("QueueReachable")["reason"] == "Throttled"
    sink.gate.set()
    wait_until(lambda: is_empty(aws, storage), "the deletes")
    assert collector.read_metric('aws_api_errors_total{code="OverLimit",operation="ReceiveMessage",service="sqs"}') >= 1
    assert sink.count_events() == ids_of(*files)
    proxy.rules.clear()
    (another,) = generate_log_files(1, seed=90)
    put(aws, storage, another)
    wait_until(lambda: sink.count_events() == ids_of(*files, another), "receiving to go on", 40)


def test_t15_a_rolling_update_under_load_loses_nothing(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    files = list(generate_log_files(90, seed=91))

    def decide(_: bytes) -> int:
        time.sleep(0.05)  # a sink that is some way off, so that there is always something in work
        return 200

    sink.decide = decide
    put(aws, storage, *files)
    running = start(sinks=[to_sink(sink)])
    for share in (20, 50):
        wait_until(lambda share=share: len(sink.journal) >= share, f"{share} files")  # type: ignore[misc]
        fresh = start(sinks=[to_sink(sink)])
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        running = fresh
    wait_until(lambda: is_empty(aws, storage), "an empty queue", 40)
    assert sink.count_events() == ids_of(*files)
