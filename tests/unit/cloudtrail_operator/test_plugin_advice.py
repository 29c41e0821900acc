"""The plugin says what docs/conditions.md says: one text in two places, and the page is where it is written."""

import json
import os
import re
from pathlib import Path

import pytest

from cloudtrail_operator.plugin import advice
from cloudtrail_spec.conditions import ConditionType, Reason

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "conditions.md"
FILE = Path(advice.__file__).with_name("advice.json")


def _read_rows(text: str) -> list[list[str]]:
    """Cells of the tables' rows, with nothing of Markdown left in them."""
    rows = [line.strip().strip("|").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [[_strip(cell) for cell in row] for row in rows]


def _strip(cell: str) -> str:
    cell = re.sub(r"\[[^\]]*\]\(([^)]+)\)", r"docs/\1", cell.strip())
    return cell.replace("`", "")


def _read_page() -> dict[str, dict[str, str]]:
    types, reasons = PAGE.read_text(encoding="utf-8").split("## Reasons", 1)
    return {
        "types": {row[0]: row[1] for row in _read_rows(types)},
        "reasons": {row[0]: row[2] for row in _read_rows(reasons)},
    }


def test_advice_is_what_the_page_says() -> None:
    wanted = _read_page()
    if os.environ.get("UPDATE_GOLDEN"):
        FILE.write_text(json.dumps(wanted, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(FILE.read_text(encoding="utf-8")) == wanted, "UPDATE_GOLDEN=1 writes it anew"


def test_polarity_is_known() -> None:
    kinds = (ConditionType.QUEUE_REACHABLE, ConditionType.LAGGING, ConditionType.STALLED)
    assert [advice.find_good(kind) for kind in kinds] == ["True", "False", advice.ABSENT]


@pytest.mark.parametrize("reason", Reason)
def test_advice_is_plain_text(reason: Reason) -> None:
    words = advice.find_advice(reason)
    assert words is None or re.search(r"[`\[\]|]", words) is None


def test_nothing_is_said_of_what_is_well_or_unknown() -> None:
    assert advice.find_advice(Reason.COLLECTING) is None
    assert advice.find_advice("OfALaterVersion") is None
    assert advice.find_good("OfALaterVersion") is None
