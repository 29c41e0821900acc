"""A queue's policy → whether a service may send to the queue on behalf of a bucket, topic or rule."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SEND = "sqs:sendmessage"
_MODIFIERS = re.compile(r"^(?:ForAnyValue:|ForAllValues:)|IfExists$")


@dataclass(frozen=True, slots=True)
class Sender:
    """A service that sends, and on whose behalf; what is None is not known."""

    service: str
    """Without the suffix: s3, sns or events."""
    source_arn: str | None = None
    source_account: str | None = None


def may_send(policy: str | None, sender: Sender, queue_arn: str) -> bool:
    """Say whether the policy lets a sender in. What depends on more than is known here counts in his favour."""
    statements = [one for one in _read_statements(policy) if _is_about(one, sender, queue_arn)]
    denied = any(one.get("Effect") == "Deny" and _judge_conditions(one, sender) is True for one in statements)
    allowed = any(one.get("Effect") == "Allow" and _judge_conditions(one, sender) is not False for one in statements)
    return allowed and not denied


def _read_statements(policy: str | None) -> Iterator[Mapping[str, Any]]:
    if not policy:
        return
    found = json.loads(policy).get("Statement") or []
    yield from (found if isinstance(found, list) else [found])


def _is_about(statement: Mapping[str, Any], sender: Sender, queue_arn: str) -> bool:
    """Say whether sending to the queue by this service is what a statement is about."""
    acts = any(_matches(action.lower(), _SEND) for action in _as_list(statement.get("Action")))
    there = any(_matches(resource, queue_arn) for resource in _as_list(statement.get("Resource", "*")))
    return acts and there and _names(statement.get("Principal"), sender.service)


def _names(principal: Any, service: str) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, dict):
        return False
    services = [name.split(".")[0] for name in _as_list(principal.get("Service"))]
    return service in services or "*" in _as_list(principal.get("AWS"))


def _judge_conditions(statement: Mapping[str, Any], sender: Sender) -> bool | None:
    """Say whether all conditions hold; None: nobody knows of some of them."""
    results = [
        _judge_condition(operator, key.lower(), _as_list(values), sender)
        for operator, tests in (statement.get("Condition") or {}).items()
        for key, values in tests.items()
    ]
    if False in results:
        return False
    return None if None in results else True


def _judge_condition(operator: str, key: str, values: list[str], sender: Sender) -> bool | None:
    known = {"aws:sourcearn": sender.source_arn, "aws:sourceaccount": sender.source_account}
    value = known.get(key)
    if value is None:
        return None
    plain = _MODIFIERS.sub("", operator)
    positive = plain.replace("Not", "")
    if positive in {"ArnEquals", "ArnLike", "StringLike"}:
        holds = any(_matches(pattern, value) for pattern in values)
    elif positive in {"StringEquals", "StringEqualsIgnoreCase"}:
        holds = value in values
    else:
        return None
    return holds == (plain == positive)


def _matches(pattern: str, text: str) -> bool:
    """Compare as IAM does: * is any text, ? any character."""
    expression = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]
