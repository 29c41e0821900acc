"""What the pictures of dashboards show: three sources on the local cluster, some minutes of made-up traffic, a Prometheus.

Everything is real but AWS, the nodes and the content of the log files. There are busy and quiet minutes, a sink that
refuses for a while, a broken log file, one that is gone, digest files that prove some, a backfill, and activities that
the CIS benchmark wants watched.
"""

import gzip
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from integration.http_sink import HttpSinkServer
from localcluster.aws import running_aws
from localcluster.cluster import OPERATOR_NAMESPACE, OPERATOR_RELEASE, LocalCluster, render_chart
from localcluster.corpus import LogFile, generate_log_files
from localcluster.demo.display import Display
from localcluster.prometheus import get_prometheus
from localcluster.trail import Trail, create_trail
from support.backfills import build_backfill
from support.digest_chain import HOUR, DigestChain, build_integrity
from support.prometheus_server import Prometheus, build_scrapes, running_prometheus

Json = dict[str, Any]

CHART = Path(__file__).parents[2] / "charts" / "cloudtrail-operator"
TICK_SECONDS = 0.5
# Before the pictures begin: rates need some scrapes.
LEAD_SECONDS = 25
_OPERATOR_VALUES = {"pollSeconds": 1, "statusSeconds": 2}
_LABELS = ["EventName", "EventSource", "Region", "AccountID", "ErrorCode", "IdentityType"]


@dataclass(frozen=True, slots=True)
class _Part:
    """A source: where it is, its account, and how many files a second it gets at which share of the time."""

    namespace: str
    name: str
    account: str
    rate: Callable[[float], float]


_PARTS = (
    _Part(
        "security", "org-trail", "111122223333", lambda share: 5 + 3 * math.sin(9 * share) + 9 * (0.3 < share < 0.38)
    ),
    _Part("security", "payments", "222233334444", lambda share: 2.5 + 1.5 * math.sin(14 * share + 1)),
    _Part("sandbox", "dev-trail", "333344445555", lambda share: 1 + 4 * (0.55 < share < 0.7)),
)
_REFUSING = (0.62, 0.7)
_BROKEN_AT = 0.25
_PROOFS_AT = (0.1, 0.2, 0.3, 0.4)
_PROVEN_FILES = 30
_HISTORY_DAYS, _FILES_A_DAY = 5, 80
_EVENTS_PER_FILE = 40


@contextmanager
def playing_scene(directory: Path, display: Display, seconds: float) -> Iterator[tuple[Prometheus, float, float]]:
    """Play it; give the Prometheus that has watched, and from when to when there is something to see."""
    with ExitStack() as stack:
        with display.step("AWS, the cluster and the operator come up"):
            aws = stack.enter_context(running_aws("ministack", directory / "aws"))
            cluster = stack.enter_context(LocalCluster(directory / "cluster"))
            cluster.install_operator(_OPERATOR_VALUES)
        sinks = [stack.enter_context(HttpSinkServer()) for _ in range(3)]
        with display.step("Three sources become Ready"):
            for namespace in sorted({part.namespace for part in _PARTS}):
                cluster.create_namespace(namespace)
            trails = [
                create_trail(cluster, aws, namespace=part.namespace, name=part.name, storage_name=part.name)
                for part in _PARTS
            ]
            _bring_history(trails[0])
            for trail in trails:
                trail.apply("Active", **_build_spec(*sinks))
            for trail in trails:
                trail.wait_ready(timeout=180)
        prometheus = stack.enter_context(_watch(cluster, trails, directory))
        with display.step(f"Log files arrive for {seconds:.0f} s"):
            begin = _play(trails, sinks[0], seconds, display)
        yield prometheus, begin, time.time()


def _build_spec(siem: HttpSinkServer, lake: HttpSinkServer, rejects: HttpSinkServer) -> Json:
    everything = [{"field": "eventID", "startsWith": [""]}]
    return {
        "sinks": [{"name": "siem", "http": {"url": siem.url}}, {"name": "lake", "http": {"url": lake.url}}],
        "deadLetterSink": {"name": "rejects", "http": {"url": rejects.url}},
        "filters": [{"name": "noise", "ruleSet": "read-only-noise"}],
        "mask": [{"preset": "SourceIPs"}],
        "integrity": build_integrity("Report"),
        "metrics": [
            {"name": "cis", "preset": "cis-aws-foundations"},
            {"name": "calls", "fieldSelectors": everything, "labels": _LABELS},
        ],
    }


@contextmanager
def _watch(cluster: LocalCluster, trails: Sequence[Trail], directory: Path) -> Iterator[Prometheus]:
    """Scrape as the chart's monitors say, each second."""
    values = {name: {"enabled": True} for name in ("monitors", "prometheusRule")}
    rendered = render_chart(CHART, release=OPERATOR_RELEASE, namespace=OPERATOR_NAMESPACE, values=values)
    rules = [item["spec"] for item in rendered if item["kind"] == "PrometheusRule"]
    folder = directory / "prometheus"
    folder.mkdir()
    with running_prometheus(get_prometheus(), build_scrapes(rendered), rules, folder) as prometheus:
        pods = [pod for trail in trails for pod in trail.list_pods()]
        prometheus.discover([*cluster.pods(OPERATOR_NAMESPACE), *pods])
        yield prometheus


def _play(trails: Sequence[Trail], sink: HttpSinkServer, seconds: float, display: Display) -> float:
    """Upload as the parts say; return when the lead was over."""
    source = random.Random(8)
    started = time.time()
    has_broken = False
    watched = trails[0]
    chain, proofs = DigestChain(bucket=watched.storage.bucket), list(_PROOFS_AT)
    while (share := (time.time() - started - LEAD_SECONDS) / seconds) < 1:
        sink.status = 503 if _REFUSING[0] < share < _REFUSING[1] else 200
        for part, trail in zip(_PARTS, trails, strict=True):
            trail.upload(_make_files(source, part, _draw_count(source, part.rate(max(share, 0)))))
        if share > _BROKEN_AT and not has_broken:
            has_broken = True
            _break_some(trails[1], _make_files(source, _PARTS[1], 3))
        if proofs and share > proofs[0]:
            _prove(watched, chain, hours_ago=len(proofs))
            proofs.pop(0)
            if not proofs:
                _backfill(watched)
        display.progress(f"{share:.0%}")
        time.sleep(TICK_SECONDS)
    return started + LEAD_SECONDS


def _bring_history(trail: Trail) -> None:
    """Put log files of a week ago into the bucket; that they were announced is long forgotten."""
    for number in range(_HISTORY_DAYS):
        end = datetime.now(UTC) - timedelta(days=7 + number)
        trail.upload(generate_log_files(_FILES_A_DAY, seed=number, events_per_file=_EVENTS_PER_FILE, end=end))
    trail.aws.client("sqs").purge_queue(QueueUrl=trail.storage.queue_url)


def _backfill(trail: Trail) -> None:
    spec = {"sourceRef": {"name": trail.name}, "interval": "30d-6d", "parallelism": 1}
    trail.cluster.apply(build_backfill("incident-42", trail.namespace, **spec))


def _prove(trail: Trail, chain: DigestChain, hours_ago: int) -> None:
    """Bring the digest file of an hour, and the log files that it names."""
    known = set(chain.objects)
    chain.add_hour(datetime.now(UTC) - hours_ago * HOUR, logs=_PROVEN_FILES)
    chain.upload(trail.aws.client("s3"), *(key for key in chain.objects if key not in known))


def _make_files(source: random.Random, part: _Part, count: int) -> list[LogFile]:
    """Make log files of the last minutes."""
    seed = source.randrange(2**32)
    made = generate_log_files(count, seed=seed, events_per_file=_EVENTS_PER_FILE, account=part.account)
    return [_colour(source, file) for file in made]


def _draw_count(source: random.Random, rate: float) -> int:
    """Choose how many files a tick has, so that on average it is the rate."""
    wanted = max(rate, 0) * TICK_SECONDS
    return int(wanted) + (source.random() < wanted % 1)


def _break_some(trail: Trail, files: Sequence[LogFile]) -> None:
    """Upload log files that are no gzip, and one that is gone when it is asked for."""
    gone, *broken = files
    trail.upload([replace(file, body=b"no gzip") for file in broken])
    trail.upload([gone])
    trail.aws.client("s3").delete_object(Bucket=trail.storage.bucket, Key=gone.key)


def _colour(source: random.Random, file: LogFile) -> LogFile:
    """Leave out what would be an incident in itself, and put something worth watching into some of the log files."""
    records = json.loads(gzip.decompress(file.body))["Records"]
    kept = [record for record in records if record["eventName"] not in _RARE and "errorCode" not in record]
    records = kept or records[:1]
    if source.random() < 0.12:
        change = source.choices(_ACTIVITIES, [weight for _, weight in _ACTIVITIES])[0][0]
        records[0] |= {"readOnly": False} | change
    return replace(file, body=gzip.compress(json.dumps({"Records": records}).encode()))


def _call(service: str, name: str) -> Json:
    return {"eventSource": f"{service}.amazonaws.com", "eventName": name}


_RARE = {"StopLogging", "AuthorizeSecurityGroupIngress", "PutRolePolicy", "PutBucketPolicy"}
_ACTIVITIES: tuple[tuple[Json, float], ...] = (
    ({"errorCode": "AccessDenied"}, 8),
    (_call("ec2", "AuthorizeSecurityGroupIngress"), 6),
    (_call("iam", "AttachRolePolicy"), 5),
    (_call("s3", "PutBucketPolicy"), 4),
    (_call("ec2", "CreateRoute"), 3),
    (_call("ec2", "ModifyVpcAttribute"), 2),
    (_call("organizations", "MoveAccount"), 1),
    (_call("signin", "ConsoleLogin") | {"errorMessage": "Failed authentication"}, 4),
    ({"userIdentity": {"type": "Root", "arn": "arn:aws:iam::111122223333:root"}}, 1),
    (_call("kms", "ScheduleKeyDeletion"), 1),
)
