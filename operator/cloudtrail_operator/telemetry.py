"""One function per fact: moves the metrics, and logs what a person should see."""

import logging
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cloudtrail_operator import __version__

REGISTRY = CollectorRegistry()
LOGGER = logging.getLogger("cloudtrail_operator")

_RECONCILES = Counter(
    "cloudtrail_operator_reconcile", "Looks at a source, by how they ended.", ["result"], registry=REGISTRY
)
_RECONCILE_SECONDS = Histogram(
    "cloudtrail_operator_reconcile_duration_seconds",
    "Duration of a look at a source.",
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 5, 15),
    registry=REGISTRY,
)
_WRITES = Counter("cloudtrail_operator_writes", "Writes to the Kubernetes API.", ["verb", "kind"], registry=REGISTRY)
_POLLS = Counter("cloudtrail_operator_polls", "Collectors asked for their status.", ["result"], registry=REGISTRY)
_WATCH_EVENTS = Counter("cloudtrail_operator_watch_events", "Changes that were watched.", ["kind"], registry=REGISTRY)
_DEPTH = Gauge("cloudtrail_operator_queue_depth", "Sources that are due for a look.", registry=REGISTRY)
_SOURCES = Gauge("cloudtrail_operator_sources", "Sources that exist.", registry=REGISTRY)
_MISSED = Counter(
    "cloudtrail_operator_missed_changes", "Changes that a list found and no watch had told.", registry=REGISTRY
)
_LEADER = Gauge("cloudtrail_operator_leader", "1 while this process may act, 0 in a standby.", registry=REGISTRY)
_WATCH_FAILURES = Counter(
    "cloudtrail_operator_watch_failures", "How often the watches failed, and all began anew.", registry=REGISTRY
)
_SILENCE = Gauge(
    "cloudtrail_operator_watch_silence_seconds",
    "Time since a watch brought a change or a bookmark; the label is its URL path.",
    ["watch"],
    registry=REGISTRY,
)
_BUILD = Gauge("cloudtrail_operator_build_info", "Always 1; the version is a label.", ["version"], registry=REGISTRY)

_BUILD.labels(__version__).set(1)
for _result in ("success", "failure"):
    _RECONCILES.labels(_result)
for _result in ("answer", "silence"):
    _POLLS.labels(_result)


def reconciled(source: str, seconds: float) -> None:
    """Note that a look at a source ended well."""
    _RECONCILES.labels("success").inc()
    _RECONCILE_SECONDS.observe(seconds)
    LOGGER.debug("reconciled", extra={"source": source, "seconds": round(seconds, 3)})


def reconcile_failed(source: str, error: BaseException, retry_seconds: float) -> None:
    """Note that a look at a source failed."""
    _RECONCILES.labels("failure").inc()
    LOGGER.warning(
        "reconcile failed",
        extra={"source": source, "error": f"{type(error).__name__}: {error}", "retry_seconds": round(retry_seconds, 1)},
        exc_info=error if LOGGER.isEnabledFor(logging.DEBUG) else None,
    )


def wrote(verb: str, kind: str, name: str) -> None:
    """Note a write to the Kubernetes API."""
    _WRITES.labels(verb, kind).inc()
    LOGGER.info("wrote", extra={"verb": verb, "kind": kind, "resource": name})


def polled(address: str, problem: str | None) -> None:
    """Note that a collector was asked."""
    _POLLS.labels("answer" if problem is None else "silence").inc()
    if problem is not None:
        LOGGER.debug("collector did not answer", extra={"address": address, "problem": problem})


def watched(kind: str) -> None:
    """Note a watched change."""
    _WATCH_EVENTS.labels(kind).inc()


def missed(kind: str, count: int) -> None:
    """Note changes that only a list found."""
    _MISSED.inc(count)
    LOGGER.warning("the watch has not told of changes", extra={"kind": kind, "count": count})


def watches_failed(error: BaseException, retry_seconds: float) -> None:
    """Note that the watches failed and begin anew."""
    _WATCH_FAILURES.inc()
    LOGGER.warning(
        "watches failed",
        extra={"error": f"{type(error).__name__}: {error}", "retry_seconds": round(retry_seconds, 1)},
    )


def lease_failed(error: BaseException) -> None:
    """Note that the lease could not be read or written."""
    LOGGER.warning("no answer about the lease", extra={"error": str(error)})


def noticed(source: str, reason: str, note: str) -> None:
    """Note a Kubernetes Event."""
    LOGGER.info("noticed", extra={"source": source, "reason": reason, "note": note})


def lead_with(leading: Callable[[], bool]) -> None:
    """Say how to find out, when metrics are read, whether this process may act."""
    _LEADER.set_function(leading)


def measure_silence(watches: tuple[str, ...], silence: Callable[[str], float]) -> None:
    """Say how to find out, when metrics are read, for how long each watch has been silent."""
    _SILENCE.clear()
    for watch in watches:
        _SILENCE.labels(watch).set_function(partial(silence, watch))


def measure_with(depth: Callable[[], int], sources: Callable[[], int]) -> None:
    """Say how to find out, when metrics are read, how much there is to do."""
    _DEPTH.set_function(depth)
    _SOURCES.set_function(sources)
