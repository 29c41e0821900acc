"""The dashboard of activities in AWS, from the event metrics of sources."""

from observability.activity_alerts import ACTIVITIES
from observability.grafana import Dashboard, Panel, Query, Row
from observability.queries import NAMESPACES, SOURCES, sum_increase, sum_rate

_MATCHES = "event_matches_total"
# Rules of the preset are called <name>/<activity>.
_CIS = 'rule=~"[^/]+/.+"'
_OWN = 'rule!~".+/.+"'
_LABELS = {
    "event_name": "Calls",
    "event_source": "Services",
    "account_id": "Accounts",
    "region": "Regions",
    "identity_type": "Identities",
    "error_code": "Errors",
}
_SHOWN = {
    "root-use": "Use of root",
    "cloudtrail-changes": "Changes of trails",
    "kms-key-disabling": "Keys disabled",
    "console-sign-in-without-mfa": "Sign-ins without MFA",
    "console-sign-in-failures": "Failed sign-ins",
    "unauthorized-api-calls": "Refused calls",
}


def build_dashboard() -> Dashboard:
    """Build it."""
    return Dashboard(
        name="activity",
        title="CloudTrail / Security activity",
        description="What happens in AWS, by the rules in the metrics of sources: the preset cis-aws-foundations, and your"
        " own. A source without metrics shows nothing here.",
        variables=(NAMESPACES, SOURCES),
        rows=(
            Row("Watch closely", [_build_count(name, title) for name, title in _SHOWN.items()]),
            Row("CIS AWS Foundations Benchmark", _ACTIVITIES),
            Row("Own rules", _RULES),
            Row("Own rules by label", [_build_top(label, title) for label, title in _LABELS.items()]),
        ),
    )


def _build_count(activity: str, title: str) -> Panel:
    matches = sum_increase(_MATCHES, labels=f'rule=~"[^/]+/{activity}"')
    return Panel(
        title=title,
        description=f"{ACTIVITIES[activity].what}: events in the time that is shown.",
        queries=[Query(f"round({matches})", title)],
        unit="none",
        kind="stat",
        width=4,
        height=4,
        bad_from=1,
    )


def _build_top(label: str, title: str) -> Panel:
    labels = f'{_OWN},{label}!=""'
    return Panel(
        title=title,
        description=f"The ten most frequent, of rules that have the label {label}.",
        queries=[
            Query(f"topk(10, {sum_increase(_MATCHES, 'rule', label, labels=labels)})", f"{{{{rule}}}} {{{{{label}}}}}")
        ],
        unit="none",
        kind="bargauge",
    )


_ACTIVITIES = (
    Panel(
        title="Activities",
        description="Events of each activity in the time that is shown.",
        queries=[Query(f"sort_desc({sum_increase(_MATCHES, 'rule', labels=_CIS)})", "{{rule}}")],
        unit="none",
        kind="bargauge",
        width=12,
        height=10,
    ),
    Panel(
        title="Activities over time",
        description="Events of each activity in a second.",
        queries=[Query(sum_rate(_MATCHES, "rule", labels=_CIS), "{{rule}}")],
        unit="eps",
        width=12,
        height=10,
    ),
)
_RULES = (
    Panel(
        title="Rules over time",
        description="Events that each rule of your own matches in a second.",
        queries=[Query(sum_rate(_MATCHES, "rule", labels=_OWN), "{{rule}}")],
        unit="eps",
        width=12,
    ),
    Panel(
        title="By source",
        description="Events that rules of your own match in a second, by source.",
        queries=[
            Query(sum_rate(_MATCHES, "namespace", "source", labels=_OWN), "{{namespace}}/{{source}}"),
        ],
        unit="eps",
        width=12,
    ),
)
