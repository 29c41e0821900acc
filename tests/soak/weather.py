"""What goes wrong at random during a soak: between collectors and AWS, and in the sinks."""

import random
import threading

from localcluster.aws.fault_proxy import FaultProxy
from localcluster.aws.faults import AwsFailure, Cut, Delay, FailedEntries, Fault, LostAnswer, Reset, Trickle, Where

# How often one object is struck by one rule, so that no file meets nothing but faults.
EACH = 2
_READS: dict[str, tuple[Fault, float]] = {
    "s3 403": (AwsFailure(403, "AccessDenied"), 0.02),
    "s3 404, then there": (AwsFailure(404, "NoSuchKey"), 0.02),
    "s3 500": (AwsFailure(500, "InternalError"), 0.02),
    "s3 503": (AwsFailure(503, "SlowDown"), 0.02),
    "s3 cut body": (Cut(0.5), 0.02),
    "s3 reset": (Reset(), 0.01),
    "s3 lost answer": (LostAnswer(), 0.01),
    "s3 slow body": (Trickle(300, 0.1), 0.01),
    "s3 late": (Delay(0.5), 0.02),
}
_CALLS: dict[str, tuple[str, Fault, float]] = {
    "sqs receive 500": ("ReceiveMessage", AwsFailure(500, "InternalError"), 0.01),
    "sqs receive throttled": ("ReceiveMessage", AwsFailure(400, "ThrottlingException"), 0.005),
    "sqs receive reset": ("ReceiveMessage", Reset(), 0.01),
    "sqs receive lost": ("ReceiveMessage", LostAnswer(), 0.01),
    "sqs delete 503": ("DeleteMessage*", AwsFailure(503, "ServiceUnavailable"), 0.03),
    "sqs delete reset": ("DeleteMessage*", Reset(), 0.01),
    "sqs delete lost answer": ("DeleteMessage*", LostAnswer(), 0.02),
    "sqs delete in part": ("DeleteMessageBatch", FailedEntries("InternalError", sender_fault=False), 0.05),
    "sqs extend 500": ("ChangeMessageVisibility*", AwsFailure(500, "InternalError"), 0.02),
    "sqs extend in part": (
        "ChangeMessageVisibilityBatch",
        FailedEntries("ReceiptHandleIsInvalid", sender_fault=True),
        0.02,
    ),
}


def put_aws_faults(proxy: FaultProxy) -> None:
    """Put the rules in force."""
    for name, (fault, chance) in _READS.items():
        proxy.put(name, fault, Where(action="GetObject", key="*.json.gz"), chance=chance, each=EACH)
    for name, (action, fault, chance) in _CALLS.items():
        proxy.put(name, fault, Where(service="sqs", action=action), chance=chance)


class SinkWeather:
    """Draws what a sink does with a request, and after how many seconds.

    It is some way off, so that there is always something in work when a collector is killed.
    """

    longest_delay = 0.2

    def __init__(self, seed: int) -> None:
        self._source = random.Random(seed)
        self._lock = threading.Lock()

    def draw(self) -> tuple[str, float]:
        """Draw one of: accept, 500, 429, silence (nothing is accepted), lost (accepted, but nobody hears of it)."""
        with self._lock:
            number, delay = self._source.random(), self._source.uniform(0, self.longest_delay)
        for what, share in (("500", 0.02), ("429", 0.02), ("silence", 0.004), ("lost", 0.006)):
            if number < share:
                return what, delay
            number -= share
        return "accept", delay
