"""Facts of a backfill beside those of every collector: what it costs, and why objects failed."""

import threading
from collections import Counter

from cloudtrail_collector.core.backfill.units import FoundObject
from cloudtrail_collector.core.sampling import OwnReads
from cloudtrail_collector.errors import AwsError, CollectorError
from cloudtrail_collector.metrics import Metrics
from cloudtrail_collector.status_board import StatusBoard
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.report import CollectorReport

LIST, GET = "s3:ListBucket", "s3:GetObject"


class BackfillTelemetry(Telemetry):
    """Facts about one worker of a backfill."""

    def __init__(self, metrics: Metrics, board: StatusBoard, own_reads: OwnReads | None) -> None:
        super().__init__(metrics, board, own_reads)
        self._status = board
        self._lock = threading.Lock()
        self._failures: dict[str, Exception] = {}
        self.requests = Counter({LIST: 0, GET: 0})
        self.bytes = 0

    def read_report(self) -> CollectorReport:
        """Read what was counted since the process started."""
        return self._status.build_report()

    def listed(self) -> None:
        """S3 is asked for a listing."""
        self.requests[LIST] += 1

    def asked(self, objects: int) -> None:
        """S3 is asked for objects."""
        self.requests[GET] += objects
        with self._lock:
            self._failures.clear()

    def listing_failed(self, failure: AwsError) -> None:
        """A bucket could not be listed."""
        self.bucket_probe_failed(failure)

    def file_fetched(self, size: int) -> None:
        """An object was read."""
        super().file_fetched(size)
        with self._lock:
            self.bytes += size

    def file_failed(self, key: str, reason: str, error: Exception) -> None:
        """An object was not delivered."""
        super().file_failed(key, reason, error)
        with self._lock:
            self._failures[key] = error

    def find_failure(self, one: FoundObject) -> Exception:
        """Find why an object was not delivered when it was asked for last."""
        with self._lock:
            return self._failures.get(one.key) or CollectorError(f"{one.key} was not delivered; the log says why")
