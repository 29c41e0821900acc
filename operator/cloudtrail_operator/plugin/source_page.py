"""What is known of one source → a page for people: what is wrong comes with what to do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloudtrail_operator.core.durations import format_duration
from cloudtrail_operator.core.names import Manifest
from cloudtrail_operator.plugin.backfill_section import BackfillView, render_backfills
from cloudtrail_operator.plugin.kubernetes_events import KubernetesEvent, render_briefly
from cloudtrail_operator.plugin.text import (
    format_age,
    format_count,
    format_time,
    parse_time,
    render_explanation,
    render_fields,
    render_table,
    wrap,
)
from cloudtrail_operator.plugin.views import ConditionView, PodView, SourceView

MODES = {
    "Paused": "no collector runs; messages stay in the queue",
    "Test": "events are delivered; no message is deleted from the queue",
    "Active": "events are delivered; messages are deleted when their events are accepted",
}
_MARKS = {True: "ok", False: "!!", None: ".."}
_POD_HEAD = ("POD", "READY", "PHASE", "RESTARTS", "NODE", "AGE")


@dataclass(frozen=True, slots=True)
class SourcePage:
    """Everything that the page shows. A problem stands for what could not be read."""

    source: SourceView
    pods: tuple[PodView, ...] = ()
    pods_problem: str | None = None
    events: tuple[KubernetesEvent, ...] = ()
    events_problem: str | None = None
    backfills: tuple[BackfillView, ...] = ()
    backfills_problem: str | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """Say what could not be read."""
        found = (self.pods_problem, self.backfills_problem, self.events_problem)
        return tuple(problem for problem in found if problem)


def render_page(page: SourcePage, now: datetime) -> str:
    """Render the page."""
    source = page.source
    sections = [
        _render_head(source, now),
        ["Conditions", *_render_conditions(source, now)],
        ["Collectors", *_render_pods(page, now)],
        ["Flow", *_render_flow(source, now)],
        _render_last_error(source.status.get("lastError"), now),
        _render_backfills(page, now),
        ["Kubernetes Events", *_render_events(page, now)],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def summarize_ready(source: SourceView) -> str:
    """Say in one line whether the source is well."""
    ready = source.find("Ready")
    if ready is None or not ready.reason:
        return "no operator has looked at it yet"
    return f"{ready.status}, {ready.reason}" + ("" if source.current else " (of the spec before the last change)")


def _render_head(source: SourceView, now: datetime) -> list[str]:
    mode = f"{source.mode}: {MODES[source.mode]}" if source.mode in MODES else source.mode
    if source.running_mode not in (None, source.mode):
        mode += f" (still {source.running_mode})"
    fields = [
        ("Source", source.key + (", being deleted" if source.deleting else "")),
        ("Ready", summarize_ready(source)),
        ("Mode", mode),
        ("Bucket", str(source.spec.get("bucket", ""))),
        ("Queue", str(source.spec.get("queueArn", ""))),
        ("Age", format_age(source.created, now)),
    ]
    return render_fields(fields)


def _render_conditions(source: SourceView, now: datetime) -> Iterator[str]:
    if not source.conditions:
        yield "  none yet: is the operator running? `kubectl get pods -A -l app.kubernetes.io/name=cloudtrail-operator`"
    order = {False: 0, None: 1, True: 2}
    told: set[str] = set()
    for item in sorted(source.conditions, key=lambda item: (item.type != "Ready", order[item.good], item.type)):
        yield f"  {_MARKS[item.good]} {item.type} {item.status}, {item.reason}, for {format_age(item.since, now)}"
        if item.message not in told:  # what stalls a source is said by several
            yield from _explain_condition(item)
        told.add(item.message)


def _explain_condition(item: ConditionView) -> Iterator[str]:
    """Say more of what is not as it should be; of the summary in any case."""
    if item.good is True and item.type != "Ready":
        return
    yield from render_explanation(item.message, item.advice if item.good is False else None, 5)


def _render_pods(page: SourcePage, now: datetime) -> Iterator[str]:
    if page.pods_problem:
        yield from wrap(page.pods_problem, 2)
        return
    if not page.pods:
        yield "  none" + (", as mode Paused wants it" if page.source.mode == "Paused" else "")
        return
    rows = [
        (pod.name, "yes" if pod.ready else "no", pod.phase, str(pod.restarts), pod.node, format_age(pod.created, now))
        for pod in page.pods
    ]
    yield from render_table(_POD_HEAD, rows, 2)
    for pod in page.pods:
        if pod.trouble:
            yield from wrap(f"{pod.name}: {pod.trouble}", 2, "!! ")


def _render_flow(source: SourceView, now: datetime) -> Iterator[str]:
    status = source.status
    lines = [
        ("events", _describe_events(status.get("events") or {})),
        ("files", _describe_counts(status.get("files") or {}, ("read", "failed", "skipped", "deadLettered"))),
        ("queue", _describe_queue(status.get("queue") or {})),
        ("lag", _describe_lag(status, now)),
    ]
    if not any(words for _, words in lines):
        yield "  nothing is known yet"
        return
    for name, words in lines:
        if words:
            yield f"  {name:<10}{words}"


def _describe_events(events: Manifest) -> str:
    names = ("read", "emitted", "filtered", "repeated", "unrouted", "masked", "deadLettered", "failed")
    counts = _describe_counts(events, names)
    rate = events.get("perSecond")
    return counts + (f"; {rate} a second" if counts and rate else "")


_WORDS = {"emitted": "delivered", "deadLettered": "dead-lettered"}


def _describe_counts(counts: Manifest, names: Sequence[str]) -> str:
    """Say the first count always, the others unless they are zero."""
    if not counts:
        return ""
    shown = [(name, counts.get(name) or 0) for name in names]
    return ", ".join(
        f"{format_count(number)} {_WORDS.get(name, name)}"
        for position, (name, number) in enumerate(shown)
        if number or position == 0
    )


def _describe_queue(queue: Manifest) -> str:
    if not queue:
        return ""
    words = f"{format_count(queue.get('visible') or 0)} wait, {format_count(queue.get('inFlight') or 0)} in flight"
    if (age := queue.get("oldestAgeSeconds")) is not None:
        words += f", the oldest received lately had waited {format_duration(age)}"
    if (dead := queue.get("deadLetterVisible")) is not None:
        words += f"; {format_count(dead)} in the dead-letter queue"
    return words


def _describe_lag(status: Manifest, now: datetime) -> str:
    newest = parse_time(status.get("lastEventTime"))
    lag = status.get("lag")
    if newest is None:
        return ""
    words = f"newest event {format_time(newest)}, {format_age(newest, now)} ago"
    return f"{lag} from event to delivery; {words}" if lag else words


def _render_last_error(error: Manifest | None, now: datetime) -> list[str]:
    if not error:
        return []
    age = format_age(parse_time(error.get("time")), now)
    count = error.get("count") or 1
    head = f"{error.get('action')} {error.get('code')} on {error.get('resource')}"
    return [
        f"Last error, {age} ago" + (f", {format_count(count)} times since the collectors started" if count > 1 else ""),
        *wrap(head, 2),
        *wrap(str(error.get("message", "")), 2),
    ]


def _render_backfills(page: SourcePage, now: datetime) -> list[str]:
    """Render them where there are any: most sources have none."""
    if page.backfills_problem:
        return ["Backfills", *wrap(page.backfills_problem, 2)]
    return ["Backfills", *render_backfills(page.backfills, now)] if page.backfills else []


def _render_events(page: SourcePage, now: datetime) -> Iterator[str]:
    if page.events_problem:
        yield from wrap(page.events_problem, 2)
    elif not page.events:
        yield "  none lately: Kubernetes keeps them for about an hour"
    else:
        yield from render_briefly(page.events, now, 2)
