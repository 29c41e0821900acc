"""Objects that cannot be had, cannot be read, or are too large: what becomes of them and of their neighbours."""

import gzip
import itertools
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.collector_process import Collector, Start, wait_until
from integration.http_sink import HttpSinkServer, to_sink
from integration.queues import announce, announce_by_hand, build_s3_body, count_messages, ids_of, is_empty, put
from localcluster.aws import AwsEndpoint
from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.faults import AwsFailure, Corrupt, Cut, Fault, LostAnswer, Reset, Where
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import generate_log_files

MEBIBYTE = 1024 * 1024
KEY = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/01/111122223333_CloudTrail_us-east-1_20260101T0000Z_{}.json.gz"


def build_file(*records: bytes) -> bytes:
    return gzip.compress(b'{"Records":[' + b",".join(records) + b"]}")


def read_peak_memory(collector: Collector) -> int:
    """Read the largest resident size of the process so far, in bytes."""
    status = Path(f"/proc/{collector.pid}/status").read_text()
    match = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert match is not None
    return int(match[1]) * 1024


def test_t4_a_missing_object_goes_to_the_dead_letter_sink_when_the_policy_says_so(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, dead_letters: HttpSinkServer
) -> None:
    announce_by_hand(aws, storage)
    first, missing, third = generate_log_files(3, seed=71)
    put(aws, storage, first, third)
    announce(aws, storage, build_s3_body(storage.bucket, first.key, missing.key, third.key))
    collector = start(objects={"missing": "DeadLetter"}, deadLetterSink=to_sink(dead_letters, "dead"))
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    assert collector.count_events() == Counter(first.event_ids + third.event_ids)
    (letter,) = dead_letters.read_dead_letters()
    assert (letter["reason"], letter["bucket"], letter["key"]) == ("missing", storage.bucket, missing.key)
    assert "NoSuchKey" in letter["error"]
    assert "record" not in letter
    assert "index" not in letter


def _build_mixed_faults(proxy: FaultProxy) -> Iterator[tuple[str, bytes | None]]:
    """Make kinds of object errors, again and again: a name for the key, and the body or None for no object."""
    log = build_file(b'{"eventID":"never"}')
    proxy.put("403", AwsFailure(403, "AccessDenied"), Where(action="GetObject", key="*denied*"))
    proxy.put("kms", AwsFailure(403, "AccessDenied", "not allowed: kms:Decrypt"), Where(key="*kms*"))
    proxy.put("500", AwsFailure(500, "InternalError"), Where(action="GetObject", key="*internal*"))
    proxy.put("503", AwsFailure(503, "SlowDown"), Where(action="GetObject", key="*slow-down*"))
    kinds: dict[str, bytes | None] = {
        "denied": log,
        "kms": log,
        "internal": log,
        "slow-down": log,
        "missing": None,
        "truncated": log[:-9],
        "not-gzip": b"\x1f\x8bgarbage",
        "not-json": gzip.compress(b"good morning"),
        "wrong-root": gzip.compress(b'{"configurationItems":[]}'),
        "not-utf-8": gzip.compress(b'{"Records":"\xff"}'),
    }
    return itertools.cycle(kinds.items())


def test_t12_after_a_hundred_objects_that_fail_in_every_way_the_next_one_arrives(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    announce_by_hand(aws, storage)
    s3 = aws.client("s3")
    for number, (name, body) in zip(range(100), _build_mixed_faults(proxy), strict=False):
        key = KEY.format(f"{name}-{number}")
        if body is not None:
            s3.put_object(Bucket=storage.bucket, Key=key, Body=body)
        announce(aws, storage, build_s3_body(storage.bucket, key))
    collector = start(endpointUrl=proxy.url)
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 100, "a hundred failures", 120)
    assert collector.read_lines() == []
    (file,) = generate_log_files(1, seed=72)
    put(aws, storage, file)
    announce(aws, storage, build_s3_body(storage.bucket, file.key))
    wait_until(lambda: collector.count_events() == ids_of(file), "the good object")
    wait_until(lambda: collector.read_status()["messages"]["deleted"] == 1, "its message to be deleted")
    assert collector.get("/healthz") == "ok\n"
    assert sum(count_messages(aws, storage.queue_url)) == 100


NASTY_RECORDS = [
    b'{"eventID":"braces","x":"} ] { [ \\" \\\\ \\u0000 \\ud83d\\ude00 ,"}',
    b'{"eventID":"numbers","a":9007199254740993,"b":-1e400,"c":1.10,"d":12345678901234567890123456789}',
    b'{"eventID":"unknown","vpcEndpointId":"vpce-1","edgeDeviceDetails":{"a":[{}]},"addendum":{"reason":"x"},"new":null}',
    b'{ "eventID" : "space",\t"eventTime" : "not a time" , "userIdentity" : null }',
    b'{"eventID":"surrogate","userAgent":"\\ud800"}',
    b'{"eventID":"twice","eventID":"twice"}',
    b'{"eventID":"deep","requestParameters":' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}",
    *(b'{"eventID":"v%d","eventVersion":"1.%02d","eventTime":"2026-01-01T00:00:00Z"}' % (n, n) for n in range(12)),
    '{"eventID":"text","x":"\u2028\u2029é日本"}'.encode(),
]


def test_t13_records_leave_as_they_came(aws: AwsEndpoint, storage: TrailStorage, start: Start) -> None:
    body = build_file(*NASTY_RECORDS)
    aws.client("s3").put_object(Bucket=storage.bucket, Key=KEY.format("nasty"), Body=body)
    collector = start()
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    assert collector.read_lines() == NASTY_RECORDS
    assert collector.read_status()["events"]["failed"] == 0


BROKEN_RECORD = b'{"eventID":"2","n":01}'


@pytest.mark.parametrize("has_sink", [True, False], ids=["dead-letter sink", "no dead-letter sink"])
def test_t14_an_undecodable_record_costs_one_record(
    has_sink: bool, aws: AwsEndpoint, storage: TrailStorage, start: Start, dead_letters: HttpSinkServer
) -> None:
    records = [b'{"eventID":"1"}', BROKEN_RECORD, b'{"eventID":"3"}']
    key = KEY.format("one-bad")
    aws.client("s3").put_object(Bucket=storage.bucket, Key=key, Body=build_file(*records))
    collector = start(deadLetterSink=to_sink(dead_letters, "dead") if has_sink else None)
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    lines = collector.read_lines()
    letters = dead_letters.read_lines() if has_sink else [line for line in lines if line not in records]
    assert [line for line in lines if line not in letters] == [records[0], records[2]]
    (letter,) = (json.loads(line) for line in letters)
    about = letter["deadLetter"]
    assert {name: about[name] for name in ("reason", "bucket", "key", "index")} == {
        "reason": "undecodable",
        "bucket": storage.bucket,
        "key": key,
        "index": 1,
    }
    assert letter["record"].encode() == BROKEN_RECORD
    events = collector.read_status()["events"]
    assert (events["read"], events["emitted"], events["deadLettered"]) == (3, 2, 1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (build_file(b" " * 2 * MEBIBYTE), "too_large"),
        (build_file(b'{"eventID":"1"}')[:-9], "corrupt"),
        (build_file(b'{"eventID":"1"}')[:-4] + b"\0\0\0\0", "corrupt"),
        (gzip.compress(b'{"Records":[{"eventID":"1"}'), "not_a_log_file"),
        (gzip.compress(b'{"journalStatus":"none"}'), "not_a_log_file"),
        (gzip.compress(b"good morning"), "not_a_log_file"),
    ],
    ids=["too large", "cut off", "wrong length", "unfinished", "another root", "not JSON"],
)
def test_a_file_that_cannot_be_read_goes_to_the_dead_letter_sink_as_a_whole(
    body: bytes, reason: str, aws: AwsEndpoint, storage: TrailStorage, start: Start, dead_letters: HttpSinkServer
) -> None:
    key = KEY.format("bad")
    aws.client("s3").put_object(Bucket=storage.bucket, Key=key, Body=body)
    collector = start(objects={"maxUncompressedBytes": MEBIBYTE}, deadLetterSink=to_sink(dead_letters, "dead"))
    wait_until(lambda: is_empty(aws, storage), "the message to be deleted")
    (letter,) = dead_letters.read_dead_letters()
    assert (letter["reason"], letter["bucket"], letter["key"]) == (reason, storage.bucket, key)
    assert letter["error"]
    assert letter["messageId"]
    assert collector.read_lines() == []
    status = collector.read_status()
    assert (status["files"]["deadLettered"], status["messages"]["deleted"]) == (1, 1)


def test_a_dead_letter_sink_that_fails_keeps_the_message(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, dead_letters: HttpSinkServer
) -> None:
    dead_letters.status = 503
    aws.client("s3").put_object(Bucket=storage.bucket, Key=KEY.format("bad"), Body=b"no gzip")
    collector = start(deadLetterSink=to_sink(dead_letters, "dead"))
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be returned")
    assert count_messages(aws, storage.queue_url) == (0, 1)
    check = collector.read_check("SinksAccepting")
    assert (check["status"], check["reason"]) == ("False", "SinkRejected")


@pytest.mark.parametrize("fault", [Cut(0.6), Reset(), LostAnswer()], ids=["cut", "reset", "lost answer"])
def test_a_read_that_breaks_once_is_made_good_at_once(
    fault: Fault, aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    proxy.put("break", fault, Where(action="GetObject", key_regex=r"json\.gz$"), each=1)
    files = list(generate_log_files(4, seed=73))
    put(aws, storage, *files)
    collector = start(endpointUrl=proxy.url)
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    assert proxy.rules.count_strikes() == {"break": 4}
    assert collector.count_events() == ids_of(*files)
    assert collector.read_status()["messages"]["returned"] == 0


def test_damage_on_the_way_is_never_delivered(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    """gzip's checksum tells, so that half a file leaves the collector as little as a wrong one."""
    proxy.put("damage", Corrupt(0.7), Where(action="GetObject", key_regex=r"json\.gz$"))
    (file,) = generate_log_files(1, seed=74, events_per_file=200)
    put(aws, storage, file)
    collector = start(endpointUrl=proxy.url)
    wait_until(lambda: collector.read_status()["messages"]["returned"] == 1, "the message to be returned")
    assert collector.read_lines() == []
    assert count_messages(aws, storage.queue_url) == (0, 1)


def build_members(first: bytes, repeated: bytes, times: int, last: bytes) -> bytes:
    """Build a gzip file of members, which is one: the middle is compressed once and stands there `times` times."""
    return gzip.compress(first) + gzip.compress(repeated, 9) * times + gzip.compress(last)


def test_t33_a_huge_file_and_a_bomb_fit_into_little_memory(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, dead_letters: HttpSinkServer
) -> None:
    record = b'{"eventID":"%032d","requestParameters":{"a":"' + b"x" * 1500 + b'"}}'
    window = b"".join(record % number + b"," for number in range(6500))
    times = 500 * MEBIBYTE // len(window) + 1
    huge = build_members(b'{"Records":[', window, times, b'{"eventID":"last"}]}')
    bomb = build_members(b'{"Records":[', b" " * 16 * MEBIBYTE, 100, b"]}")
    assert len(bomb) < 100 * 16 * MEBIBYTE / 900
    for name, body in (("huge", huge), ("bomb", bomb)):
        aws.client("s3").put_object(Bucket=storage.bucket, Key=KEY.format(name), Body=body)
    sinks = [{"name": "nowhere", "discard": {}}]
    collector = start(sinks=sinks, deadLetterSink=to_sink(dead_letters, "dead"))
    wait_until(lambda: is_empty(aws, storage), "an empty queue", timeout=120)
    (letter,) = dead_letters.read_dead_letters()
    assert (letter["reason"], letter["key"]) == ("too_large", KEY.format("bomb"))
    assert collector.read_status()["events"]["emitted"] == 6500 * times + 1
    assert read_peak_memory(collector) < 400 * MEBIBYTE


def test_t33_a_huge_file_that_is_damaged_at_its_end_is_not_delivered_in_part(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, dead_letters: HttpSinkServer
) -> None:
    window = b'{"eventID":"1"},' * 100_000
    whole = build_members(b'{"Records":[', window, 30, b'{"eventID":"last"}]}')
    aws.client("s3").put_object(Bucket=storage.bucket, Key=KEY.format("huge"), Body=whole[:-6])
    collector = start(deadLetterSink=to_sink(dead_letters, "dead"))
    wait_until(lambda: is_empty(aws, storage), "an empty queue", timeout=60)
    assert [letter["reason"] for letter in dead_letters.read_dead_letters()] == ["corrupt"]
    assert collector.read_lines() == []


def test_t41_a_bucket_in_another_region_is_asked_there(
    aws: AwsEndpoint, storage: TrailStorage, start: Start, proxy: FaultProxy
) -> None:
    elsewhere = AwsFailure(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-central-1"})
    # Whoever signs for the queue's region is sent away, as S3 does.
    proxy.put("moved", elsewhere, Where(service="s3", signed_for=aws.region))
    files = list(generate_log_files(3, seed=75))
    put(aws, storage, *files)
    collector = start(endpointUrl=proxy.url)
    wait_until(lambda: is_empty(aws, storage), "an empty queue")
    assert collector.count_events() == ids_of(*files)
    assert collector.read_check("BucketReadable")["status"] == "True"
    reads = [exchange for exchange in proxy.read_journal("GetObject") if exchange.status == 200]
    assert {exchange.call.signed_for for exchange in reads} == {"eu-central-1"}


def test_the_bytes_of_a_bad_gzip_end_are_what_the_tests_believe() -> None:
    whole = build_file(b'{"eventID":"1"}')
    assert int.from_bytes(whole[-4:], "little") == len(zlib.decompress(whole, 31))
