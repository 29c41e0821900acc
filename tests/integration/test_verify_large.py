"""A busy day of two regions is verified with few names, few files and few digest files in memory at a time."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from cloudtrail_collector.adapters.public_keys import GivenKeys
from cloudtrail_collector.commands.verify_report import VerifyReport
from cloudtrail_collector.commands.verify_section import DIGESTS_AHEAD, LOGS_AHEAD, Means, verify_section
from cloudtrail_collector.core.integrity.chain import Period
from cloudtrail_collector.core.integrity.digest_key import parse_digest_key
from cloudtrail_collector.core.integrity.digest_verdict import Place
from cloudtrail_collector.core.integrity.sections import SectionSelection, find_sections
from cloudtrail_collector.core.log_prefixes import Folder
from cloudtrail_collector.errors import EvidenceMissingError
from cloudtrail_collector.ports import Consume
from support.digest_chain import BUCKET, HOUR, NOON, DigestChain, Stored, make_key

HOURS, FILES = 24, 1000
READERS = 16
T = TypeVar("T")


class CountingStore:
    """A bucket in memory that counts what is read at a time; its objects come in small pieces."""

    def __init__(self, objects: Mapping[str, Stored]) -> None:
        self._objects = objects
        self._keys = sorted(objects)
        self._lock = threading.Lock()
        self.reading = self.most_reading = 0
        self.read_digests = self.read_logs = self.most_ahead = 0

    def list_folder(self, prefix: str) -> Folder:
        rests = (key[len(prefix) :] for key in self._keys if key.startswith(prefix))
        folders = dict.fromkeys(f"{prefix}{rest.split('/', 1)[0]}/" for rest in rests if "/" in rest)
        return Folder(tuple(folders), False)

    def iterate_keys(self, prefix: str) -> Iterator[str]:
        return (key for key in self._keys if key.startswith(prefix))

    def read(self, bucket: str, key: str, consume: Consume[T]) -> T:
        with self._lock:
            self.reading += 1
            self.most_reading = max(self.most_reading, self.reading)
            is_digest = parse_digest_key(key) is not None
            self.read_digests += is_digest
            self.read_logs += not is_digest
            self.most_ahead = max(self.most_ahead, self.read_digests * FILES - self.read_logs)
        try:
            stored = self._objects.get(key)
            if stored is None or bucket != BUCKET:
                raise EvidenceMissingError(key)
            body = stored.body
            return consume((body[start : start + 256] for start in range(0, len(body), 256)), stored.metadata)
        finally:
            with self._lock:
                self.reading -= 1

    def describe(self, key: str) -> str:
        return key


def test_a_busy_day_is_verified_in_bounded_memory(capsys: pytest.CaptureFixture[str]) -> None:
    chains = [DigestChain(region=region).add_hours(HOURS, logs=FILES) for region in ("us-east-1", "eu-central-1")]
    stray = chains[0].add_log(NOON - 5 * HOUR)
    chains[1].alter(chains[1].logs[7000])
    chains[1].delete(chains[1].logs[9000])
    store = CountingStore(chains[0].objects | chains[1].objects)
    sections = list(find_sections("", SectionSelection(), store.list_folder))
    period = Period(NOON - HOURS * HOUR, NOON, NOON)
    with ThreadPoolExecutor(READERS) as pool, VerifyReport(store, is_json=False) as report:
        means = Means(store, GivenKeys((make_key().public,)), Place(BUCKET), period, pool, report)
        for section in sections:
            verify_section(section, means)
        report.finish()
    tally = report.tally
    assert (tally.digests_verified, tally.logs_verified) == (2 * HOURS, 2 * HOURS * FILES - 2)
    assert (tally.logs_altered, tally.logs_missing, tally.logs_not_covered, report.code) == (1, 1, 1, 1)
    assert {line.split(": ")[0].split()[-1] for line in capsys.readouterr().out.splitlines()[:-1]} == {
        stray,
        chains[1].logs[7000],
        chains[1].logs[9000],
    }
    assert store.most_reading <= READERS
    # The names of two hours and the one that is being noted: a day's would be 24,000.
    assert tally.names_held <= 3 * FILES
    # Digest files are read ahead of the log files that they name, but not far.
    assert (store.read_digests, store.read_logs) == (2 * HOURS, 2 * HOURS * FILES)
    assert store.most_ahead <= (DIGESTS_AHEAD + 1) * FILES + LOGS_AHEAD
