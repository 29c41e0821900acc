"""CloudTrail log files made up for the demo, the tests and the benchmarks: realistic in shape, invented in content.

The same seed gives the same files. Every event record has a unique eventID, so that deliveries can be counted.
"""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from localcluster.event_records import Account

REGIONS = ("us-east-1", "eu-central-1")
# One log file of AWS holds at most some thousand records; the tail of a log-normal would go beyond.
MAX_SPREAD = 20


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log file: its key in the bucket, its gzip bytes, and the eventIDs inside, in order."""

    key: str
    body: bytes
    event_ids: tuple[str, ...]


def generate_log_files(
    count: int,
    *,
    seed: int = 1,
    events_per_file: int = 20,
    sigma: float | None = None,
    prefix: str = "",
    account: str = "111122223333",
    end: datetime | None = None,
) -> Iterator[LogFile]:
    """Make `count` log files whose events happened in the ten minutes before `end` (default: now).

    `events_per_file` is the mean of a narrow normal distribution, or with `sigma` the median of a log-normal one.
    """
    source = random.Random(seed)
    delivered = end or datetime.now(UTC)
    accounts = [Account(source, account, region, delivered) for region in REGIONS]
    for _ in range(count):
        chosen = source.choice(accounts)
        records = [
            chosen.make_record(delivered - timedelta(seconds=source.randint(60, 600)))
            for _ in range(_choose_size(source, events_per_file, sigma))
        ]
        body = gzip.compress(json.dumps({"Records": records}, separators=(",", ":")).encode(), 6)
        key = _make_key(source, prefix, account, chosen.region, delivered)
        yield LogFile(key, body, tuple(record["eventID"] for record in records))


def _choose_size(source: random.Random, events: int, sigma: float | None) -> int:
    if sigma is None:
        return max(1, round(source.gauss(events, events / 4)))
    return max(1, round(events * min(MAX_SPREAD, source.lognormvariate(0, sigma))))


def _make_key(source: random.Random, prefix: str, account: str, region: str, delivered: datetime) -> str:
    unique = "".join(source.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", k=16))
    folder = f"{prefix}AWSLogs/{account}/CloudTrail/{region}/{delivered:%Y/%m/%d}"
    return f"{folder}/{account}_CloudTrail_{region}_{delivered:%Y%m%dT%H%MZ}_{unique}.json.gz"
