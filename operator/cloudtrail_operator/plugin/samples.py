"""Event records that collectors serve at /samples → those of all pods in order, as lines or as a table."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cloudtrail_operator.plugin.text import format_time, parse_time, render_table

HEAD = ("TIME", "EVENT", "BY", "FROM", "REGION", "ERROR")
_START = datetime.min.replace(tzinfo=UTC)
_WIDEST = 60
"""Of a cell: a name that somebody chose to be long must not push the others off the screen."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An event record: its line as the collector served it, and its time."""

    line: str
    time: datetime


def parse_samples(text: str) -> list[Sample]:
    """Read NDJSON. A line that is no JSON object is kept as it is, at the begin of time."""
    return [Sample(line, parse_time(_decode(line).get("eventTime")) or _START) for line in text.split("\n") if line]


def merge_samples(pods: Iterable[Sequence[Sample]]) -> list[Sample]:
    """Bring those of all pods in order, oldest first. A record that two pods delivered is there once."""
    unique = {sample.line: sample for samples in pods for sample in samples}
    return sorted(unique.values(), key=lambda sample: sample.time)


def render_samples(samples: Sequence[Sample]) -> list[str]:
    """Render a table: who did what, when and from where."""
    return render_table(HEAD, [_row(sample) for sample in samples])


def _row(sample: Sample) -> tuple[str, ...]:
    record = _decode(sample.line)
    service = _text(record.get("eventSource")).removesuffix(".amazonaws.com")
    cells = (
        "" if sample.time == _START else format_time(sample.time),
        ":".join(filter(None, (service, _text(record.get("eventName"))))),
        _find_actor(record.get("userIdentity")),
        _text(record.get("sourceIPAddress")),
        _text(record.get("awsRegion")),
        _text(record.get("errorCode")),
    )
    return tuple(cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 1]}…" for cell in cells)


def _find_actor(identity: Any) -> str:
    """Name who it was: the end of the ARN (role/session), else a name, a service or a kind."""
    if not isinstance(identity, dict):
        return ""
    if arn := _text(identity.get("arn")):
        return arn.split(":", 5)[-1]
    names = ("userName", "invokedBy", "principalId", "type")
    return next((text for name in names if (text := _text(identity.get(name)))), "")


def _decode(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
