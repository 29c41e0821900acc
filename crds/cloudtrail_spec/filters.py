"""Filter rules: CloudTrail's own advanced-event-selector form, plus an action.

Source: CloudTrail API reference, `AdvancedFieldSelector`.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from cloudtrail_spec.base import ApiModel, CelRule

OPERATORS = ("equals", "not_equals", "starts_with", "not_starts_with", "ends_with", "not_ends_with")
FIELD_PATH_PATTERN = r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$"

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Values = Annotated[
    tuple[Annotated[str, StringConstraints(max_length=2048)], ...],
    Field(min_length=1, max_length=256),
]


class FilterAction(StrEnum):
    """What a rule does with the event records that it matches."""

    DROP = "Drop"
    KEEP = "Keep"


class FieldSelector(ApiModel):
    """A test on one field of an event record. All operators that are given must hold; values of one are alternatives."""

    field: Annotated[str, StringConstraints(pattern=FIELD_PATH_PATTERN, max_length=256)] = Field(
        description="Path of the field in the event record, such as eventName or"
        " userIdentity.sessionContext.sessionIssuer.userName. Booleans and numbers compare by their JSON text;"
        " an absent field fulfils only the operators that begin with 'not'.",
    )
    equals: Values | None = Field(None, description="The field is exactly one of these values.")
    not_equals: Values | None = Field(None, description="The field is none of these values.")
    starts_with: Values | None = Field(None, description="The field begins with one of these values.")
    not_starts_with: Values | None = Field(None, description="The field begins with none of these values.")
    ends_with: Values | None = Field(None, description="The field ends with one of these values.")
    not_ends_with: Values | None = Field(None, description="The field ends with none of these values.")

    cel_rules: ClassVar = (
        CelRule(
            "has(self.equals) || has(self.notEquals) || has(self.startsWith) || has(self.notStartsWith)"
            " || has(self.endsWith) || has(self.notEndsWith)",
            "a field selector needs at least one of equals, notEquals, startsWith, notStartsWith, endsWith, notEndsWith",
        ),
    )

    @model_validator(mode="after")
    def _needs_an_operator(self) -> Self:
        if all(getattr(self, name) is None for name in OPERATORS):
            raise ValueError(self.cel_rules[0].message)
        return self


class FilterRule(ApiModel):
    """A named rule: an action on the event records that all of its field selectors match."""

    name: RuleName = Field(description="Name of the rule; it labels the rule's counter and its errors.")
    action: FilterAction = Field(
        description="Drop discards the matching event records, Keep passes them on. The first rule that matches decides;"
        " an event record that no rule matches is kept.",
    )
    field_selectors: Annotated[tuple[FieldSelector, ...], Field(min_length=1, max_length=16)] = Field(
        description="Tests on fields of the event record; all must hold for the rule to match.",
    )
