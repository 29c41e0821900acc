"""Watches what the collector depends on besides receiving: the queue's attributes, and the bucket until it answers."""

import threading
from collections.abc import Callable

from cloudtrail_collector.errors import AwsError
from cloudtrail_collector.pipeline.background import Background
from cloudtrail_collector.pipeline.examination import PROBE
from cloudtrail_collector.ports import MessageQueue, ObjectStore
from cloudtrail_collector.telemetry import Telemetry
from cloudtrail_spec.conditions import Reason
from cloudtrail_spec.log_prefix import find_log_prefix
from cloudtrail_spec.pipeline import PipelineSpec

INTERVAL_SECONDS = 30.0
# SQS's own default, asked for until the queue's attributes are known.
DEFAULT_VISIBILITY_SECONDS = 30
# What a receive is trusted to give until then: so little that the heartbeat asks for more at once.
UNKNOWN_VISIBILITY_SECONDS = 2.0


class QueueWatch(Background):
    """A thread that reads the queue's attributes every 30 seconds."""

    def __init__(self, spec: PipelineSpec, queue: MessageQueue, store: ObjectStore, telemetry: Telemetry) -> None:
        super().__init__("watch")
        self._wanted = spec.visibility_timeout_seconds
        self._bucket = spec.bucket
        self._probe_key = f"{find_log_prefix(spec.prefix)}{PROBE}"
        self._queue = queue
        self._store = store
        self._telemetry = telemetry
        self._looked = threading.Event()
        self._probe_failed = False
        self._known: int | None = self._wanted

    @property
    def visibility_timeout_seconds(self) -> int:
        """What to extend a message by: the configured timeout, else the queue's own, as it was seen last."""
        return self._known or DEFAULT_VISIBILITY_SECONDS

    @property
    def received_visibility_seconds(self) -> float:
        """How long a message that was just received may be believed to be invisible."""
        return self._known or UNKNOWN_VISIBILITY_SECONDS

    def wait_for_first_look(self, timeout: float) -> None:
        """Wait until the attributes were asked for once, so that the first messages get the right timeout."""
        self._looked.wait(timeout)

    def _run(self) -> None:
        self._turn(self._look)
        self._looked.set()
        self._turn(self._probe)
        while not self._stopping.wait(INTERVAL_SECONDS):
            self._turn(self._look)
            if self._probe_failed:
                self._turn(self._probe)

    def _turn(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001  (a task's boundary: the watch must go on)
            self._telemetry.crashed("watch", error)

    def _look(self) -> None:
        try:
            figures = self._queue.read_figures()
        except AwsError as failure:
            self._telemetry.figures_failed(failure)
            return
        if self._wanted is None:
            self._known = figures.visibility_timeout_seconds
        self._telemetry.figures_read(figures)

    def _probe(self) -> None:
        """Ask for an object that does not exist.

        Without s3:ListBucket S3 answers AccessDenied for a missing key, so only the other answers tell something.
        """
        self._probe_failed = False
        try:
            self._store.open(self._bucket, self._probe_key)
        except AwsError as failure:
            if failure.reason is Reason.OBJECT_NOT_FOUND:
                self._telemetry.bucket_probed()
            elif failure.reason is Reason.ACCESS_DENIED:
                self._telemetry.bucket_probe_inconclusive()
            else:
                self._probe_failed = True
                self._telemetry.bucket_probe_failed(failure)
        else:
            self._telemetry.bucket_probed()
