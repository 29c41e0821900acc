"""Masks: which values in event records are hidden before anything leaves, and what stands in their place."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from cloudtrail_spec.base import ApiModel, CelRule
from cloudtrail_spec.filters import FIELD_PATH_PATTERN, RuleName
from cloudtrail_spec.patterns import compile_pattern
from cloudtrail_spec.secrets import SecretValue


class MaskPreset(StrEnum):
    """A ready-made mask."""

    ACCESS_KEY_IDS = "AccessKeyIds"
    ASSUMED_ROLE_IDS = "AssumedRoleIds"
    SESSION_TOKENS = "SessionTokens"
    SOURCE_IPS = "SourceIPs"
    USER_NAMES = "UserNames"
    ACCOUNT_IDS = "AccountIds"


class HashReplacement(ApiModel):
    """Puts a keyed hash (HMAC-SHA256, 32 hexadecimal digits) in the place of the value: equal values stay joinable."""

    key: SecretValue = Field(
        description="The key, at least 16 bytes; whoever has it can find out values by trying. Collectors read it when they"
        " start: a new key needs new pods, and its hashes differ from the old one's."
    )


KIND_RULE = CelRule(
    "[has(self.preset), has(self.field), has(self.pattern)].filter(x, x).size() == 1",
    "a mask needs exactly one of preset, field, pattern",
)
OWN_RULE = CelRule(
    "has(self.preset) || (has(self.name) && has(self.replacement) != has(self.hash))",
    "a mask with field or pattern needs a name and exactly one of replacement, hash",
)
PRESET_RULE = CelRule(
    "!has(self.preset) || (!has(self.name) && !(has(self.replacement) && has(self.hash)))",
    "a preset takes no name, and at most one of replacement, hash",
)
# Evaluating the expression compiles it: one that is no RE2 makes the rule fail.
PATTERN_RULE = CelRule(
    "!has(self.pattern) || !''.matches(self.pattern)",
    "pattern must be an RE2 expression that does not match empty text",
    ".pattern",
)


class MaskRule(ApiModel):
    """Hides values in event records before they leave: those of a preset, of a field, or those that match a pattern."""

    preset: MaskPreset | None = Field(
        None,
        description="A ready-made mask. AccessKeyIds: access key ids (AKIA…, ASIA…) in any text, all but their first four"
        " characters; not access keys of other shapes, such as those of IAM's service-specific credentials."
        " AssumedRoleIds: role ids (AROA…) in any text with the session name behind the colon; not the session name in"
        " ARNs (UserNames does). SessionTokens: values of fields whose names end in sessionToken, securityToken or"
        " secretAccessKey in the usual spellings, the same in header, query and JSON text, and AWS session tokens by"
        " their first characters; not tokens of other systems. SourceIPs: the addresses in sourceIPAddress, sourceIp and"
        " clientIp, wherever they stand in the same event record, also as 10-0-0-1; not other addresses, nor names of AWS"
        " services. UserNames: values of fields whose names end in userName, the names of users, roles and sessions in"
        " ARNs of users, assumed roles and federated users, session names in principal ids, wherever they stand as a whole"
        " word in the same event record; not names in fields of other names alone. AccountIds: every run of exactly twelve"
        " digits in text that is no part of a longer word and no end of a UUID, and numbers of twelve digits in fields with"
        " account or owner in their name. No preset looks into base64 or compressed text. Names of log files (in _source,"
        " dead letters and logs), which hold the account id of the trail, are no part of event records and stay.",
    )
    name: RuleName | None = Field(None, description="Name of an own rule; errors about the rule name it.")
    field: Annotated[str, StringConstraints(pattern=FIELD_PATH_PATTERN, max_length=256)] | None = Field(
        None,
        description="Path of a field, such as requestParameters.userData: its value is hidden whatever it is, and of an"
        " object or a list every value inside. Elements of lists are reached by the path of the list, members of JSON in a"
        " text by the path of the text. null is left.",
    )
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        None,
        description="RE2 expression: every match is hidden in every text and every number, and in names of fields. It is"
        " matched against one value at a time, after JSON escapes are resolved; in a text that holds JSON against the"
        " values inside.",
    )
    replacement: Annotated[str, StringConstraints(max_length=256)] | None = Field(
        None,
        description="Text that stands in the place of a hidden value. Absent with a preset: the preset's own, which keeps"
        " the shape (AKIA****************, AROA****************, ****, 0.0.0.0, masked, 000000000000).",
    )
    hash: HashReplacement | None = Field(None, description=str(HashReplacement.__doc__))

    cel_rules: ClassVar = (KIND_RULE, OWN_RULE, PRESET_RULE, PATTERN_RULE)

    @model_validator(mode="after")
    def _kind_and_replacement(self) -> Self:
        if sum(kind is not None for kind in (self.preset, self.field, self.pattern)) != 1:
            raise ValueError(KIND_RULE.message)
        replacements = (self.replacement is not None) + (self.hash is not None)
        if self.preset is None and (self.name is None or replacements != 1):
            raise ValueError(OWN_RULE.message)
        if self.preset is not None and (self.name is not None or replacements > 1):
            raise ValueError(PRESET_RULE.message)
        if self.pattern is not None:
            _check_pattern(self.pattern)
        return self


def _check_pattern(pattern: str) -> None:
    try:
        compiled = compile_pattern(pattern)
    except ValueError as error:
        raise ValueError(f"{PATTERN_RULE.message}: {pattern}: {error}") from error
    if compiled.search(b"") is not None:
        raise ValueError(PATTERN_RULE.message)
