"""The backfills of a source, as a section of its page."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.plugin.text import format_age, format_count, parse_time, render_explanation, render_table
from cloudtrail_operator.plugin.views import ConditionView, SourceView, view_condition
from cloudtrail_spec.base import API_GROUP

BACKFILLS = f"cloudtrailbackfills.{API_GROUP}"

_HEAD = ("BACKFILL", "INTERVAL", "READY", "PROGRESS", "EVENTS", "AGE")


@dataclass(frozen=True, slots=True)
class BackfillView:
    """One backfill."""

    name: str
    interval: str
    """As the spec says it."""
    ready: ConditionView | None
    """None: no operator has looked at it yet."""
    progress: str | None
    events: int | None
    """How many were delivered."""
    created: datetime | None


def select_backfills(manifests: Iterable[Manifest], source: SourceView) -> tuple[BackfillView, ...]:
    """Read those that take their settings from a source, the oldest first."""
    mine = [item for item in manifests if (item["spec"].get("sourceRef") or {}).get("name") == source.name]
    return tuple(view_backfill(item) for item in sorted(mine, key=lambda item: item["metadata"]["creationTimestamp"]))


def view_backfill(manifest: Manifest) -> BackfillView:
    """Read a CloudTrailBackfill."""
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    conditions = map(view_condition, status.get("conditions") or [])
    return BackfillView(
        name=metadata["name"],
        interval=str(manifest["spec"].get("interval", "")),
        ready=next((item for item in conditions if item.type == "Ready"), None),
        progress=status.get("progress"),
        events=(status.get("events") or {}).get("emitted"),
        created=parse_time(metadata.get("creationTimestamp")),
    )


def render_backfills(backfills: Sequence[BackfillView], now: datetime) -> Iterator[str]:
    """Render them as a table; below it what is wrong, and what to do about it."""
    rows = [
        (
            item.name,
            item.interval,
            f"{item.ready.status}, {item.ready.reason}" if item.ready else "",
            item.progress or "",
            "" if item.events is None else format_count(item.events),
            format_age(item.created, now),
        )
        for item in backfills
    ]
    yield from render_table(_HEAD, rows, 2)
    for item in backfills:
        if item.ready and item.ready.good is False:
            yield f"  !! {item.name}: {item.ready.reason}"
            yield from render_explanation(item.ready.message, item.ready.advice, 5)
