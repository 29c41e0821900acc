"""Prints findings: for people as they come, for programs as one document at the end."""

import json
import textwrap
from collections import Counter
from typing import Any

from cloudtrail_spec.report import SetupFinding, SetupVerdict

_WORDS = {
    SetupVerdict.RIGHT: "right",
    SetupVerdict.WRONG: "WRONG",
    SetupVerdict.NOT_ALLOWED: "not allowed to look",
    SetupVerdict.NOT_ASKED: "not known",
}
_COLUMN = 16
_WIDTH = 120


class TextReport:
    """A paragraph for each finding. The line that mends it stands alone and unbroken, so that it can be copied."""

    def __init__(self) -> None:
        self._counts: Counter[SetupVerdict] = Counter()

    def add(self, finding: SetupFinding) -> None:
        """Print a finding."""
        self._counts[finding.verdict] += 1
        sentence = f"{_WORDS[finding.verdict]}: {finding.message}"
        indent = " " * _COLUMN
        _say(textwrap.fill(sentence, _WIDTH, initial_indent=f"{finding.step:<{_COLUMN}}", subsequent_indent=indent,
                           break_long_words=False, break_on_hyphens=False))  # fmt: skip
        if finding.mend:
            _say(f"{indent}{_introduce(finding.verdict)}", f"  {finding.mend}")

    def end(self) -> None:
        """Print what it comes to."""
        parts = [f"{self._counts[verdict]} {word.lower()}" for verdict, word in _WORDS.items() if self._counts[verdict]]
        _say("", ", ".join(parts))


class JsonReport:
    """An object with all findings."""

    def __init__(self) -> None:
        self._findings: list[dict[str, Any]] = []

    def add(self, finding: SetupFinding) -> None:
        """Keep a finding."""
        self._findings.append(finding.model_dump(mode="json", by_alias=True, exclude_none=True))

    def end(self) -> None:
        """Print the document."""
        _say(json.dumps({"findings": self._findings}, indent=2, ensure_ascii=False))


def _introduce(verdict: SetupVerdict) -> str:
    return "to mend it:" if verdict is SetupVerdict.WRONG else "to know more:"


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # noqa: T201  (a command's answer)
