"""Filter rules: CloudTrail's own advanced-event-selector form with patterns, networks and an action; and rule sets.

Source: CloudTrail API reference, `AdvancedFieldSelector`.
"""

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, ModelWrapValidatorHandler, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from cloudtrail_spec.base import ApiModel, CelRule, describe_mistake, explain_pattern, list_mistakes
from cloudtrail_spec.falco_fields import is_falco_field
from cloudtrail_spec.patterns import compile_pattern

OPERATORS = {
    "equals": "equals",
    "not_equals": "notEquals",
    "starts_with": "startsWith",
    "not_starts_with": "notStartsWith",
    "ends_with": "endsWith",
    "not_ends_with": "notEndsWith",
    "matches": "matches",
    "not_matches": "notMatches",
    "cidr": "cidr",
    "not_cidr": "notCidr",
}
"""The operators by their names in Python, with those in the API."""
FIELD_PATH_PATTERN = r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$"

RuleName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63),
    explain_pattern("must be lower-case letters, digits and dashes, with no dash at the ends"),
]
Values = Annotated[
    tuple[Annotated[str, StringConstraints(max_length=2048)], ...],
    Field(min_length=1, max_length=256),
]
# 64 rules of 16 selectors of 16 patterns of 512 characters: a third of what the API server lets a CEL rule cost.
Patterns = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=512)], ...],
    Field(min_length=1, max_length=16),
]
Networks = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$", max_length=49)], ...],
    Field(min_length=1, max_length=256),
]


class FilterAction(StrEnum):
    """What a rule does with the event records that it matches."""

    DROP = "Drop"
    KEEP = "Keep"
    SAMPLE = "Sample"


class RuleSet(StrEnum):
    """A ready-made set of rules."""

    READ_ONLY_NOISE = "read-only-noise"
    AWS_SERVICE_NOISE = "aws-service-noise"
    CONSOLE_NOISE = "console-noise"


RULE_SET_DESCRIPTIONS: Mapping[RuleSet, str] = {
    RuleSet.READ_ONLY_NOISE: "drops what only reads (readOnly, eventName begins with Describe, List, Get, Head,"
    " BatchGet, BatchDescribe, Lookup or Search): most of what trails record. Kept are"
    " calls that failed, calls of root, data events, and calls that give out secrets, credentials or code or tell an"
    " intruder where he is (GetSecretValue, GetSessionToken, GetCallerIdentity and the like)",
    RuleSet.AWS_SERVICE_NOISE: "drops what AWS services do on their own: AssumeRole of service roles, use of KMS keys"
    " (not grants nor changes), and their reading calls. Kept are calls that"
    " failed and everything else that a service changes",
    RuleSet.CONSOLE_NOISE: "drops the reading calls that pages of the AWS console make by themselves (the record says that"
    " its credentials came from the console, or its user agent is a browser's or the console's). Kept is what"
    " read-only-noise keeps",
}
"""What each rule set drops and why, to follow its name."""

PATTERN_MESSAGE = "must be RE2 expressions"
OPERATOR_RULE = CelRule(
    " || ".join(f"has(self.{name})" for name in OPERATORS.values()),
    "a field selector needs at least one of equals, startsWith, endsWith, matches, cidr, or one of these with not",
)
# Evaluating the expression compiles it: one that is no RE2 makes the rule fail.
PATTERN_RULES = tuple(
    CelRule(
        f"!has(self.{name}) || self.{name}.all(p, ''.matches(p) ? true : true)", f"{name} {PATTERN_MESSAGE}", f".{name}"
    )
    for name in ("matches", "notMatches")
)


class FieldSelector(ApiModel):
    """A test on one field of an event record. All given operators must hold; values of one are alternatives."""

    field: Annotated[str, StringConstraints(pattern=FIELD_PATH_PATTERN, max_length=256)] = Field(
        description="Path of the field in the event record, such as"
        " userIdentity.sessionContext.sessionIssuer.userName, or a field of Falco's CloudTrail plugin, such as ct.user."
        " Booleans and numbers compare by their JSON text; elements of lists are alternatives; only operators with"
        " 'not' hold for an absent field.",
    )
    equals: Values | None = Field(None, description="The field is exactly one of these values.")
    not_equals: Values | None = Field(None, description="The field is none of these values.")
    starts_with: Values | None = Field(None, description="The field begins with one of these values.")
    not_starts_with: Values | None = Field(None, description="The field begins with none of these values.")
    ends_with: Values | None = Field(None, description="The field ends with one of these values.")
    not_ends_with: Values | None = Field(None, description="The field ends with none of these values.")
    matches: Patterns | None = Field(None, description="One of these RE2 expressions is found in it.")
    not_matches: Patterns | None = Field(None, description="None of these RE2 expressions is found in it.")
    cidr: Networks | None = Field(None, description="The field is an address in one of these networks or addresses.")
    not_cidr: Networks | None = Field(None, description="The field is no address in any of these networks.")

    cel_rules: ClassVar = (OPERATOR_RULE, *PATTERN_RULES)

    @model_validator(mode="after")
    def _check(self) -> Self:
        is_falco_field(self.field)
        if all(getattr(self, name) is None for name in OPERATORS):
            raise ValueError(OPERATOR_RULE.message)
        for rule, patterns in zip(PATTERN_RULES, (self.matches, self.not_matches), strict=True):
            for pattern in patterns or ():
                _check_pattern(pattern, rule.message)
        for name, networks in (("cidr", self.cidr), ("notCidr", self.not_cidr)):
            for network in networks or ():
                _check_network(network, name)
        return self


FORM_RULE = CelRule(
    "has(self.ruleSet) ? !has(self.action) && !has(self.fieldSelectors) : has(self.action) && has(self.fieldSelectors)",
    "a filter needs either ruleSet, or action and fieldSelectors",
)
SAMPLE_RULE = CelRule(
    "has(self.oneIn) == (has(self.action) && self.action == 'Sample')",
    "oneIn is needed with, and only allowed with, action Sample",
)


class FilterRule(ApiModel):
    """A named rule: an action on the event records that all of its field selectors match; or a ready-made set of rules."""

    name: RuleName = Field(description="Name of the rule; it labels the rule's counter and its errors.")
    action: FilterAction | None = Field(
        None,
        description="Drop discards the matching event records, Keep passes them on, Sample passes one in oneIn on and"
        " discards the others. The first rule that matches decides; an event record that no rule matches is kept.",
    )
    field_selectors: Annotated[tuple[FieldSelector, ...], Field(min_length=1, max_length=16)] | None = Field(
        None, description="Tests on fields of the event record; all must hold for the rule to match."
    )
    one_in: Annotated[int, Field(ge=2, le=1_000_000)] | None = Field(
        None,
        description="Action Sample keeps one event record in so many, chosen by a hash of eventID: the same in every"
        " collector. Those without an eventID are kept.",
    )
    rule_set: RuleSet | None = Field(
        None,
        description="A ready-made set of rules in place of action and fieldSelectors. "
        + " ".join(f"{name} {text}." for name, text in RULE_SET_DESCRIPTIONS.items()),
    )

    cel_rules: ClassVar = (FORM_RULE, SAMPLE_RULE)

    @model_validator(mode="after")
    def _check(self) -> Self:
        own = (self.action is not None, self.field_selectors is not None)
        if any(own) if self.rule_set else not all(own):
            raise ValueError(FORM_RULE.message)
        if (self.one_in is not None) != (self.action is FilterAction.SAMPLE):
            raise ValueError(SAMPLE_RULE.message)
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_rule(cls, value: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        """Put the rule's name before every mistake in it: people know rules by name, not by number."""
        try:
            return build(value)
        except ValidationError as error:
            name = value.get("name") if isinstance(value, dict) else None
            if not isinstance(name, str):
                raise
            raise ValidationError.from_exception_data(
                cls.__name__, [_add_name(item, name) for item in list_mistakes(error)]
            ) from error


def _add_name(mistake: Any, name: str) -> InitErrorDetails:
    text = PydanticCustomError(
        "filter_rule", "rule {name}: {mistake}", {"name": name, "mistake": describe_mistake(mistake)}
    )
    return InitErrorDetails(type=text, loc=mistake["loc"], input=mistake["input"])


def _check_pattern(pattern: str, message: str) -> None:
    try:
        compile_pattern(pattern)
    except ValueError as error:
        raise ValueError(f"{message}: {pattern}: {error}") from error


def _check_network(network: str, name: str) -> None:
    try:
        ip_network(network)
    except ValueError as error:
        raise ValueError(f"{name} must be networks or addresses: {error}") from error
