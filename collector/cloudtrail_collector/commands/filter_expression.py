"""Turns what follows `--filter`, such as `eventName=ConsoleLogin,CreateUser`, into a field selector."""

import re
from collections.abc import Iterable

from pydantic import ValidationError

from cloudtrail_collector.errors import ConfigurationError
from cloudtrail_spec.base import describe_errors
from cloudtrail_spec.filters import FieldSelector

# The longer ones first: != must not be found in !^=.
_OPERATORS = {
    "!^=": "notStartsWith",
    "!$=": "notEndsWith",
    "!=": "notEquals",
    "^=": "startsWith",
    "$=": "endsWith",
    "!~": "notMatches",
    "=": "equals",
    "~": "matches",
    "not in": "notCidr",
    "in": "cidr",
}
_EXPRESSION = re.compile(
    r"\s*(?P<field>[A-Za-z_][A-Za-z0-9_.-]*)\s*"
    r"(?P<operator>!\^=|!\$=|!=|\^=|\$=|!~|=|~|(?<=\s)not\s+in(?=\s)|(?<=\s)in(?=\s))"
    r"(?P<values>.*)",
    re.DOTALL,
)
_PRESENCE = re.compile(r"\s*(?P<not>!?)\s*(?P<field>[A-Za-z_][A-Za-z0-9_.-]*)\s*")
_VALUE = re.compile(r"(?:[^\\,]|\\.)+", re.DOTALL)
# A comma stands in many regular expressions.
_WHOLE = frozenset({"matches", "notMatches"})
USAGE = "FIELD=A,B (or !=, ^= begins with, !^=, $= ends with, !$=, ~ regex, !~), FIELD in 10.0.0.0/8 (not in), FIELD, !FIELD"


def parse_filters(texts: Iterable[str]) -> tuple[FieldSelector, ...]:
    """Parse expressions that must all hold. Raises ConfigurationError with every mistake."""
    selectors, errors = [], []
    for text in texts:
        try:
            selectors.append(_parse(text))
        except ValidationError as error:
            errors += [f"--filter {text!r}{_tell(line)}" for line in describe_errors(error, root="")]
        except ValueError as error:
            errors.append(f"--filter {text!r}: {error}")
    if errors:
        raise ConfigurationError(errors)
    return tuple(selectors)


def _parse(text: str) -> FieldSelector:
    if presence := _PRESENCE.fullmatch(text):
        # Only what is there begins with nothing.
        return FieldSelector.model_validate(
            {"field": presence["field"], "notStartsWith" if presence["not"] else "startsWith": [""]}
        )
    found = _EXPRESSION.fullmatch(text)
    if found is None:
        raise ValueError(f"write {USAGE}")
    operator = _OPERATORS[" ".join(found["operator"].split())]
    given = found["values"].strip()
    if given.startswith("=") and operator not in _WHOLE:
        raise ValueError("write one =, not two; a value that begins with = is written \\=…")
    values = [given] if operator in _WHOLE else _split(given)
    if not all(values) or not values:
        raise ValueError("a value is missing")
    return FieldSelector.model_validate({"field": found["field"], operator: values})


def _split(text: str) -> list[str]:
    """Split at commas; a backslash takes the next character as it is."""
    if not re.fullmatch(rf"{_VALUE.pattern}(,{_VALUE.pattern})*", text, re.DOTALL):
        return []
    return [re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL).strip() for value in _VALUE.findall(text)]


def _tell(line: str) -> str:
    return f": {line.lstrip(': ')}"
