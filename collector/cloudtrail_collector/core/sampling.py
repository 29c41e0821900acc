"""Takes a few records out of what leaves: for /samples, for the age of events, and to notice a feedback loop."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

MAX_SAMPLES_PER_FILE = 16


class _Issuer(msgspec.Struct):
    arn: str | None = None


class _Session(msgspec.Struct):
    issuer: _Issuer | None = msgspec.field(name="sessionIssuer", default=None)


class _Identity(msgspec.Struct):
    session: _Session | None = msgspec.field(name="sessionContext", default=None)


class _Parameters(msgspec.Struct):
    bucket: str | None = msgspec.field(name="bucketName", default=None)


class _Time(msgspec.Struct):
    time: str | None = msgspec.field(name="eventTime", default=None)


class _Read(msgspec.Struct):
    name: str | None = msgspec.field(name="eventName", default=None)
    identity: _Identity | None = msgspec.field(name="userIdentity", default=None)
    parameters: _Parameters | None = msgspec.field(name="requestParameters", default=None)


_time_decoder = msgspec.json.Decoder(_Time)
_read_decoder = msgspec.json.Decoder(_Read)
_DECODE_ERRORS = (msgspec.MsgspecError, RecursionError, ValueError)


@dataclass(frozen=True, slots=True)
class OwnReads:
    """How to know the collector's own reads when they come back as data events: its role, and the buckets it reads."""

    role_arn: str
    buckets: frozenset[str]


def take_samples(payload: bytes, count: int) -> list[bytes]:
    """Take all of `count` lines, or some that are spread evenly over the text."""
    if count <= MAX_SAMPLES_PER_FILE:
        return payload.split(b"\n")[:-1]
    samples = []
    end = -1
    for number in range(MAX_SAMPLES_PER_FILE):
        position = max(end, len(payload) * number // MAX_SAMPLES_PER_FILE)
        start = 0 if number == 0 else payload.find(b"\n", position) + 1
        end = payload.find(b"\n", start)
        if end > start:
            samples.append(payload[start:end])
    return samples


def read_times(samples: Iterable[bytes]) -> list[datetime]:
    """Read the eventTime of each sample that has one."""
    return [time for sample in samples if (time := _read_time(sample)) is not None]


def _read_time(sample: bytes) -> datetime | None:
    try:
        time = datetime.fromisoformat(_time_decoder.decode(sample).time or "")
    except _DECODE_ERRORS:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def count_own_reads(samples: Iterable[bytes], own: OwnReads) -> int:
    """Count the samples that tell of the collector itself reading a bucket that it collects from."""
    return sum(_is_own_read(sample, own) for sample in samples)


def _is_own_read(sample: bytes, own: OwnReads) -> bool:
    try:
        read = _read_decoder.decode(sample)
    except _DECODE_ERRORS:
        return False
    if read.name != "GetObject" or read.parameters is None or read.parameters.bucket not in own.buckets:
        return False
    session = read.identity and read.identity.session
    return bool(session and session.issuer and session.issuer.arn == own.role_arn)
