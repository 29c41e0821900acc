"""Alerts about the operator itself. Collectors go on while it is away; what is changed meanwhile waits."""

from observability.rule_file import OPERATOR_JOB, Alert, Group, Severity

_JOB = f'{{job="{OPERATOR_JOB}"}}'


def build_groups() -> list[Group]:
    """Build the group."""
    return [Group("cloudtrail-operator", _ALERTS)]


_ALERTS = (
    Alert(
        name="CloudTrailOperatorDown",
        severity=Severity.CRITICAL,
        summary="The operator is not there.",
        description="Prometheus reaches no operator: changes of sources wait, and their conditions are old.",
        expr=f"absent(up{_JOB} == 1)",
        wait="5m",
    ),
    Alert(
        name="CloudTrailOperatorLeaderMissing",
        severity=Severity.CRITICAL,
        summary="No operator leads.",
        description="Operators run in namespace {{ $labels.namespace }}, and none of them leads: nobody acts.",
        expr="sum by (namespace) (cloudtrail_operator_leader) == 0",
        wait="3m",
    ),
    Alert(
        name="CloudTrailOperatorTwoLeaders",
        severity=Severity.CRITICAL,
        summary="Several operators lead.",
        description="{{ $value }} operators in namespace {{ $labels.namespace }} lead at the same time.",
        expr="sum by (namespace) (cloudtrail_operator_leader) > 1",
        wait="2m",
    ),
    Alert(
        name="CloudTrailOperatorMissedChanges",
        severity=Severity.WARNING,
        summary="The operator has not been told of changes.",
        description="A list found changes that no watch had told operator {{ $labels.pod }}. It has mended them.",
        expr="sum by (namespace, pod) (increase(cloudtrail_operator_missed_changes_total[15m])) > 0",
    ),
    Alert(
        name="CloudTrailOperatorWatchDead",
        severity=Severity.CRITICAL,
        summary="A watch of the operator is silent.",
        description="The watch {{ $labels.watch }} of operator {{ $labels.pod }} has told nothing for"
        " {{ $value | humanizeDuration }}, not even that it lives: the operator reacts within minutes instead of seconds.",
        # Three minutes of silence restart the operator. Once is no alert; one restart after the other is.
        expr="""
            max by (namespace, pod, watch) (max_over_time(cloudtrail_operator_watch_silence_seconds[5m])) > 180
        """,
        wait="10m",
    ),
    Alert(
        name="CloudTrailOperatorReconcileFailing",
        severity=Severity.WARNING,
        summary="The operator fails at sources.",
        description="{{ $value | humanizePercentage }} of the looks of operator {{ $labels.pod }} at sources fail.",
        expr="""
            sum by (namespace, pod) (increase(cloudtrail_operator_reconcile_total{result="failure"}[15m]))
            / sum by (namespace, pod) (increase(cloudtrail_operator_reconcile_total[15m]))
            > 0.1 # failingShare
        """,
        wait="15m",
    ),
    Alert(
        name="CloudTrailOperatorCannotReachCollectors",
        severity=Severity.WARNING,
        summary="Collectors do not answer the operator.",
        description="{{ $value | humanizePercentage }} of the times that operator {{ $labels.pod }} asks a collector for its"
        " status, there is no answer: conditions of sources are unknown or old.",
        expr="""
            sum by (namespace, pod) (increase(cloudtrail_operator_polls_total{result="silence"}[15m]))
            / sum by (namespace, pod) (increase(cloudtrail_operator_polls_total[15m]))
            > 0.5
        """,
        wait="15m",
    ),
)
