"""What was measured, as tables and goals."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from bench.goals import Goal, build_goal_table
from bench.tables import Table
from bench_operator.calls import CallCounts
from bench_operator.run import PROBE_SECONDS, PROBES, QUIET_SECONDS, Result, Use

MEBIBYTE = 1024 * 1024
NEAR = 1000
"""The goals for time are about this many sources."""


def build_tables(results: Sequence[Result], counts: CallCounts) -> list[Table]:
    """Build every table."""
    tables = [build_goals(results), _build_times(results), _build_use(results), _build_writes(results)]
    return [*tables, _build_calls(counts)]


def build_goals(results: Sequence[Result]) -> Table:
    """Hold what was measured against the goals."""
    goals = [goal for result in results for goal in _find_goals(result)]
    return replace(build_goal_table(goals), name="operator-goals", title="Goals of the operator")


def _find_goals(result: Result) -> list[Goal]:
    count = result.scale.sources
    words = _count(count)
    goals = [
        Goal(f"{words}: one more source, until its Deployment is there", 1, result.probes[-1], " s", at_most=True),
        Goal(f"{words}: CPU at rest", 5, result.idle.cores * 100, " %", at_most=True),
        Goal(f"{words}: peak RSS", 250, result.peak_rss_bytes / MEBIBYTE, " MiB", at_most=True),
        Goal(f"{words}: slowest answer of /healthz", 1, result.slowest_probe, " s", at_most=True),
        Goal(f"{words}: writes at rest", 0, result.idle.writes, at_most=True),
        Goal(f"{words}: writes after a restart", 0, result.restart_writes, at_most=True),
    ]
    if count == NEAR:
        goals.insert(0, Goal(f"{words}: until all Deployments are there", 60, result.children, " s", at_most=True))
    return goals


def _count(sources: int) -> str:
    return f"{sources:,} source{'s' if sources > 1 else ''}"


def _build_times(results: Sequence[Result]) -> Table:
    rows = tuple(
        (
            f"{result.scale.sources:,}",
            f"{result.applied:.1f}",
            f"{result.children:.1f}",
            f"{result.alone:.1f}",
            f"{result.slowest:.2f}",
            f"{result.ready:.1f}",
            f"{median(result.probes):.2f}",
            f"{result.probes[-1]:.2f}",
            f"{result.restart:.1f}",
            f"{result.slowest_probe:.2f}",
        )
        for result in results
    )
    columns = (
        "sources", "all applied", "all Deployments", "without operator", "slowest source", "all Ready",
        "one more, median", "one more, worst", "restart", "slowest probe",
    )  # fmt: skip
    note = (
        f"Seconds. 'One more' is from the apply to the Deployment with all others at rest, {PROBES} times. 'Restart' is"
        " from the start of a new process until it has asked every collector. 'Slowest probe' is the longest that /healthz"
        f" took to answer at any time, asked every {PROBE_SECONDS:g} s."
    )
    return Table("operator-times", "How long it takes", columns, rows, (note,))


def _build_use(results: Sequence[Result]) -> Table:
    rows = tuple(
        (
            f"{result.scale.sources:,}",
            *_describe(result.idle),
            *_describe(result.busy),
            f"{result.peak_rss_bytes / MEBIBYTE:.0f}",
            f"{result.restart_writes:.0f}",
        )
        for result in results
    )
    columns = (
        "sources", "% of a core at rest", "RSS MiB", "writes", "% of a core, figures growing", "RSS MiB", "writes",
        "peak RSS MiB", "writes after a restart",
    )  # fmt: skip
    seconds = {result.scale.watch_seconds for result in results}
    note = (
        f"Over {', '.join(f'{value:g}' for value in sorted(seconds))} s each, every collector being asked every 30 s and"
        f" figures written every 60 s; writes after a restart in the {QUIET_SECONDS} s after every collector was asked."
    )
    return Table("operator-use", "What it takes", columns, rows, (note,))


def _describe(use: Use) -> tuple[str, str, str]:
    return f"{use.cores * 100:.1f}", f"{use.rss_bytes / MEBIBYTE:.0f}", f"{use.writes:.0f}"


def _build_calls(counts: CallCounts) -> Table:
    phases = (counts.applying, counts.resting, counts.restarting)
    kinds = sorted({kind for phase in phases for kind in phase})
    rows = tuple((" ".join(kind), *(f"{phase[kind]:,}" for phase in phases)) for kind in kinds)
    columns = ("request", "until all are Ready", "a minute at rest", "a restart")
    note = "Leases are the leader election's. Lists come in pages of 100."
    return Table("operator-calls", f"Every request, {counts.sources:,} sources", columns, rows, (note,))


def _build_writes(results: Sequence[Result]) -> Table:
    calls = [Counter(result.calls) for result in results]
    labels = sorted({label for counter in calls for label in counter})
    rows = tuple((_name(label), *(f"{counter[label]:,.0f}" for counter in calls)) for label in labels)
    columns = ("write", *(_count(result.scale.sources) for result in results))
    return Table("operator-writes", "Writes until all are Ready and quiet", columns, rows)


def _name(label: str) -> str:
    """`kind="Service",verb="apply"` -> `apply Service`."""
    parts = dict(part.split("=", 1) for part in label.split(","))
    return f"{parts['verb']} {parts['kind']}".replace('"', "")
