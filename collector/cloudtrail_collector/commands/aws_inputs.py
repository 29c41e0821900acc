"""Opens the buckets and queues that `events` is told to read."""

from argparse import Namespace
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from cloudtrail_collector.adapters.aws import AwsClients
from cloudtrail_collector.adapters.s3 import TRANSFER_SECONDS
from cloudtrail_collector.adapters.s3_judge import Judge
from cloudtrail_collector.adapters.s3_listing import BucketListing
from cloudtrail_collector.adapters.sqs import SqsQueue
from cloudtrail_collector.adapters.sqs_caller import SqsCaller
from cloudtrail_collector.commands.aws_access import (
    VISIBILITY_SECONDS,
    Access,
    build_clients,
    reach_bucket,
    reach_queue,
)
from cloudtrail_collector.commands.inputs import Input
from cloudtrail_collector.commands.queue_inputs import Complain, QueueInputs
from cloudtrail_collector.core.log_prefixes import LogSelection, find_prefixes
from cloudtrail_collector.errors import ConfigurationError

# Objects that are read ahead of the one that is printed.
READ_AHEAD = 16


def open_bucket(options: Namespace, selection: LogSelection) -> "BucketInputs":
    """Open `s3://bucket/prefix`. Raises ConfigurationError."""
    bucket, _, prefix = str(options.place).removeprefix("s3://").partition("/")
    if not bucket:
        raise ConfigurationError([f"{options.place}: name a bucket, s3://bucket or s3://bucket/prefix"])
    access = reach_bucket(options)
    clients = build_clients(access)
    listing = BucketListing(clients.s3, access.partition, bucket)
    return BucketInputs(bucket, prefix, selection, listing, _build_judge(clients, access))


def open_queue(
    options: Namespace, selection: LogSelection, buckets: frozenset[str] | None, complain: Complain
) -> QueueInputs:
    """Open `sqs://queue`. Raises ConfigurationError, AwsError."""
    access = reach_queue(str(options.place).removeprefix("sqs://"), options)
    clients = build_clients(access)
    queue = SqsQueue(SqsCaller(clients, lambda _action, _seconds: None), access)
    inputs = QueueInputs(queue, _build_judge(clients, access), selection, complain, lease_seconds=VISIBILITY_SECONDS)
    if options.delete:
        inputs.delete_when_done()
    if buckets is not None:
        inputs.limit_to(buckets)
    return inputs


def _build_judge(clients: AwsClients, access: Access) -> Judge:
    return Judge(clients.s3, access.partition, TRANSFER_SECONDS)


class BucketInputs:
    """The log files below a prefix of a bucket, several read ahead."""

    total = None

    def __init__(self, bucket: str, prefix: str, selection: LogSelection, listing: BucketListing, judge: Judge) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._selection = selection
        self._listing = listing
        self._judge = judge

    def __iter__(self) -> Generator[Input, None, None]:
        waiting: deque[tuple[str, Future[bytes]]] = deque()
        pool = ThreadPoolExecutor(READ_AHEAD)
        try:
            for key in self._iterate_keys():
                waiting.append((key, pool.submit(self._read, key)))
                if len(waiting) >= READ_AHEAD:
                    yield self._build(*waiting.popleft())
            while waiting:
                yield self._build(*waiting.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def note_failure(self) -> None:
        """Nothing depends on it."""

    def _iterate_keys(self) -> Iterator[str]:
        for prefix in find_prefixes(self._prefix, self._selection, self._listing.list_folder):
            yield from (key for key in self._listing.iterate_keys(prefix) if self._selection.wants(key))

    def _read(self, key: str) -> bytes:
        return self._judge.open(self._bucket, key).read()

    def _build(self, key: str, body: "Future[bytes]") -> Input:
        return Input(f"s3://{self._bucket}/{key}", self._bucket, key, body.result)
