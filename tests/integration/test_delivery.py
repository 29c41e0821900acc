"""From a log file to several sinks: routes, formats, batches, retries, rejected events, event metrics, secrets."""

import gzip
import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from integration.collector_process import Collector, Start, wait_until
from integration.http_sink import HttpSinkServer, to_sink
from integration.queues import count_messages, ids_of, is_empty, put
from localcluster.aws import AwsEndpoint
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import LogFile, generate_log_files

WRITES = [{"field": "readOnly", "equals": ["false"]}]


def read_records(*files: LogFile) -> list[dict[str, Any]]:
    return [record for file in files for record in json.loads(gzip.decompress(file.body))["Records"]]


def test_t24_each_sink_gets_its_events_in_its_format_with_their_places(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    files = list(generate_log_files(6, seed=201))
    records = read_records(*files)
    writes = [record for record in records if record["readOnly"] is False]
    collector = start(
        raw={"metadata": True},
        sinks=[{"name": "all", "stdout": {}}, to_sink(sink, "writes", fieldSelectors=WRITES, format="ECS")],
    )
    put(aws, storage, *files)
    wait_until(lambda: is_empty(aws, storage), "the messages to be deleted")
    assert collector.count_events() == ids_of(*files)
    places = {(line["_source"]["key"], line["_source"]["index"]) for line in map(json.loads, collector.read_lines())}
    assert places == {(file.key, index) for file in files for index in range(len(file.event_ids))}
    documents = [json.loads(line) for line in sink.read_lines()]
    assert Counter(document["event"]["id"] for document in documents) == Counter(record["eventID"] for record in writes)
    assert 0 < len(writes) < len(records)
    assert collector.read_metric('events_emitted_total{sink="all"}') == len(records)
    assert collector.read_metric('events_emitted_total{sink="writes"}') == len(writes)


def test_events_that_no_sink_takes_are_counted_and_their_messages_done(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    files = list(generate_log_files(3, seed=202))
    records = read_records(*files)
    writes = [record for record in records if record["readOnly"] is False]
    collector = start(sinks=[to_sink(sink, "writes", fieldSelectors=WRITES)])
    put(aws, storage, *files)
    wait_until(lambda: is_empty(aws, storage), "the messages to be deleted")
    events = collector.read_status()["events"]
    assert (events["read"], events["emitted"]) == (len(records), len(writes))
    assert events["unrouted"] == len(records) - len(writes)
    assert collector.read_metric("events_unrouted_total") == len(records) - len(writes)


def test_a_slow_sink_does_not_keep_the_others_from_being_fed(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    files = list(generate_log_files(80, seed=203))
    sink.gate.clear()
    put(aws, storage, *files)
    collector = start(sinks=[{"name": "out", "stdout": {}}, to_sink(sink, "slow", timeoutSeconds=120)])
    wait_until(lambda: collector.count_events() == ids_of(*files), "the quick sink to have everything", 40)
    assert sink.accepted == []
    assert collector.read_metric('sink_waiting_events{sink="slow"}') > 0
    assert collector.read_status()["messages"]["deleted"] == 0
    sink.gate.set()
    wait_until(lambda: is_empty(aws, storage), "the messages to be deleted", 40)
    assert sink.count_events() == ids_of(*files)
    assert collector.count_events() == ids_of(*files)


def test_a_sink_that_fails_for_a_moment_costs_no_receive(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    answers = [503, 503]
    sink.decide = lambda _: answers.pop(0) if answers else 200
    (file,) = generate_log_files(1, seed=204)
    put(aws, storage, file)
    collector = start(sinks=[to_sink(sink, "siem")])
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    assert sink.count_events() == ids_of(file)
    assert (sink.refused, collector.read_status()["messages"]["returned"]) == (2, 0)


def test_a_rejected_event_goes_to_the_dead_letter_sink_and_the_others_arrive(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer, dead_letters: HttpSinkServer
) -> None:
    files = list(generate_log_files(4, seed=205))
    bad = files[1].event_ids[2]
    sink.decide = lambda body: 400 if bad.encode() in body else 200
    put(aws, storage, *files)
    collector = start(sinks=[to_sink(sink, "siem")], deadLetterSink=to_sink(dead_letters, "rejects"))
    wait_until(lambda: is_empty(aws, storage), "the messages to be deleted")
    assert sink.count_events() == ids_of(*files) - Counter([bad])
    (letter,) = dead_letters.read_dead_letters()
    assert (letter["reason"], letter["sink"], letter["key"], letter["index"]) == ("rejected", "siem", files[1].key, 2)
    assert json.loads(letter["record"])["eventID"] == bad
    assert collector.read_metric('sink_rejected_events_total{sink="siem"}') == 1
    events = collector.read_status()["events"]
    assert (events["deadLettered"], events["emitted"]) == (1, len(read_records(*files)) - 1)
    assert collector.read_metric('events_emitted_total{sink="siem"}') == events["emitted"]
    assert collector.read_metric('events_emitted_total{sink="rejects"}') == 0


def test_a_rejected_event_holds_its_message_where_nobody_takes_it(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    (file,) = generate_log_files(1, seed=206)
    sink.decide = lambda body: 422 if file.event_ids[0].encode() in body else 200
    put(aws, storage, file)
    collector = start(sinks=[to_sink(sink, "siem")])
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be given back")
    (log,) = collector.read_logs("object failed")
    assert "it rejects 1 events, and no deadLetterSink takes them; the first: 422" in log["error"]
    error = collector.read_status()["lastError"]
    assert (error["code"], error["resource"]) == ("EventRejected", "siem")
    assert count_messages(aws, storage.queue_url) == (0, 1)


def test_events_of_many_files_travel_together_and_leave_when_the_process_ends(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    files = list(generate_log_files(12, seed=207))
    collector = start(sinks=[to_sink(sink, "siem", batch={"maxSeconds": 600})])
    put(aws, storage, *files)
    total = len(read_records(*files))
    wait_until(lambda: collector.read_metric('sink_waiting_events{sink="siem"}') == total, "all events to wait")
    assert sink.accepted == []
    collector.signal(signal.SIGTERM)
    assert collector.wait() == 0
    assert sink.count_events() == ids_of(*files)
    assert len(sink.accepted) == 1
    assert is_empty(aws, storage)


def test_batches_keep_the_bounds_that_a_sink_is_given(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    files = list(generate_log_files(5, seed=208))
    put(aws, storage, *files)
    start(sinks=[to_sink(sink, "siem", batch={"maxEvents": 7})])
    wait_until(lambda: is_empty(aws, storage), "the messages to be deleted")
    assert sink.count_events() == ids_of(*files)
    assert max(body.count(b"\n") for body in sink.accepted) <= 7


def test_event_metrics_count_what_filters_drop_and_once_what_is_delivered(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    files = list(generate_log_files(5, seed=209))
    records = read_records(*files)
    wanted = Counter(record["awsRegion"] for record in records if record["readOnly"] is True)
    answers = [503]
    sink.decide = lambda _: answers.pop(0) if answers else 200
    put(aws, storage, *files)
    collector = start(
        filters=[{"name": "noise", "action": "Drop", "fieldSelectors": [{"field": "readOnly", "equals": ["true"]}]}],
        metrics=[
            {"name": "reads", "fieldSelectors": [{"field": "readOnly", "equals": ["true"]}], "labels": ["Region"]},
            {"name": "cis", "preset": "cis-aws-foundations"},
        ],
        sinks=[to_sink(sink, "siem")],
    )
    wait_until(lambda: is_empty(aws, storage), "the messages to be deleted")
    empty = 'account_id="",error_code="",event_name="",event_source="",identity_type=""'
    for region, count in wanted.items():
        series = f'event_matches_total{{{empty},region="{region}",rule="reads"}}'
        assert collector.read_metric(series) == count
    assert collector.read_metric(f'event_matches_total{{{empty},region="",rule="cis/root-use"}}') >= 0


def test_a_hash_needs_its_key_and_nothing_leaves_without(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, tmp_path: Path
) -> None:
    (file,) = generate_log_files(1, seed=210)
    put(aws, storage, file)
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "hmac").write_text("0123456789abcdef0123456789abcdef\n")
    key = {"secretKeyRef": {"name": "masks", "key": "hmac"}}
    collector = start(
        {"CLOUDTRAIL_SECRETS_DIRECTORY": str(tmp_path)},
        mask=[{"name": "id", "field": "requestID", "hash": {"key": key}}],
    )
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    (hidden,) = {len(json.loads(line)["requestID"]) for line in collector.read_lines()}
    assert hidden == 32
    wrong = Collector(tmp_path / "collector-0", collector_spec(collector, "other"), {})
    wrong.launch()
    assert wrong.wait() == 2
    assert "Secret other has no key hmac" in wrong.stderr.read_text()


def collector_spec(collector: Collector, secret: str) -> dict[str, Any]:
    """The configuration of a collector, with another Secret for the key."""
    spec: dict[str, Any] = json.loads(collector.config.read_text())
    spec["mask"][0]["hash"]["key"]["secretKeyRef"]["name"] = secret
    return spec


def test_a_sink_that_has_accepted_a_file_does_not_get_it_again_because_another_has_not(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, sink: HttpSinkServer
) -> None:
    (file,) = generate_log_files(1, seed=211)
    sink.status = 503
    put(aws, storage, file)
    retry = {"maxAttempts": 1}
    collector = start(sinks=[{"name": "out", "stdout": {}}, to_sink(sink, "siem", retry=retry)])
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be given back")
    sink.status = 200
    wait_until(lambda: is_empty(aws, storage), "the message to be received and deleted", 60)
    assert sink.count_events() == collector.count_events() == ids_of(file)
