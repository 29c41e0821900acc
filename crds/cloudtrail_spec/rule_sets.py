"""The ready-made rule sets of filters, as the rules that they stand for: what each drops is said in `filters.py`."""

from collections.abc import Iterable, Mapping, Sequence

from cloudtrail_spec.filters import FieldSelector, FilterAction, FilterRule, RuleSet

READING = ("Describe", "List", "Get", "Head", "BatchGet", "BatchDescribe", "Lookup", "Search")
"""How the names of calls begin that only read."""

# Reading calls that give out secrets, credentials or code, or with which an intruder looks around.
TELLING = (
    *("GetSecretValue", "BatchGetSecretValue", "GetParameter", "GetParameters", "GetParametersByPath"),
    *("GetParameterHistory", "GetSessionToken", "GetFederationToken", "GetSigninToken", "GetServiceBearerToken"),
    *("GetCredentialsForIdentity", "GetOpenIdToken", "GetOpenIdTokenForDeveloperIdentity", "GetRoleCredentials"),
    *("GetAuthorizationToken", "GetClusterCredentials", "GetClusterCredentialsWithIAM", "GetCredentials"),
    *("GetPasswordData", "GetConsoleScreenshot", "GetConsoleOutput", "GetFunction", "GetDownloadUrlForLayer"),
    *("GetCallerIdentity", "GetAccountAuthorizationDetails", "GetCredentialReport"),
)
_KEY_USE = ("Decrypt", "Encrypt", "GenerateDataKey", "ReEncrypt", "RetireGrant", "DescribeKey")


def _is(field: str, *values: str) -> FieldSelector:
    return FieldSelector(field=field, equals=values)


def _is_not(field: str, *values: str) -> FieldSelector:
    return FieldSelector(field=field, not_equals=values)


# Only what is absent does not begin with nothing: calls that failed are what an intruder's first steps look like.
_SUCCEEDED = FieldSelector(field="errorCode", not_starts_with=("",))
_READS = (
    _is("readOnly", "true"),
    FieldSelector(field="eventName", starts_with=READING, not_equals=TELLING),
    _SUCCEEDED,
    # Whoever records data events or network activity wants to know who read what.
    _is_not("eventCategory", "Data", "NetworkActivity", "Insight"),
    _is_not("managementEvent", "false"),
)
_NOT_ROOT = _is_not("userIdentity.type", "Root")
_SERVICE = _is("userIdentity.type", "AWSService")


def _build_drops(rule_set: RuleSet, *alternatives: tuple[FieldSelector, ...]) -> Sequence[FilterRule]:
    return tuple(
        FilterRule(name=rule_set.value, action=FilterAction.DROP, field_selectors=selectors)
        for selectors in alternatives
    )


RULE_SETS: Mapping[RuleSet, Sequence[FilterRule]] = {
    RuleSet.READ_ONLY_NOISE: _build_drops(RuleSet.READ_ONLY_NOISE, (*_READS, _NOT_ROOT)),
    RuleSet.AWS_SERVICE_NOISE: _build_drops(
        RuleSet.AWS_SERVICE_NOISE,
        (_SERVICE, _SUCCEEDED, _is("eventSource", "sts.amazonaws.com"), _is("eventName", "AssumeRole")),
        (
            FieldSelector(field="userIdentity.invokedBy", ends_with=(".amazonaws.com", "AWS Internal")),
            _SUCCEEDED,
            _is("eventSource", "kms.amazonaws.com"),
            FieldSelector(field="eventName", starts_with=_KEY_USE),
        ),
        (_SERVICE, *_READS),
    ),
    RuleSet.CONSOLE_NOISE: _build_drops(
        RuleSet.CONSOLE_NOISE,
        (*_READS, _NOT_ROOT, _is("sessionCredentialFromConsole", "true")),
        (
            *_READS,
            _NOT_ROOT,
            FieldSelector(field="userAgent", matches=(r"^Mozilla/", r"^(console|signin)\.amazonaws\.com$", r"Console")),
        ),
    ),
}
"""Rules that drop, alternatives of one another. None keeps: a set never decides for rules behind it."""


def expand_rule(rule: FilterRule) -> Iterable[FilterRule]:
    """Return the rules that a rule stands for: those of its set, or itself."""
    return (rule,) if rule.rule_set is None else RULE_SETS[rule.rule_set]
