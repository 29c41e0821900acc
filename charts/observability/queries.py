"""Expressions that panels share. Everything is about the chosen namespaces and sources."""

from observability.grafana import Choice, Query

CHOSEN = 'namespace=~"$namespace",source=~"$source"'
NAMESPACES = Choice("namespace", "cloudtrail_source_info, namespace")
SOURCES = Choice("source", 'cloudtrail_source_info{namespace=~"$namespace"}, source')
PER_SOURCE = "{{namespace}}/{{source}}"
_QUANTILES = ("0.5", "0.95", "0.99")


def pick(metric: str, labels: str = "") -> str:
    """Choose series of a collector's metric, named without its prefix."""
    return f"cloudtrail_collector_{metric}{{{CHOSEN}{',' if labels else ''}{labels}}}"


def told(metric: str, labels: str = "") -> str:
    """Choose what operators tell about sources; several that run tell the same."""
    chosen = f"cloudtrail_source_{metric}{{{CHOSEN}{',' if labels else ''}{labels}}}"
    return f"max by (namespace, source) ({chosen})"


def sum_rate(metric: str, *by: str, labels: str = "") -> str:
    """Add up the rates of a counter, for each value of some labels."""
    return _sum(f"rate({pick(metric, labels)}[$__rate_interval])", by)


def sum_increase(metric: str, *by: str, labels: str = "") -> str:
    """Count over the whole time that is shown."""
    return _sum(f"increase({pick(metric, labels)}[$__range])", by)


def maximum(metric: str, *by: str, labels: str = "") -> str:
    """Take the greatest: figures of the queue are the same from every collector."""
    return f"max{_by(by)} ({pick(metric, labels)})"


def quantile(share: str, metric: str, *by: str) -> str:
    """Estimate a quantile of a histogram."""
    rates = sum_rate(f"{metric}_bucket", *by, "le")
    return f"histogram_quantile({share}, {rates})"


def quantiles(metric: str) -> list[Query]:
    """Ask for median, 95th and 99th percentile."""
    return [Query(quantile(share, metric), f"p{float(share) * 100:g}") for share in _QUANTILES]


def or_zero(expr: str) -> str:
    """Count: no series is none."""
    return f"{expr} or vector(0)"


def _sum(expr: str, by: tuple[str, ...]) -> str:
    return f"sum{_by(by)} ({expr})"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
