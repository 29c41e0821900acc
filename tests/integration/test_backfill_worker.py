"""A backfill's worker as a process against a stand-in for S3: what it delivers, notes, asks for, and how it ends."""

import gzip
import itertools
import json
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from integration.backfill_process import BackfillWorker, StartBackfill
from integration.collector_process import Start, wait_until
from integration.http_sink import HttpSinkServer, to_sink
from integration.queues import ids_of, put
from localcluster.aws import AwsEndpoint
from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.faults import AwsFailure, Reset, Where
from localcluster.aws.provision import TrailStorage
from localcluster.corpus import LogFile, generate_log_files

ACCOUNTS = ("111122223333", "444455556666")
SINCE, UNTIL = "2026-01-02T00:00:00Z", "2026-01-04T23:59:59Z"
STEP = 1000


@pytest.fixture
def backfill(aws: AwsEndpoint, storage: TrailStorage, tmp_path: Path) -> Iterator[StartBackfill]:
    """Start workers; `changes` go into the task, `pipeline` into its pipeline. Each share has a file for its progress."""
    started: list[BackfillWorker] = []

    def start_one(*, share: int = 0, pipeline: dict[str, Any] | None = None, **changes: Any) -> BackfillWorker:
        environment = changes.pop("environment", {})
        spec = {
            "bucket": storage.bucket,
            "region": aws.region,
            "endpointUrl": aws.url,
            "sinks": [{"name": "out", "stdout": {}}],
        }
        task = {"pipeline": spec | (pipeline or {}), "since": SINCE, "until": UNTIL, "progressName": "test"} | changes
        directory = tmp_path / f"worker-{len(started)}"
        directory.mkdir()
        worker = BackfillWorker(directory, task, tmp_path / f"progress-{share}.json", environment, share)
        started.append(worker)
        worker.start()
        return worker

    yield start_one
    for worker in started:
        worker.kill()


def make_files(count: int, day: int, account: str = ACCOUNTS[0], **options: Any) -> list[LogFile]:
    """Make log files that were delivered at noon of a day in January 2026."""
    end = datetime(2026, 1, day, 12, tzinfo=UTC)
    return list(generate_log_files(count, seed=100 * day + int(account[0]), account=account, end=end, **options))


def make_small_files(count: int, day: int) -> list[LogFile]:
    """Make log files of one event each, in one folder, whose keys sort otherwise than their times."""
    files = []
    for number in range(count):
        event = f"00000000-0000-4000-8000-{day:02}{number:010}"
        record = {"eventID": event, "eventTime": f"2026-01-{day:02}T10:00:00Z", "eventName": "Test"}
        minute = (number * 7) % 1440
        name = (
            f"{ACCOUNTS[0]}_CloudTrail_us-east-1_202601{day:02}T{minute // 60:02}{minute % 60:02}Z_{number:06}.json.gz"
        )
        key = f"AWSLogs/{ACCOUNTS[0]}/CloudTrail/us-east-1/2026/01/{day:02}/{name}"
        files.append(LogFile(key, gzip.compress(json.dumps({"Records": [record]}).encode(), 1), (event,)))
    return files


def put_all(aws: AwsEndpoint, storage: TrailStorage, files: list[LogFile]) -> None:
    s3 = aws.client("s3")
    s3.put_bucket_notification_configuration(Bucket=storage.bucket, NotificationConfiguration={})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda file: s3.put_object(Bucket=storage.bucket, Key=file.key, Body=file.body), files))


def test_exactly_the_interval_is_delivered_and_the_bucket_is_only_read(
    aws: AwsEndpoint, storage: TrailStorage, backfill: StartBackfill, proxy: FaultProxy
) -> None:
    """T-17: nothing but listings and reads; no day outside of the interval is listed."""
    wanted = [file for day in (2, 4) for account in ACCOUNTS for file in make_files(5, day, account)]
    other = [file for day in (1, 5, 9) for account in ACCOUNTS for file in make_files(2, day, account)]
    digest = LogFile(wanted[0].key.replace("CloudTrail", "CloudTrail-Digest"), b"{}", ())
    put_all(aws, storage, [*wanted, *other, digest])
    drop = {"name": "reads", "action": "Drop", "fieldSelectors": [{"field": "readOnly", "equals": ["true"]}]}
    workers = [
        backfill(share=share, shares=2, pipeline={"endpointUrl": proxy.url, "filters": [drop]}) for share in (0, 1)
    ]
    assert [worker.finish() for worker in workers] == [0, 0]
    progress = [worker.read_progress() for worker in workers]
    delivered = sum((worker.count_events() for worker in workers), Counter[str]())
    assert set(delivered) <= set(ids_of(*wanted))
    assert set(delivered.values()) == {1}
    assert sum(one.events.read for one in progress) == ids_of(*wanted).total()
    assert sum(one.events.filtered for one in progress) > 0
    assert sum(one.events.emitted for one in progress) == delivered.total()
    assert sum(one.objects.read for one in progress) == len(wanted) == sum(one.objects.listed for one in progress)
    assert sum(one.bytes for one in progress) == sum(len(file.body) for file in wanted)
    assert all(one.finished and not one.error and one.units_done == one.units_planned for one in progress)
    # For the sake of midnight the days around are looked at, too: five of them, of two accounts and two regions.
    folders = {file.key.rpartition("/")[0] for file in wanted}
    assert sum(one.units_planned for one in progress) == 20
    assert sum(one.units_empty for one in progress) == 20 - len(folders)
    journal = proxy.read_journal()
    actions = {exchange.call.action.split("?")[0] for exchange in journal}
    assert actions == {"GET ", "GetObject"}
    listed = [exchange.call.action for exchange in journal if exchange.call.action.startswith("GET ?")]
    days = {match[1] for action in listed if (match := re.search("2026%2F01%2F([0-9]{2})", action))}
    assert days == {"01", "02", "03", "04", "05"}
    requests = sum((Counter(one.requests) for one in progress), Counter[str]())
    assert requests == {"s3:ListBucket": len(listed), "s3:GetObject": len(wanted)}


def test_a_worker_says_how_it_is_while_it_works(
    aws: AwsEndpoint, storage: TrailStorage, backfill: StartBackfill, sink: HttpSinkServer
) -> None:
    put_all(aws, storage, make_files(3, 3))
    sink.gate.clear()
    worker = backfill(pipeline={"sinks": [to_sink(sink)]})
    wait_until(sink.arrived.is_set, "events to be on their way")
    worker.wait_ready()
    status = worker.read_status()
    assert (status["state"], status["files"]["read"]) == ("Backfilling", 0)
    assert worker.get("/healthz") == "ok\n"
    assert worker.read_metric("events_received_total") > 0
    sink.gate.set()
    assert worker.finish() == 0


def test_a_worker_that_is_killed_again_and_again_loses_nothing_and_repeats_a_page_at_most(
    aws: AwsEndpoint, storage: TrailStorage, backfill: StartBackfill, sink: HttpSinkServer
) -> None:
    """T-16: more keys than a page of S3, in an order that is not that of time."""
    files = [*make_small_files(STEP + 100, 2), *make_small_files(300, 3), *make_files(10, 4)]
    put_all(aws, storage, files)
    pipeline = {"sinks": [to_sink(sink, batch={"maxEvents": 100})]}
    for target in (300, 1100):
        worker = backfill(pipeline=pipeline)
        wait_until(lambda: len(sink.read_lines()) >= target, f"{target} events", 60)  # noqa: B023
        worker.kill()
    last = backfill(pipeline=pipeline)
    assert last.finish() == 0
    delivered = sink.count_events()
    assert set(delivered) == set(ids_of(*files))
    assert delivered.total() - len(delivered) <= 2 * STEP
    progress = last.read_progress()
    assert progress.objects.read == progress.objects.listed == len(files)
    assert progress.events.emitted == len(delivered), "what was delivered and not noted is counted once"


def test_sigterm_ends_a_worker_in_time_and_another_goes_on(
    aws: AwsEndpoint, storage: TrailStorage, backfill: StartBackfill, sink: HttpSinkServer
) -> None:
    files = [*make_small_files(STEP, 2), *make_small_files(50, 3)]
    put_all(aws, storage, files)

    def hold_after_a_page(_: bytes) -> int:
        if len(sink.read_lines()) >= STEP:
            sink.hold.wait(20)
        return 200

    sink.decide = hold_after_a_page
    pipeline = {"sinks": [to_sink(sink, batch={"maxEvents": 100})]}
    worker = backfill(pipeline=pipeline, environment={"CLOUDTRAIL_DRAIN_SECONDS": "4"})
    wait_until(lambda: worker.progress_file.exists() and worker.read_progress().objects.read == STEP, "a page", 30)
    worker.signal(signal.SIGTERM)
    began = time.monotonic()
    assert worker.wait(10) == 143
    assert time.monotonic() - began < 8
    assert not worker.read_progress().finished
    assert worker.read_progress().objects.read == STEP
    sink.hold.set()
    sink.decide = lambda _: 200
    assert backfill(pipeline=pipeline).finish() == 0
    assert set(sink.count_events()) == set(ids_of(*files))


def test_transient_failures_are_waited_out(
    aws: AwsEndpoint, storage: TrailStorage, backfill: StartBackfill, proxy: FaultProxy, sink: HttpSinkServer
) -> None:
    files = [file for day in (2, 3, 4) for file in make_files(6, day)]
    put_all(aws, storage, files)
    proxy.put("listing", AwsFailure(503, "SlowDown"), Where(action="GET ?*"), times=1)
    proxy.put("reset", Reset(), Where(action="GET ?*"), times=1)
    proxy.put("object", AwsFailure(500, "InternalError"), Where(action="GetObject"), each=2, chance=0.3)
    answers = itertools.chain([503, 503, 503, 503], itertools.repeat(200))
    sink.decide = lambda _: next(answers)
    pipeline = {"endpointUrl": proxy.url, "sinks": [to_sink(sink, retry={"maxAttempts": 2, "maxDelaySeconds": 1})]}
    worker = backfill(pipeline=pipeline)
    assert worker.finish() == 0
    assert set(sink.count_events()) == set(ids_of(*files))
    progress = worker.read_progress()
    assert (progress.objects.read, progress.error) == (len(files), None)


@pytest.mark.parametrize("action", ["GET ?*", "GetObject"])
def test_a_refusal_ends_the_worker_with_action_and_arn(
    aws: AwsEndpoint, storage: TrailStorage, backfill: StartBackfill, proxy: FaultProxy, action: str
) -> None:
    put_all(aws, storage, make_files(3, 2))
    proxy.put("denied", AwsFailure(403, "AccessDenied", "not for you"), Where(action=action))
    worker = backfill(pipeline={"endpointUrl": proxy.url})
    assert worker.finish() == 3
    message = worker.message.read_text()
    named = "s3:ListBucket" if action.startswith("GET ") else "s3:GetObject"
    assert f"{named} on arn:aws:s3:::{storage.bucket}" in message
    assert "AccessDenied: not for you" in message
    progress = worker.read_progress()
    assert progress.failed
    assert progress.error is not None
    assert (progress.error.action, progress.error.code) == (named, "AccessDenied")
    assert progress.error.resource.startswith(f"arn:aws:s3:::{storage.bucket}")
    proxy.rules.clear()
    again = backfill(pipeline={"endpointUrl": proxy.url})
    assert again.finish() == 0, "once the right is given, it goes on"
    assert not again.read_progress().failed


def test_an_unreadable_file_is_counted_and_does_not_hold_the_others_up(
    aws: AwsEndpoint, storage: TrailStorage, backfill: StartBackfill
) -> None:
    good = make_files(3, 2)
    broken = LogFile(good[0].key.replace("T1200Z_", "T1201Z_"), b"\x1f\x8bgarbage", ())
    put_all(aws, storage, [*good, broken])
    worker = backfill()
    assert worker.finish() == 0
    assert worker.count_events() == ids_of(*good)
    objects = worker.read_progress().objects
    assert (objects.listed, objects.read, objects.failed) == (4, 3, 1)


def test_the_older_of_two_workers_of_a_share_stops(
    aws: AwsEndpoint, storage: TrailStorage, backfill: StartBackfill, sink: HttpSinkServer
) -> None:
    files = make_files(4, 2)
    put_all(aws, storage, files)
    sink.gate.clear()
    old = backfill(pipeline={"sinks": [to_sink(sink)]})
    wait_until(sink.arrived.is_set, "the first one to deliver")
    new = backfill(pipeline={"sinks": [to_sink(sink)]})
    held = old.read_progress().holder
    wait_until(lambda: new.read_progress().holder != held, "the second one to take over")
    sink.gate.set()
    assert (new.finish(), old.finish()) == (0, 4)
    assert set(sink.count_events()) == set(ids_of(*files))
    progress = new.read_progress()
    assert (progress.objects.read, progress.finished) == (4, True)
    assert "is now worked on by pod-of-a-test/" in old.message.read_text()


def test_an_interval_that_ends_now_has_no_gap_beside_live_collection(
    aws: AwsEndpoint, storage: TrailStorage, backfill: StartBackfill, start: Start
) -> None:
    """T-16: log files that come while it is listed, some of them late and before others that are done."""
    late = timedelta(seconds=6)
    begin = datetime.now(UTC)
    metadata = {"raw": {"metadata": True}}
    before = list(generate_log_files(5, seed=1, end=begin - timedelta(minutes=2)))
    put(aws, storage, *before)
    live = start(**metadata)
    until = datetime.now(UTC)
    worker = backfill(
        since=(begin - timedelta(hours=1)).isoformat(),
        until=until.isoformat(),
        lateSeconds=int(late.total_seconds()),
        pipeline=metadata,
    )
    wait_until(worker.read_lines, "the backfill to deliver what was there", 30)
    during = list(generate_log_files(5, seed=2, end=until - timedelta(minutes=1)))
    # Its time is earlier, so that its key comes before those that are done.
    early = list(generate_log_files(3, seed=3, end=begin - timedelta(minutes=30)))
    after = list(generate_log_files(4, seed=4, end=until + timedelta(minutes=2)))
    put(aws, storage, *during, *early, *after)
    assert worker.finish(90) == 0
    progress = worker.read_progress()
    assert progress.position.number >= 1, "it has listed again"
    filled = worker.count_events()
    assert filled == ids_of(*before, *during, *early), "of the interval, each once"
    arrived = ids_of(*before, *during, *early, *after)
    wait_until(lambda: live.count_events() == arrived, "live collection to deliver what came")
    both = {json.loads(line)["eventID"]: line for line in worker.read_lines()}
    repeated = [line for line in live.read_lines() if json.loads(line)["eventID"] in both]
    assert len(repeated) == filled.total()
    assert all(both[json.loads(line)["eventID"]] == line for line in repeated), "event, file and position are the same"


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"since": "2027-01-01T00:00:00Z"}, "since: must not be later than until"),
        ({"pipeline": {"sinks": []}}, "pipeline.sinks: a backfill needs at least one sink"),
        ({"shares": 2, "share": 5}, "share '5': must be a whole number below 2"),
        ({"environment": {"CLOUDTRAIL_WORKERS": "many"}}, "CLOUDTRAIL_WORKERS: must be a whole number"),
    ],
)
def test_wrong_use_is_explained(backfill: StartBackfill, task: dict[str, Any], words: str) -> None:
    worker = backfill(**task)
    assert worker.finish() == 2
    assert words in worker.stderr.read_text()
    assert words in worker.message.read_text()


def test_events_that_a_sink_will_never_take_end_the_worker_where_nobody_else_takes_them(
    aws: AwsEndpoint, storage: TrailStorage, backfill: StartBackfill, sink: HttpSinkServer, dead_letters: HttpSinkServer
) -> None:
    files = make_files(2, 2)
    put_all(aws, storage, files)
    refused = files[0].event_ids[0].encode()
    sink.decide = lambda body: 400 if refused in body else 200
    once = {"maxAttempts": 1, "maxDelaySeconds": 1}
    pipeline: dict[str, Any] = {"sinks": [to_sink(sink, batch={"maxEvents": 1}, retry=once)]}
    alone = backfill(pipeline=pipeline)
    assert alone.finish() == 3
    assert "no deadLetterSink takes them" in alone.message.read_text()
    told = backfill(pipeline=pipeline | {"deadLetterSink": to_sink(dead_letters, "dead")})
    assert told.finish() == 0
    progress = told.read_progress()
    assert (progress.events.dead_lettered, progress.objects.read) == (1, 2)
    assert len(dead_letters.read_dead_letters()) == 1
