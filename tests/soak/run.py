"""Runs a soak: AWS's stand-in, the fault proxy, sinks, collectors that are killed, and a feeder; then the verdict."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration.queues import announce_by_hand, count_messages
from localcluster.aws import AwsEndpoint, AwsKind, running_aws
from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.faults import QuickReturns
from localcluster.aws.provision import TrailStorage, create_trail_storage
from soak.crew import Crew
from soak.plan import MAX_UNCOMPRESSED_BYTES, Announcement, Buckets, Kind, build_plan, iterate_items
from soak.sinks import SINK_TIMEOUT_SECONDS, RememberingSink, read_dead_letter, read_event_id
from soak.verdict import VISIBILITY_SECONDS, Evidence, count_receives, count_unexplained_receives, judge
from soak.weather import put_aws_faults

RETURNS = QuickReturns(longer_than=VISIBILITY_SECONDS, seconds=1)
# Of the good events; after that nobody is killed any more, so that the end is quiet.
DISTURBED_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Options:
    """How large a soak is. `max_receive_count`: so often may a file meet a fault, and so long do bad messages go round."""

    files: int
    seed: int
    aws: AwsKind = "ministack"
    replicas: int = 2
    disturb_seconds: float = 5.0
    max_receive_count: int = 16
    timeout_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it: figures by name, in the order in which they are shown, and every finding."""

    figures: dict[str, Any]
    findings: list[str]


@dataclass(frozen=True, slots=True)
class _Site:
    options: Options
    aws: AwsEndpoint
    storage: TrailStorage
    proxy: FaultProxy
    events: RememberingSink
    letters: RememberingSink
    plan: Sequence[Announcement]


def run_soak(options: Options, directory: Path) -> Report:
    """Run a soak; its logs stay in `directory`."""
    since = time.monotonic()
    with _running_site(options, directory) as site:
        crew = Crew(directory, _build_spec(site), options.replicas, options.seed)
        try:
            fault = _watch(site, crew)
            crew.stop()
        finally:
            crew.kill()
        evidence = _gather(site, crew)
        findings = [*fault, *crew.bad_ends, *crew.read_tracebacks(), *judge(site.plan, evidence)]
        return Report(_build_figures(site, crew, evidence, time.monotonic() - since), findings)


@contextmanager
def _running_site(options: Options, directory: Path) -> Iterator[_Site]:
    with ExitStack() as stack:
        aws = stack.enter_context(running_aws(options.aws, directory / "aws"))
        storage = create_trail_storage(
            aws, "soak", visibility_timeout_seconds=VISIBILITY_SECONDS, max_receive_count=options.max_receive_count
        )
        announce_by_hand(aws, storage)
        aws.client("sqs").purge_queue(QueueUrl=storage.queue_url)
        buckets = Buckets(storage.bucket, "somebody-elses")
        aws.client("s3").create_bucket(Bucket=buckets.other)
        proxy = stack.enter_context(FaultProxy(aws.url, seed=options.seed, returns=RETURNS))
        put_aws_faults(proxy)
        events = stack.enter_context(RememberingSink(options.seed, read_event_id))
        letters = stack.enter_context(RememberingSink(options.seed + 1, read_dead_letter))
        yield _Site(options, aws, storage, proxy, events, letters, build_plan(options.files, options.seed, buckets))


def _build_spec(site: _Site) -> dict[str, Any]:
    def to(name: str, sink: RememberingSink) -> dict[str, Any]:
        return {"name": name, "http": {"url": sink.url}, "timeoutSeconds": SINK_TIMEOUT_SECONDS}

    return {
        "mode": "Active",
        "bucket": site.storage.bucket,
        "queueArn": site.storage.queue_arn,
        "region": site.aws.region,
        "endpointUrl": site.proxy.url,
        "sinks": [to("events", site.events)],
        "deadLetterSink": to("letters", site.letters),
        "objects": {"maxUncompressedBytes": MAX_UNCOMPRESSED_BYTES},
    }


def _feed(site: _Site) -> None:
    """Write the objects and announce them, ten messages at a time."""
    s3, sqs = site.aws.client("s3"), site.aws.client("sqs")

    def feed_some(some: Sequence[Announcement]) -> None:
        for item in iterate_items(some):
            if item.body is not None and item.kind not in {Kind.UNKNOWN, Kind.TEST_EVENT}:
                s3.put_object(Bucket=item.bucket, Key=item.key, Body=item.body)
        entries = [{"Id": str(number), "MessageBody": one.body} for number, one in enumerate(some)]
        answer = sqs.send_message_batch(QueueUrl=site.storage.queue_url, Entries=entries)
        if answer.get("Failed"):
            raise RuntimeError(f"messages were not sent: {answer['Failed']}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(feed_some, [site.plan[start : start + 10] for start in range(0, len(site.plan), 10)]))


def _watch(site: _Site, crew: Crew) -> list[str]:
    """Feed, disturb, and wait until the queue is empty; returns what kept it from that."""
    events = sum(len(item.event_ids) for item in iterate_items(site.plan))
    deadline = time.monotonic() + site.options.timeout_seconds
    disturb_at = time.monotonic() + site.options.disturb_seconds
    errors: list[BaseException] = []
    feeder = threading.Thread(target=lambda: _catch(lambda: _feed(site), errors), name="feeder", daemon=True)
    feeder.start()
    while feeder.is_alive() or count_messages(site.aws, site.storage.queue_url) != (0, 0):
        if time.monotonic() > deadline:
            left = count_messages(site.aws, site.storage.queue_url)
            return [f"not done in {site.options.timeout_seconds} s: {left} messages (visible, in flight) are left"]
        if time.monotonic() > disturb_at and len(site.events.deliveries) < DISTURBED_SHARE * events:
            crew.disturb()
            disturb_at = time.monotonic() + site.options.disturb_seconds
        crew.look()
        time.sleep(0.2)
    return [f"the feeder failed: {error!r}" for error in errors]


def _catch(work: Any, errors: list[BaseException]) -> None:
    try:
        work()
    except Exception as error:  # noqa: BLE001  (a thread's boundary: the verdict says it)
        errors.append(error)


def _gather(site: _Site, crew: Crew) -> Evidence:
    return Evidence(
        deliveries=site.events.deliveries,
        delivered_at=site.events.first_accepted,
        letters=site.letters.deliveries,
        lettered_at=site.letters.first_accepted,
        receives=site.proxy.read_journal("ReceiveMessage"),
        deletes=site.proxy.read_journal("DeleteMessage*"),
        changes=site.proxy.read_journal("ChangeMessageVisibility*"),
        kills=crew.kills,
        left=_read_queue(site.aws, site.storage.dead_letter_queue_url),
    )


def _read_queue(aws: AwsEndpoint, url: str) -> list[str]:
    """Take everything out of a queue; returns the bodies."""
    sqs = aws.client("sqs")
    bodies: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=3600).get("Messages"):
        bodies += [message["Body"] for message in messages]
    return bodies


def _build_figures(site: _Site, crew: Crew, evidence: Evidence, seconds: float) -> dict[str, Any]:
    kinds = Counter(item.kind for item in iterate_items(site.plan))
    strikes = {name: count for name, count in site.proxy.rules.count_strikes().items() if count}
    return {
        "seed": site.options.seed,
        "seconds": round(seconds, 1),
        "files per second": round(site.options.files / seconds, 1),
        "messages": len(site.plan),
        **{f"announced: {kind}": kinds[kind] for kind in Kind},
        "events to deliver": sum(len(item.event_ids) for item in iterate_items(site.plan)),
        "events delivered": len(site.events.deliveries),
        "deliveries more than one": site.events.deliveries.total() - len(site.events.deliveries),
        "receives": count_receives(evidence.receives).total(),
        "receives that nothing explains": count_unexplained_receives(evidence),
        "dead letters": len(site.letters.deliveries),
        "left in the dead-letter queue": len(evidence.left),
        **{f"ended by {name}": count for name, count in sorted(crew.ends.items())},
        **{f"struck: {name}": count for name, count in strikes.items()},
        **{f"struck: sink {name}": count for name, count in sorted(site.events.strikes.items())},
        **{f"asked: {name}": count for name, count in sorted(site.proxy.count_actions().items())},
        "largest collector, MiB": round(crew.peak_memory / 1024**2, 1),
    }
