"""Filter rules: what Python refuses beyond what the CRD can, always with the rule's name, and the rule sets."""

from typing import Any

import pytest
from pydantic import ValidationError

from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.filters import RULE_SET_DESCRIPTIONS, FieldSelector, FilterAction, FilterRule, RuleSet
from cloudtrail_spec.rule_sets import RULE_SETS, expand_rule
from cloudtrail_spec.source import CloudTrailSourceSpec
from support.sources import build_filter, build_spec


def _list_mistakes(rule: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        CloudTrailSourceSpec.model_validate(build_spec(filters=[rule]))
    return describe_errors(caught.value)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (
            build_filter("drop-x", field="ct.foo"),
            "spec.filters[0].fieldSelectors[0]: rule drop-x: no such field ct.foo",
        ),
        (build_filter("drop-x", field="iam.x"), "spec.filters[0].fieldSelectors[0]: rule drop-x: no such field iam.x"),
        (
            build_filter("net", notCidr=["10.0.0.1/8"]),
            "spec.filters[0].fieldSelectors[0]: rule net: notCidr must be networks or addresses: 10.0.0.1/8 has host bits",
        ),
        (build_filter("many") | {"colour": "red"}, "spec.filters[0].colour: rule many: unknown field"),
        (
            build_filter("what", action="Mask"),
            "spec.filters[0].action: rule what: Input should be 'Drop', 'Keep' or 'Sample'",
        ),
        (
            build_filter("both") | {"oneIn": 3},
            "spec.filters[0]: rule both: oneIn is needed with, and only allowed with",
        ),
    ],
)
def test_a_broken_rule_is_refused_by_its_name(rule: dict[str, Any], line: str) -> None:
    assert [found for found in _list_mistakes(rule) if found.startswith(line)], _list_mistakes(rule)


def test_a_pattern_that_is_no_re2_is_shown() -> None:
    (line, *_) = _list_mistakes(build_filter("look", notMatches=["^ok$", "(?=a)b"]))
    assert line.startswith("spec.filters[0].fieldSelectors[0]: rule look: notMatches must be RE2 expressions: (?=a)b:")


def test_a_rule_without_a_name_is_told_by_its_place() -> None:
    assert "spec.filters[0].name: Field required" in _list_mistakes({"ruleSet": "console-noise"})


def test_networks_and_addresses_of_both_kinds_are_taken() -> None:
    FieldSelector(field="ct.srcip", cidr=("10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "2001:db8::1"))


def test_every_rule_set_is_described_and_only_drops() -> None:
    assert RULE_SETS.keys() == RULE_SET_DESCRIPTIONS.keys() == set(RuleSet)
    assert {rule.action for rules in RULE_SETS.values() for rule in rules} == {FilterAction.DROP}


def test_a_rule_stands_for_itself_or_for_its_set() -> None:
    own = FilterRule.model_validate(build_filter())
    assert list(expand_rule(own)) == [own]
    named = FilterRule(name="quiet", rule_set=RuleSet.CONSOLE_NOISE)
    assert list(expand_rule(named)) == list(RULE_SETS[RuleSet.CONSOLE_NOISE])
