"""The admin's bounds for what the sources of a namespace may name: a source and the rules become a refusal, or none."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from cloudtrail_spec.base import ApiModel, describe_errors
from cloudtrail_spec.source import CloudTrailSourceSpec, CredentialsType

# In all patterns `*` stands for any characters, also for none.
NamespacePattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9*-]+$", max_length=63)]
ArnPattern = Annotated[str, StringConstraints(pattern=r"^(arn:|\*).*$", max_length=2048)]
BucketPattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.*-]+$", max_length=63)]
ImagePattern = Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=512)]
RuleName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=63)]

ASPECTS = {
    "role_arns": "role",
    "buckets": "bucket",
    "queue_arns": "queue",
    "images": "image",
    "credentials": "credentials of type",
}
"""What a rule bounds, and what one of each is called in messages."""


class AllowRule(ApiModel):
    """What sources in some namespaces may name. An absent list bounds nothing, an empty one allows nothing."""

    name: RuleName = Field(description="Name of the rule, for messages.")
    namespaces: Annotated[tuple[NamespacePattern, ...], Field(min_length=1)] = Field(description="Whom it is for.")
    role_arns: tuple[ArnPattern, ...] | None = Field(
        None, description="Roles: roleArn, assumeRole's, those of s3 sinks."
    )
    buckets: tuple[BucketPattern, ...] | None = Field(
        None, description="Buckets: bucket, extraBuckets, those of s3 sinks."
    )
    queue_arns: tuple[ArnPattern, ...] | None = Field(None, description="Queues.")
    images: tuple[ImagePattern, ...] | None = Field(None, description="Collector images beside the operator's own.")
    credentials: tuple[CredentialsType, ...] | None = Field(None, description="Types of credentials.")


AllowList = tuple[AllowRule, ...]
_ADAPTER: TypeAdapter[AllowList] = TypeAdapter(AllowList)


def parse_allow_list(text: str) -> AllowList:
    """Parse the rules from JSON. Raises ValueError that lists every mistake."""
    try:
        rules = _ADAPTER.validate_json(text)
    except ValidationError as error:
        raise ValueError("; ".join(line.lstrip(": ") for line in describe_errors(error, root=""))) from error
    names = [rule.name for rule in rules]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"names of rules must be unique, repeated: {', '.join(repeated)}")
    return rules


def find_denial(rules: Sequence[AllowRule], namespace: str, spec: CloudTrailSourceSpec) -> tuple[str, ...]:
    """Say why a source must not run, a sentence for each rule of its namespace; empty when it may.

    One rule has to cover everything that the source names: two rules do not add up, or a role of one purpose could read the
    bucket of another. Without any rule everything is allowed.
    """
    return find_refusal(rules, namespace, collect_named(spec))


def find_refusal(rules: Sequence[AllowRule], namespace: str, named: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Say why what is named, by aspect, must not be used, a sentence for each rule; empty when it may."""
    if not rules:
        return ()
    ours = [rule for rule in rules if _matches_any(namespace, rule.namespaces)]
    if not ours:
        return (f"no rule of the operator's allow-list is for namespace {namespace}",)
    sentences = tuple(filter(None, map(partial(_describe_refusal, named=named), ours)))
    return sentences if len(sentences) == len(ours) else ()


def collect_named(spec: CloudTrailSourceSpec) -> dict[str, tuple[str, ...]]:
    """Collect what a source names, by aspect."""
    archives = [sink.s3 for sink in spec.all_sinks if sink.s3 is not None]
    chained = spec.assume_role.role_arn if spec.assume_role else None
    named: dict[str, Sequence[str | None]] = {
        "role_arns": (spec.role_arn, chained, *(sink.role_arn for sink in archives)),
        "buckets": (spec.bucket, *spec.extra_buckets, *(sink.bucket for sink in archives)),
        "queue_arns": (spec.queue_arn,),
        "images": (spec.collector_settings.image,),
        "credentials": (spec.credentials_in_force.type.value,),
    }
    return {aspect: tuple(dict.fromkeys(filter(None, values))) for aspect, values in named.items()}


def _describe_refusal(rule: AllowRule, named: Mapping[str, tuple[str, ...]]) -> str | None:
    """Say what a rule does not allow; None when it covers all."""
    refused = [
        f"{word} {value}"
        for aspect, word in ASPECTS.items()
        if (patterns := getattr(rule, aspect)) is not None
        for value in named[aspect]
        if not _matches_any(value, patterns)
    ]
    return f"rule {rule.name} of the operator's allow-list does not allow {', '.join(refused)}" if refused else None


def _matches_any(text: str, patterns: Sequence[str]) -> bool:
    return any(matches(text, pattern) for pattern in patterns)


def matches(text: str, pattern: str) -> bool:
    """Compare a text with a pattern, character by character but for `*`."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None
