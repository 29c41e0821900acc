"""S3 as the ObjectStore port: read by obstore, and by boto3 whenever that fails for whatever reason.

boto3 is the judge: its answer has AWS's code and message, it follows a bucket into another region, and asking it is at the
same time the one immediate second try.
"""

import logging
import time
from typing import TYPE_CHECKING

from cloudtrail_collector.adapters.aws import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, AwsClients
from cloudtrail_collector.adapters.s3_fast import FAILURES, Address, FastReads, Timeouts, is_plain
from cloudtrail_collector.adapters.s3_judge import Judge, JudgedObject
from cloudtrail_collector.logs import LOGGER_NAME
from cloudtrail_collector.ports import RemoteObject
from cloudtrail_spec.arn import Arn
from cloudtrail_spec.pipeline import PipelineSpec

if TYPE_CHECKING:
    from obstore import GetResult

log = logging.getLogger(LOGGER_NAME)

# 50 MB, the largest log file, at 170 kB/s. An answer that trickles on for longer would hold a worker.
TRANSFER_SECONDS = 300
# So many reads in a row that only boto3 could do mean that obstore cannot work here: behind some proxy, perhaps. More
# than there are workers, so that one hiccup of the network that meets them all says nothing.
OVERRULED_LIMIT = 100
PAUSE_SECONDS = 300.0


class S3Objects:
    """The buckets of a source. Reading the newest version is all that it can do: others need s3:GetObjectVersion."""

    def __init__(self, clients: AwsClients, spec: PipelineSpec, *, transfer_seconds: float = TRANSFER_SECONDS) -> None:
        home = Address(clients.s3.meta.endpoint_url.rstrip("/"), spec.region)
        timeouts = Timeouts(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, transfer_seconds)
        self._fast = FastReads(clients.credentials, home, timeouts, clients.ca_bundle)
        self._judge = Judge(clients.s3, Arn.parse(spec.queue_arn).partition, transfer_seconds)
        self._trust = _Trust()

    def open(self, bucket: str, key: str) -> RemoteObject:
        """Ask for an object. Raises AwsError."""
        if not is_plain(key) or not self._trust.is_given():
            return self._ask_judge(bucket, key)
        asked = self._fast.locate(bucket)
        try:
            return _FastObject(self, bucket, key, asked, self._fast.open(bucket, key))
        except FAILURES as error:
            return self.overrule(bucket, key, asked, error)

    def overrule(self, bucket: str, key: str, asked: Address, error: Exception) -> JudgedObject:
        """Ask boto3 for what obstore could not read where it asked. Raises AwsError."""
        judged = self._ask_judge(bucket, key)
        if judged.address == asked:
            self._trust.lose(error)
        return judged

    def confirm(self) -> None:
        """Note that obstore has read an object to its end."""
        self._trust.gain()

    def _ask_judge(self, bucket: str, key: str) -> JudgedObject:
        judged = self._judge.open(bucket, key)
        self._fast.move(bucket, judged.address)
        return judged


class _FastObject:
    """An object that obstore has begun to read."""

    def __init__(self, objects: S3Objects, bucket: str, key: str, asked: Address, answer: "GetResult") -> None:
        self._objects = objects
        self._bucket = bucket
        self._key = key
        self._asked = asked
        self._answer = answer
        meta = answer.meta
        self.size: int = meta["size"]
        self.written_at: float | None = meta["last_modified"].timestamp()

    def read(self) -> bytes | memoryview:
        """Read it to its end, once. Raises AwsError."""
        try:
            body = self._answer.bytes()
            if len(body) != self.size:
                raise ValueError(f"{len(body)} bytes came of {self.size}")
        except FAILURES as error:
            return self._objects.overrule(self._bucket, self._key, self._asked, error).read()
        self._objects.confirm()
        return memoryview(body)


class _Trust:
    """Whether obstore is worth asking. Threads may lose a count to each other: it decides about speed, nothing else."""

    def __init__(self) -> None:
        self._overruled = 0
        self._paused_until = 0.0

    def is_given(self) -> bool:
        return time.monotonic() >= self._paused_until

    def gain(self) -> None:
        self._overruled = 0

    def lose(self, error: Exception) -> None:
        self._overruled += 1
        if self._overruled >= OVERRULED_LIMIT:
            self._overruled = 0
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            fields = {"error": str(error).splitlines()[0], "seconds": PAUSE_SECONDS}
            log.warning("objects are read the slow way for a while", extra={"fields": fields})
