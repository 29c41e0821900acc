"""Sources and pages as JSON for programs: judged conditions with advice, figures as the status has them."""

from datetime import datetime
from typing import Any, TypeAlias

from cloudtrail_operator.plugin.backfill_section import BackfillView
from cloudtrail_operator.plugin.kubernetes_events import KubernetesEvent
from cloudtrail_operator.plugin.source_page import SourcePage
from cloudtrail_operator.plugin.text import format_time
from cloudtrail_operator.plugin.views import ConditionView, PodView, SourceView

Json: TypeAlias = dict[str, Any]

_FIGURES = ("queue", "files", "events", "lastEventTime", "lag", "lastError")


def summarize_source(source: SourceView) -> Json:
    """Summarize one source."""
    ready = source.find("Ready")
    return {
        "namespace": source.namespace,
        "name": source.name,
        "mode": source.mode,
        "runningMode": source.running_mode,
        "ready": ready.status if ready else "Unknown",
        "reason": ready.reason if ready else "",
        "message": ready.message if ready else "",
        "current": source.current,
        "replicas": source.replicas,
        "readyReplicas": source.ready_replicas,
        **{name: source.status[name] for name in _FIGURES if name in source.status},
        "conditions": [_summarize_condition(item) for item in source.conditions],
    }


def summarize_page(page: SourcePage) -> Json:
    """Summarize everything that a page shows."""
    return summarize_source(page.source) | {
        "pods": [_summarize_pod(pod) for pod in page.pods],
        "backfills": [_summarize_backfill(backfill) for backfill in page.backfills],
        "kubernetesEvents": [summarize_event(event) for event in page.events],
        "problems": list(page.problems),
    }


def summarize_event(event: KubernetesEvent) -> Json:
    """Summarize a Kubernetes Event."""
    return {
        "time": format_time(event.last),
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason,
        "object": event.object,
        "count": event.count,
        "message": event.message,
    }


def _summarize_condition(item: ConditionView) -> Json:
    return {
        "type": item.type,
        "status": item.status,
        "reason": item.reason,
        "message": item.message,
        "since": _time(item.since),
        "good": item.good,
        "whatToDo": item.advice,
    }


def _summarize_pod(pod: PodView) -> Json:
    return {
        "name": pod.name,
        "phase": pod.phase,
        "ready": pod.ready,
        "restarts": pod.restarts,
        "node": pod.node,
        "created": _time(pod.created),
        "trouble": pod.trouble,
    }


def _summarize_backfill(backfill: BackfillView) -> Json:
    return {
        "name": backfill.name,
        "interval": backfill.interval,
        "ready": _summarize_condition(backfill.ready) if backfill.ready else None,
        "progress": backfill.progress,
        "events": backfill.events,
        "created": _time(backfill.created),
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)
