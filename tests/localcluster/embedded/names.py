"""Which names objects may have, and how names are generated."""

from __future__ import annotations

import re
import secrets

from localcluster.embedded.errors import Cause
from localcluster.embedded.resources import Resource

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_SERVICE = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SERVICE_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def generate_suffix(length: int = 5) -> str:
    """Random characters as the server appends to generateName."""
    return "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(length))


def check_name(resource: Resource, name: str) -> list[Cause]:
    """Findings about an object's name."""
    if not name:
        return [Cause("metadata.name", "Required value: name or generateName is required", "FieldValueRequired")]
    if resource.group == "rbac.authorization.k8s.io":
        return []
    pattern, rule, longest = _SUBDOMAIN, _SUBDOMAIN_RULE, 253
    if resource.plural == "namespaces":
        pattern, rule, longest = _LABEL, _LABEL_RULE, 63
    elif resource.plural == "services":
        pattern, rule, longest = _SERVICE, _SERVICE_RULE, 63
    findings = []
    if len(name) > longest:
        findings.append(Cause("metadata.name", f'Invalid value: "{name}": must be no more than {longest} characters'))
    if not pattern.match(name):
        findings.append(Cause("metadata.name", f'Invalid value: "{name}": {rule}'))
    return findings


def check_labels(labels: dict[str, str]) -> list[Cause]:
    """Findings about label values."""
    findings = []
    for value in labels.values():
        if len(value) > 63:
            findings.append(Cause("metadata.labels", f'Invalid value: "{value}": must be no more than 63 bytes'))
        elif not _LABEL_VALUE.match(value):
            findings.append(Cause("metadata.labels", f'Invalid value: "{value}": {_VALUE_RULE}'))
    return findings
