"""`python -m chart_values CHARTS`: writes the tables of the READMEs, and the schema of cloudtrail-sources."""

import json
import sys
from pathlib import Path

from chart_values.rows import read_rows
from chart_values.source_schema import build_schema
from chart_values.table import insert_table
from cloudtrail_spec.crd import build_crds

CHARTS = ("cloudtrail-operator", "cloudtrail-sources")


def main(arguments: list[str]) -> int:
    """Write everything."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m chart_values CHARTS\n")
        return 2
    charts = Path(arguments[0])
    for path, text in render(charts).items():
        path.write_text(text, encoding="utf-8")
    return 0


def render(charts: Path) -> dict[Path, str]:
    """Render each file that is generated, all or in part."""
    schema = json.dumps(build_schema(build_crds().values()), indent=1, ensure_ascii=False)
    readmes = {charts / chart / "README.md": render_readme(charts / chart) for chart in CHARTS}
    return readmes | {charts / "cloudtrail-sources" / "values.schema.json": f"{schema}\n"}


def render_readme(chart: Path) -> str:
    """Render a chart's README with the table of its values as they are."""
    rows = read_rows((chart / "values.yaml").read_text(encoding="utf-8"))
    return insert_table((chart / "README.md").read_text(encoding="utf-8"), rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
