"""What a soak announces, and what must become of it: good files, files that are bad in every known way, odd messages.

The same seed makes the same plan, but for the dates in it.
"""

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from integration.notification_shapes import SHAPES
from localcluster.corpus import LogFile, generate_log_files

MAX_UNCOMPRESSED_BYTES = 1024 * 1024
EVENTS_PER_FILE = 4
BROKEN_RECORD = '{"eventID":"broken","n":01}'


class Kind(StrEnum):
    """What is announced."""

    GOOD = "good"
    BROKEN_RECORD = "one broken record"
    CORRUPT = "corrupt gzip"
    TRUNCATED = "truncated gzip"
    NOT_JSON = "not JSON"
    OTHER_ROOT = "no Records"
    TOO_LARGE = "too large"
    MISSING = "announced, but missing"
    OTHER_BUCKET = "other bucket"
    UNKNOWN = "unknown body"
    DIGEST = "digest"
    TEST_EVENT = "test event"


# The reason under which the dead-letter sink must hear of it.
DEAD_LETTER_REASONS = {
    Kind.BROKEN_RECORD: "undecodable",
    Kind.CORRUPT: "corrupt",
    Kind.TRUNCATED: "corrupt",
    Kind.NOT_JSON: "not_a_log_file",
    Kind.OTHER_ROOT: "not_a_log_file",
    Kind.TOO_LARGE: "too_large",
}
# Never deleted by a collector: they end in the dead-letter queue.
STAYING = frozenset({Kind.MISSING, Kind.OTHER_BUCKET, Kind.UNKNOWN})
# One of each among a hundred; the others are good.
_PLACES = {
    5 + 8 * number: kind for number, kind in enumerate(kind for kind in Kind if kind is not Kind.GOOD)
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """One announced object; `body` is None where there is none, `event_ids` are those that must be delivered."""

    kind: Kind
    bucket: str
    key: str
    body: bytes | None
    event_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Announcement:
    """One message. Its body is like no other's, so that it is known again."""

    body: str
    items: tuple[Item, ...]

    @property
    def stays(self) -> bool:
        """Tell whether it may never be deleted."""
        return any(item.kind in STAYING for item in self.items)


@dataclass(frozen=True, slots=True)
class Buckets:
    """The bucket of the trail, and one that the source does not name."""

    trail: str
    other: str


def build_plan(files: int, seed: int, buckets: Buckets) -> list[Announcement]:
    """Plan the messages about `files` objects, in the order in which they are sent."""
    source = random.Random(seed)
    waiting: list[Item] = []
    plan: list[Announcement] = []
    for number, file in enumerate(generate_log_files(files, seed=seed, events_per_file=EVENTS_PER_FILE)):
        item = _build_item(_PLACES.get(number % 100, Kind.GOOD), number, file, buckets)
        if item.kind in {Kind.UNKNOWN, Kind.TEST_EVENT}:
            plan.append(_announce_oddly(item, number))
            continue
        waiting.append(item)
        if source.random() < 0.8 or len(waiting) == 3:
            plan.append(_announce(waiting, source))
            waiting = []
    if waiting:
        plan.append(_announce(waiting, source))
    return plan


def _build_item(kind: Kind, number: int, file: LogFile, buckets: Buckets) -> Item:
    bucket = buckets.other if kind is Kind.OTHER_BUCKET else buckets.trail
    key = file.key
    if kind is Kind.DIGEST:
        key = key.replace("/CloudTrail/", "/CloudTrail-Digest/").replace("_CloudTrail_", "_CloudTrail-Digest_")
    if kind is Kind.GOOD:
        return Item(kind, bucket, key, file.body, file.event_ids)
    if kind is Kind.BROKEN_RECORD:
        return Item(kind, bucket, key, _break_record(file), file.event_ids[1:])
    return Item(kind, bucket, key, _build_bad_body(kind, number, file.body))


def _build_bad_body(kind: Kind, number: int, whole: bytes) -> bytes | None:
    middle = len(whole) // 2
    bodies = {
        Kind.CORRUPT: whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :],
        Kind.TRUNCATED: whole[: -(number % middle) - 1],
        Kind.NOT_JSON: gzip.compress(b"good morning"),
        Kind.OTHER_ROOT: gzip.compress(b'{"configurationItems":[]}'),
        Kind.TOO_LARGE: gzip.compress(b'{"Records":[' + b" " * MAX_UNCOMPRESSED_BYTES + b"]}"),
    }
    return None if kind is Kind.MISSING else bodies.get(kind, whole)


def _break_record(file: LogFile) -> bytes:
    """Put a record that is no JSON in the place of the first."""
    records = json.loads(gzip.decompress(file.body))["Records"]
    texts = [BROKEN_RECORD, *(json.dumps(record, separators=(",", ":")) for record in records[1:])]
    return gzip.compress(f'{{"Records":[{",".join(texts)}]}}'.encode())


def _announce_oddly(item: Item, number: int) -> Announcement:
    body: Any = {"Service": "Amazon S3", "Event": "s3:TestEvent", "RequestId": str(number)}
    if item.kind is Kind.UNKNOWN:
        body = {"what": "good morning", "number": number}
    return Announcement(json.dumps(body), (item,))


def _announce(items: Sequence[Item], source: random.Random) -> Announcement:
    """Announce objects in one message, one object in any shape."""
    if len(items) == 1:
        shape = SHAPES[source.choice(sorted(SHAPES))]
        return Announcement(json.dumps(shape(items[0].bucket, items[0].key)), tuple(items))
    records = [record for item in items for record in SHAPES["s3"](item.bucket, item.key)["Records"]]
    return Announcement(json.dumps({"Records": records}), tuple(items))


def iterate_items(plan: Sequence[Announcement]) -> Iterator[Item]:
    """Iterate over all that is announced."""
    for announcement in plan:
        yield from announcement.items
