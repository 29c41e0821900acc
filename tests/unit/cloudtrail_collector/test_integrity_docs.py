"""docs/integrity.md says what the command finds."""

from pathlib import Path

from cloudtrail_collector.core.integrity.findings import FindingKind

PAGE = (Path(__file__).parents[3] / "docs" / "integrity.md").read_text()


def test_table_of_findings_says_what_holds() -> None:
    _, _, table = PAGE.partition("| finding | level | what it means |\n|---|---|---|\n")
    rows = [line for line in table.split("\n\n", 1)[0].splitlines() if line]
    assert rows == [f"| `{kind.value}` | {kind.level.value} | {kind.sentence} |" for kind in FindingKind]
