"""Alerts about backfills: those that only a person can help, and those that do not get on."""

from observability.rule_file import Alert, Group, Severity

_WHO = "{{ $labels.namespace }}/{{ $labels.backfill }}"


def build_groups() -> list[Group]:
    """Build the group."""
    return [Group("cloudtrail-backfills", _BACKFILLS)]


_BACKFILLS = (
    Alert(
        name="CloudTrailBackfillStalled",
        severity=Severity.WARNING,
        summary="A backfill has failed, or cannot go on without a person.",
        description=f"Backfill {_WHO} is Stalled: a part of its interval was given up, or it cannot begin.",
        expr="""
            max by (namespace, backfill) (cloudtrail_backfill_condition{type="Stalled",status="True"}) == 1
        """,
        wait="5m",
    ),
    Alert(
        name="CloudTrailBackfillStuck",
        severity=Severity.WARNING,
        summary="A backfill is at work, and gets nothing done.",
        description=f"Backfill {_WHO} has pods, and for long none of them has noted that anything is done.",
        # At its end a backfill waits a quarter of an hour for late files.
        expr="""
            max by (namespace, backfill) (cloudtrail_backfill_shares{state="active"}) > 0
            unless max by (namespace, backfill) (changes(cloudtrail_backfill_units{state="done"}[30m])) > 0
            unless max by (namespace, backfill) (changes(cloudtrail_backfill_objects{state="done"}[30m])) > 0
        """,
        wait="30m",
    ),
)
