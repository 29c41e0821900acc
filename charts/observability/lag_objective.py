"""The service level objective for lag: 99 % of log files are delivered within two minutes of being written, over 30 days.

CloudTrail writes about every five minutes. A window of 5 minutes, usual for such alerts, often holds no file at all:
the short windows here are 15 minutes and longer. A window without files gives NaN, which is above no threshold. A
source with few files would page for a single late one: several must be late.
"""

from dataclasses import dataclass

from observability.rule_file import Alert, Group, Recording, Severity

LIMIT_BUCKET = "120.0"
BUDGET = "0.01 # lagBudget"
LATE_FILES = "2 # lateFiles"
_LAG = "cloudtrail_collector_object_lag_seconds"
_WINDOWS = ("15m", "30m", "1h", "6h", "3d")


@dataclass(frozen=True, slots=True)
class _Burn:
    """The budget burns so many times faster than it may, over a long window and still in the short one."""

    suffix: str
    severity: Severity
    factor: str
    long: str
    short: str
    share: str

    def build_alert(self) -> Alert:
        return Alert(
            name=f"CloudTrailLagBurn{self.suffix}",
            severity=self.severity,
            summary="Log files are delivered too late, and the error budget burns.",
            description=(
                "Of the log files that source {{ $labels.namespace }}/{{ $labels.source }} delivered in the last"
                f" {self.long}, {{{{ $value | humanizePercentage }}}} came later than two minutes after they were"
                f" written: {self.share} of the budget of 30 days is gone."
            ),
            expr=f"""
                {ratio(self.long)} > {self.factor} * {BUDGET}
                and {ratio(self.short)} > {self.factor} * {BUDGET}
                and {late_files(self.long)} > {LATE_FILES}
            """,
            chapter="CloudTrailLagBurn",
        )


_BURNS = (
    _Burn("Fast", Severity.CRITICAL, "14.4", "1h", "15m", "2 %"),
    _Burn("Medium", Severity.CRITICAL, "6", "6h", "30m", "5 %"),
    _Burn("Slow", Severity.WARNING, "1", "3d", "6h", "10 %"),
)


def ratio(window: str) -> str:
    """Name the recorded share of late files."""
    return f"namespace_source:cloudtrail_late_files:ratio_rate{window}"


def late_files(window: str) -> str:
    """Name the recorded number of late files."""
    return f"namespace_source:cloudtrail_late_files:increase{window}"


def build_groups() -> list[Group]:
    """Build the recorded figures and the alerts on them."""
    figures = [figure for window in _WINDOWS for figure in _build_figures(window)]
    return [
        Group("cloudtrail-lag-objective", figures),
        Group("cloudtrail-lag-burn", [burn.build_alert() for burn in _BURNS]),
    ]


def _build_figures(window: str) -> tuple[Recording, Recording]:
    return (
        Recording(
            late_files(window),
            f"""
            sum by (namespace, source) (increase({_LAG}_count[{window}]))
            - sum by (namespace, source) (increase({_LAG}_bucket{{le="{LIMIT_BUCKET}"}}[{window}]))
            """,
        ),
        Recording(
            ratio(window),
            f"""
            {late_files(window)}
            / sum by (namespace, source) (increase({_LAG}_count[{window}]))
            """,
        ),
    )
