"""`python -m observability DIRECTORY`: writes the generated rules and dashboards into the directory."""

import sys
from pathlib import Path

from observability import (
    activity_alerts,
    activity_dashboard,
    backfill_alerts,
    fleet_dashboard,
    lag_objective,
    operator_alerts,
    source_alerts,
    source_dashboard,
)
from observability.rule_file import render_rules

RULES = "prometheus-rules.yaml"
DASHBOARDS = "dashboards"


def main(arguments: list[str]) -> int:
    """Write everything."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m observability DIRECTORY\n")
        return 2
    directory = Path(arguments[0])
    parts = (lag_objective, source_alerts, backfill_alerts, operator_alerts, activity_alerts)
    rules = render_rules([group for part in parts for group in part.build_groups()])
    (directory / RULES).write_text(rules, encoding="utf-8")
    (directory / DASHBOARDS).mkdir(exist_ok=True)
    for module in (fleet_dashboard, source_dashboard, activity_dashboard):
        dashboard = module.build_dashboard()
        (directory / DASHBOARDS / f"{dashboard.name}.json").write_text(dashboard.render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
