"""What each condition and reason means to a person: which status is the good one, and what to do about the others.

The words are those of docs/conditions.md: a test writes them into advice.json (UPDATE_GOLDEN=1) and holds the two equal.
"""

import json
from functools import cache
from importlib.resources import files

ABSENT = "absent"
NOTHING_TO_DO = "nothing"


def find_good(kind: str) -> str | None:
    """Return the status that is good for a condition type: True, False or `absent`; None for an unknown type."""
    return _read()["types"].get(kind)


def find_advice(reason: str) -> str | None:
    """Return what to do about a reason; None when there is nothing to do, or when it is not known."""
    words = _read()["reasons"].get(reason)
    return None if words is None or words == NOTHING_TO_DO else words


@cache
def _read() -> dict[str, dict[str, str]]:
    text = (files("cloudtrail_operator.plugin") / "advice.json").read_text(encoding="utf-8")
    advice: dict[str, dict[str, str]] = json.loads(text)
    return advice
