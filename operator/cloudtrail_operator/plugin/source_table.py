"""Sources → a table of one line each, and the lines below it about what is wrong."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from cloudtrail_operator.plugin.source_page import summarize_ready
from cloudtrail_operator.plugin.text import format_age, format_count, render_explanation, render_table, wrap
from cloudtrail_operator.plugin.views import SourceView

_HEAD = ("NAME", "MODE", "READY", "COLLECTORS", "BACKLOG", "LAG", "EVENTS/S", "AGE")


def render_sources(sources: Sequence[SourceView], now: datetime, *, everywhere: bool) -> str:
    """Render the table; with namespaces where they may differ."""
    head = ("NAMESPACE", *_HEAD) if everywhere else _HEAD
    rows = [(source.namespace, *_row(source, now)) if everywhere else _row(source, now) for source in sources]
    return "\n".join([*render_table(head, rows), *_render_troubles(sources)]) + "\n"


def _row(source: SourceView, now: datetime) -> tuple[str, ...]:
    status = source.status
    queue, events = status.get("queue") or {}, status.get("events") or {}
    backlog = queue.get("visible")
    return (
        source.name,
        source.mode,
        summarize_ready(source),
        f"{source.ready_replicas}/{source.replicas}",
        "" if backlog is None else format_count(backlog),
        str(status.get("lag") or ""),
        str(events.get("perSecond") or ""),
        format_age(source.created, now),
    )


def _render_troubles(sources: Sequence[SourceView]) -> Iterator[str]:
    for source in sources:
        told = set()
        for item in source.troubles:
            if item.message not in told:  # a stalled source repeats the words of what stalls it
                yield from ["", *wrap(f"{item.type} {item.status}, {item.reason}", 0, f"{source.key}: ")]
                yield from render_explanation(item.message, item.advice, 2)
            told.add(item.message)
