"""Event metrics: rules that count event records in Prometheus counters, so that alerts need no other system."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from cloudtrail_spec.base import ApiModel, CelRule
from cloudtrail_spec.filters import FieldSelector, RuleName


class MetricPreset(StrEnum):
    """A ready-made set of rules."""

    CIS_AWS_FOUNDATIONS = "cis-aws-foundations"


class MetricLabel(StrEnum):
    """A label that a rule may ask for, from the field of the event record that it is named after."""

    EVENT_NAME = "EventName"
    EVENT_SOURCE = "EventSource"
    REGION = "Region"
    ACCOUNT_ID = "AccountID"
    ERROR_CODE = "ErrorCode"
    IDENTITY_TYPE = "IdentityType"


class MetricRule(ApiModel):
    """Counts the event records that it matches in cloudtrail_collector_event_matches_total, by rule and labels.

    Every rule sees every event record that is read, whatever filters and routes do with it; it is counted when all sinks
    have accepted what is delivered of its log file, and again when that is delivered again.
    """

    name: RuleName = Field(
        description="Name of the rule, the value of label rule; behind a preset's name, if it is one."
    )
    field_selectors: Annotated[tuple[FieldSelector, ...], Field(min_length=1, max_length=16)] | None = Field(
        None, description="Tests on fields of the event record; all must hold. Written as in filters."
    )
    preset: MetricPreset | None = Field(
        None,
        description="A ready-made set of rules. cis-aws-foundations: the activities that the CIS AWS Foundations Benchmark"
        " wants monitored, each counted as <name>/<activity>: unauthorized-api-calls, console-sign-in-without-mfa, root-use,"
        " iam-policy-changes, cloudtrail-changes, console-sign-in-failures, kms-key-disabling, bucket-policy-changes,"
        " config-changes, security-group-changes, network-acl-changes, network-gateway-changes, route-table-changes,"
        " vpc-changes, organizations-changes.",
    )
    labels: Annotated[tuple[MetricLabel, ...], Field(max_length=6)] = Field(
        default=(),
        description="Labels beside rule. Their values are those of the masked event record. A rule has at most 1000"
        " combinations; further ones are counted under the value other.",
    )

    cel_rules: ClassVar = (
        CelRule("has(self.preset) != has(self.fieldSelectors)", "a metric needs exactly one of fieldSelectors, preset"),
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.preset is None) == (self.field_selectors is None):
            raise ValueError(self.cel_rules[0].message)
        return self
