"""How much there is to collect → what AWS asks for it in a month, and how many collectors it takes. Pure; docs/sizing.md."""

import math
from dataclasses import dataclass

from cloudtrail_spec.prices import (
    ENDPOINT_GIGABYTE_USD,
    KMS_REQUESTS_USD,
    MILLION,
    NAT_GIGABYTE_USD,
    S3_GETS_USD,
    SNS_PUBLISHES_USD,
    SQS_REQUESTS_USD,
)

MONTH_SECONDS = 365.25 * 86400 / 12
# A message is sent by S3, received and deleted ten at a time; extensions are few.
REQUESTS_PER_MESSAGE = 1 + 0.1 + 0.1
# An idle queue is asked every twenty seconds.
IDLE_REQUESTS = MONTH_SECONDS / 20
# A collector is well filled at this share of the one core that it uses; the busiest minutes bring so many times the mean.
FILLING = 0.6
PEAK = 10

_GIGABYTE = 1e9
_TERABYTE = 1e12


@dataclass(frozen=True, slots=True)
class Volume:
    """What a month brings: event records, how many of them a log file has, and how large they are."""

    events: float
    events_per_file: float
    bytes_per_event: float
    compression: float

    @property
    def files(self) -> float:
        """Log files; each is a message, a GetObject and, with KMS, a request to decrypt."""
        return self.events / self.events_per_file

    @property
    def bytes(self) -> float:
        """Bytes of JSON."""
        return self.events * self.bytes_per_event

    @property
    def stored_bytes(self) -> float:
        """Bytes in the bucket, which are those that travel."""
        return self.bytes / self.compression


@dataclass(frozen=True, slots=True)
class Cost:
    """USD a month. `kms`, `sns`, `nat` and `endpoint` are asked only of those who have them."""

    sqs: float
    get: float
    kms: float
    sns: float
    nat: float
    endpoint: float

    @property
    def requests(self) -> float:
        """What everybody pays."""
        return self.sqs + self.get


def estimate_cost(volume: Volume) -> Cost:
    """Estimate it at list prices; hours of gateways and endpoints, which others use too, are left out."""
    requests = max(volume.files * REQUESTS_PER_MESSAGE, volume.files + IDLE_REQUESTS)
    stored = volume.stored_bytes / _GIGABYTE
    return Cost(
        sqs=requests / MILLION * float(SQS_REQUESTS_USD),
        get=volume.files / MILLION * float(S3_GETS_USD),
        kms=volume.files / MILLION * float(KMS_REQUESTS_USD),
        sns=volume.files / MILLION * float(SNS_PUBLISHES_USD),
        nat=stored * float(NAT_GIGABYTE_USD),
        endpoint=stored * float(ENDPOINT_GIGABYTE_USD),
    )


def divide_by_terabytes(amount: float, volume: Volume) -> float:
    """Divide by terabytes of JSON."""
    return amount / (volume.bytes / _TERABYTE)


def divide_by_million_events(amount: float, volume: Volume) -> float:
    """Divide by millions of event records."""
    return amount / (volume.events / 1e6)


def estimate_cores(volume: Volume, files_per_core_second: float) -> float:
    """Estimate how many cores collecting takes on average."""
    return volume.files / files_per_core_second / MONTH_SECONDS


def count_collectors(cores: float) -> int:
    """Count the collectors that keep up in the busiest minutes."""
    return max(1, math.ceil(cores * PEAK / FILLING))
