"""Kubernetes Events of a namespace → those of one source and of what the operator made for it, in order, as text."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cloudtrail_operator.core.names import Manifest, workload_name
from cloudtrail_operator.plugin.text import clean, format_age, format_count, parse_time, render_message, render_table
from cloudtrail_operator.plugin.views import KIND, SourceView

HEAD = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE")
_NAMED_LIKE_THE_WORKLOAD = frozenset(
    {"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ScaledObject"}
)


@dataclass(frozen=True, slots=True)
class KubernetesEvent:
    """What happened to an object."""

    last: datetime
    warning: bool
    reason: str
    object: str
    """Kind/name."""
    count: int
    message: str


def select_events(items: Iterable[Manifest], source: SourceView) -> list[KubernetesEvent]:
    """Pick those of the source and its children, oldest first. Those of a deleted source of that name are left out."""
    chosen = [_view(item) for item in items if _concerns(item.get("involvedObject") or {}, source)]
    return sorted(chosen, key=lambda event: event.last)


def render_events(events: Sequence[KubernetesEvent], now: datetime, indent: int = 0) -> list[str]:
    """Render a table of them."""
    rows = [
        (
            format_age(event.last, now),
            "Warning" if event.warning else "Normal",
            event.reason,
            event.object,
            format_count(event.count),
            " ".join(event.message.split()),
        )
        for event in events
    ]
    return render_table(HEAD, rows, indent)


def render_briefly(events: Sequence[KubernetesEvent], now: datetime, indent: int) -> list[str]:
    """Render them for a page that has other things to say, messages below each."""
    return [
        line
        for event in events
        for line in (
            " " * indent + clean(f"{format_age(event.last, now)} ago  {event.reason}  {event.object}"),
            *render_message(event.message, indent + 4),
        )
    ]


def _concerns(regarding: Manifest, source: SourceView) -> bool:
    kind, name = regarding.get("kind"), str(regarding.get("name", ""))
    if kind == KIND:
        return name == source.name and regarding.get("uid", source.uid) == source.uid
    workload = workload_name(source.name)
    if kind in _NAMED_LIKE_THE_WORKLOAD or name == f"keda-hpa-{workload}":
        return name in (workload, f"keda-hpa-{workload}")
    # Another source may be called `<this one>-collector`: the parts behind the name are counted, not only compared.
    tails = {"ConfigMap": r"[0-9a-f]{10}", "ReplicaSet": r"[a-z0-9]+", "Pod": r"[a-z0-9]+-[a-z0-9]{5}"}
    tail = tails.get(str(kind))
    return tail is not None and re.fullmatch(f"{re.escape(workload)}-{tail}", name) is not None


def _view(item: Manifest) -> KubernetesEvent:
    series, regarding = item.get("series") or {}, item["involvedObject"]
    times = (series.get("lastObservedTime"), item.get("lastTimestamp"), item.get("eventTime"))
    created = item["metadata"].get("creationTimestamp")
    seen = [time for time in map(parse_time, (*times, created)) if time is not None]
    return KubernetesEvent(
        last=seen[0] if seen else datetime.min.replace(tzinfo=UTC),
        warning=item.get("type") == "Warning",
        reason=item.get("reason") or "",
        object=f"{regarding.get('kind')}/{regarding.get('name')}",
        count=series.get("count") or item.get("count") or 1,
        message=item.get("message") or "",
    )
