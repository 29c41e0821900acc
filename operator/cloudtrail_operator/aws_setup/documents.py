"""IAM policy documents: statements → a document → the text that a person pipes or commits."""

import json
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

Statement: TypeAlias = dict[str, Any]
Document: TypeAlias = dict[str, Any]
Condition: TypeAlias = dict[str, dict[str, Any]]

VERSION = "2012-10-17"


def allow(
    sid: str, actions: Sequence[str], resources: Sequence[str] | None = None, condition: Condition | None = None
) -> Statement:
    """Build a statement that allows actions. The policy of a role (trust) has no resources."""
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": one_or_all(actions)}
    if resources is not None:
        statement["Resource"] = one_or_all(resources)
    if condition:
        statement["Condition"] = condition
    return statement


def allow_principal(
    sid: str,
    principal: dict[str, Any],
    actions: Sequence[str],
    resource: str | None,
    condition: Condition | None = None,
) -> Statement:
    """Build a statement of a policy that belongs to a resource, or of a trust policy (no resource)."""
    statement = allow(sid, actions, None if resource is None else [resource], condition)
    head = {name: statement.pop(name) for name in ("Sid", "Effect")}
    return {**head, "Principal": principal, **statement}


def one_or_all(values: Sequence[str]) -> str | list[str]:
    """Return a single value by itself, several as a list: IAM takes both, and returns a list of one as its value."""
    return values[0] if len(values) == 1 else list(values)


def to_document(statements: Sequence[Statement]) -> Document:
    """Make a document of statements."""
    return {"Version": VERSION, "Statement": list(statements)}


def to_json(document: Document) -> str:
    """Render a document: the same for the same source, whenever and wherever it is made."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def escape(text: str) -> str:
    """Write a text so that IAM takes every character of it literally."""
    return re.sub(r"[*?$]", lambda match: f"${{{match[0]}}}", text)
