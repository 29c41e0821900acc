"""`promtool test rules`: what an alert says at a minute, given series."""

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Rule = dict[str, Any]

_LABEL = re.compile(r"\{\{ \$labels\.([a-z_]+) \}\}")
_VALUE = re.compile(r"\{\{ \$value( \| [a-zA-Z]+)? \}\}")


class AlertTest:
    """Tests of one alert. A value of a series stands for `step` minutes; so often rules are evaluated."""

    def __init__(self, shipped: Rule, alert: str, step: int = 1) -> None:
        """Take the alert out of the file of rules, and the recorded figures with it: all others would only cost time."""
        rules = [rule for group in shipped["groups"] for rule in group["rules"]]
        self.rule = next(rule for rule in rules if rule.get("alert") == alert)
        figures = [rule for rule in rules if "record" in rule]
        names = _find_names(self.rule["expr"], figures)
        needed = [figure for figure in figures if figure["record"] in names]
        self._rules = {"groups": [{"name": "tested", "rules": [*needed, self.rule]}]}
        self._step = f"{step}m"
        self._tests: list[Rule] = []

    def expect(self, what: str, at: int, series: Mapping[str, str], forms: Sequence[Rule]) -> None:
        """Expect the alert in exactly these forms at a minute."""
        expected = {"eval_time": f"{at}m", "alertname": self.rule["alert"], "exp_alerts": list(forms)}
        self._tests.append(
            {
                "name": f"{self.rule['alert']}: {what}",
                "interval": self._step,
                "input_series": [{"series": key, "values": values} for key, values in series.items()],
                "alert_rule_test": [expected],
            }
        )

    def build_form(self, labels: Mapping[str, str], value: str) -> Rule:
        """Build what the alert says, with all its annotations filled in; KeyError for a label that it has not."""
        texts = {key: _fill_in(text, labels, value) for key, text in self.rule["annotations"].items()}
        return {"exp_labels": {**labels, **self.rule["labels"]}, "exp_annotations": texts}

    def write(self, directory: Path) -> Path:
        """Write promtool's two files; returns the tests'."""
        rules, tests = (directory / f"{self.rule['alert']}-{part}.yaml" for part in ("rules", "tests"))
        rules.write_text(yaml.safe_dump(self._rules), encoding="utf-8")
        document = {"rule_files": [rules.name], "evaluation_interval": self._step, "tests": self._tests}
        tests.write_text(yaml.safe_dump(document), encoding="utf-8")
        return tests


def run_tests(promtool: Path, tests: Iterable[AlertTest], directory: Path) -> str | None:
    """Run tests; what promtool says when one fails."""
    command = [str(promtool), "test", "rules", *(str(test.write(directory)) for test in tests)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    return None if ended.returncode == 0 else ended.stdout + ended.stderr


def _find_names(expr: str, figures: Sequence[Rule]) -> set[str]:
    """Names of the recorded figures that an expression needs, and of those that they need."""
    found = [figure for figure in figures if figure["record"] in expr]
    return {figure["record"] for figure in found}.union(*(_find_names(one["expr"], figures) for one in found))


def _fill_in(text: str, labels: Mapping[str, str], value: str) -> str:
    return _VALUE.sub(value, _LABEL.sub(lambda match: labels[match[1]], text))
