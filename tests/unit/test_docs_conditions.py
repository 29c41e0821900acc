"""docs/conditions.md has every condition type and every reason, with cause and cure, and no other."""

import re
from pathlib import Path

from cloudtrail_spec.conditions import ConditionType, Reason

PAGE = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text(encoding="utf-8")


def _find_names(section: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \| .+ \|$", section, re.MULTILINE)


def test_every_type_is_documented() -> None:
    assert sorted(_find_names(PAGE.split("## Reasons")[0])) == sorted(ConditionType)


def test_every_reason_has_a_cause_and_a_cure() -> None:
    reasons = PAGE.split("## Reasons", 1)[1]
    assert sorted(_find_names(reasons)) == sorted(Reason)
    assert all(len(line.split(" | ")) == 3 for line in reasons.splitlines() if line.startswith("| `"))
